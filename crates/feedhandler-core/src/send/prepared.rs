//! Datagrams that a program made itself, with deadlines of its own.

use std::fmt;

use super::clock::Clock;
use super::sender::{Halt, Sender};
use super::transmit::Transmit;

/// Datagrams to send, their deadlines and where each goes.
///
/// Invariant: where there are deadlines or lines, there are as many as payloads, and each line is one of the
/// destinations.
#[derive(Clone, Debug)]
pub struct Prepared<P> {
    payloads: Vec<P>,
    deadlines_ns: Option<Vec<u64>>,
    lines: Option<Vec<usize>>,
    destinations: Vec<usize>,
}

/// Why datagrams cannot be sent as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreparedError {
    /// There are fewer or more deadlines or lines than payloads.
    Count {
        /// Payloads.
        expected: usize,
        /// Deadlines or lines.
        found: usize,
    },
    /// There is no such line.
    Line {
        /// Number of lines.
        lines: usize,
        /// What was asked for.
        found: usize,
    },
}

impl fmt::Display for PreparedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { expected, found } => write!(f, "expected one for each of {expected} packets, found {found}"),
            Self::Line { lines, found } => write!(f, "expected the number of one of {lines} lines, found {found}"),
        }
    }
}

impl std::error::Error for PreparedError {}

impl<P: AsRef<[u8]>> Prepared<P> {
    /// Payloads, each due at its deadline (or at once) on its line (or on all); `destinations` has the lines' numbers.
    ///
    /// # Errors
    ///
    /// See [`PreparedError`].
    pub fn new(
        payloads: Vec<P>,
        deadlines_ns: Option<Vec<u64>>,
        lines: Option<Vec<usize>>,
        destinations: &[usize],
    ) -> Result<Self, PreparedError> {
        for found in [deadlines_ns.as_ref().map(Vec::len), lines.as_ref().map(Vec::len)].into_iter().flatten() {
            if found != payloads.len() {
                return Err(PreparedError::Count { expected: payloads.len(), found });
            }
        }
        if let Some(&found) = lines.iter().flatten().find(|&&line| line >= destinations.len()) {
            return Err(PreparedError::Line { lines: destinations.len(), found });
        }
        Ok(Self { payloads, deadlines_ns, lines, destinations: destinations.to_vec() })
    }

    /// Sends them; the sender's clock shows `offset_ns` less than that of the deadlines.
    ///
    /// # Errors
    ///
    /// As [`Sender::send`].
    pub fn send<T: Transmit, C: Clock>(&self, offset_ns: u64, sender: &mut Sender<T, C>) -> Result<(), Halt> {
        sender.now_ns();
        for (number, payload) in self.payloads.iter().enumerate() {
            let deadline_ns = self.deadlines_ns.as_ref().map(|all| all[number].saturating_sub(offset_ns));
            for &to in
                self.lines.as_ref().map_or(&self.destinations[..], |all| &self.destinations[all[number]..=all[number]])
            {
                sender.send(deadline_ns, to, payload.as_ref())?;
            }
        }
        sender.flush()
    }
}
