//! The wrapper around a source: datagrams of all lines go in, and come out as the faults leave them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::{fmt, io};

use super::chance::Chance;
use super::choice::Choice;
use super::copy::Duplicate;
use super::drop::Lose;
use super::hold::{Delay, Overtake};
use super::line::Line;
use super::mangle::{Corrupt, Protocol, Truncate};
use super::packet::Packet;
use super::rewrite::{Change, Rewriter};
use super::spec::{Fault, FaultSpec, FaultsSpec, Which};
use super::stage::Stage;
use super::truth::{LineHead, Truth};
use crate::plan::{Plan, PlanError};

/// A line, and what it may be called in a fault: its name, or an address that its datagrams go to or went to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineName {
    /// `A` for the first, `B` for the second, and so on.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<String>,
}

impl LineName {
    /// The line with this number, from 0 on.
    #[must_use]
    pub fn new(number: usize, addresses: Vec<String>) -> Self {
        let letter = u8::try_from(number).ok().filter(|number| *number < 26).map(|number| char::from(b'A' + number));
        let name = letter.map_or_else(|| format!("line {}", number + 1), String::from);
        Self { name, addresses }
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.addresses.iter().any(|address| address == name)
    }
}

/// Why faults cannot be injected.
#[derive(Debug)]
pub enum FaultError {
    /// There is no such line.
    NoLine(String, Vec<LineName>),
    /// Nobody said what the lines are.
    NoLines,
    /// The protocol makes no sense.
    Plan(PlanError),
    /// Sequence numbers are asked for, and nobody said of what protocol they are.
    NoProtocol,
    /// The protocol's header cannot be rewritten.
    NoFixedHeader(String),
    /// The protocol has no such session.
    Session(String, String),
    /// The truth cannot be written.
    Truth(io::Error),
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLine(name, lines) => {
                let known = lines.iter().map(|line| format!("{} ({})", line.name, line.addresses.join(", ")));
                let known: Vec<_> = known.collect();
                write!(f, "fault: expected one of the lines {}, found {name:?}", known.join(", "))
            }
            Self::NoLines => f.write_str("fault: expected a capture, and channels that name its lines, found none"),
            Self::Plan(error) => error.fmt(f),
            Self::NoProtocol => {
                f.write_str("fault: sequence numbers can be told only of a protocol: expected one, found none")
            }
            Self::NoFixedHeader(name) => write!(
                f,
                "fault: a restart or jump rewrites sequence numbers at a fixed place of the header: {name} has none"
            ),
            Self::Session(name, text) => {
                write!(f, "fault: expected a session that fits the header of {name}, found {text:?}")
            }
            Self::Truth(error) => write!(f, "cannot write the truth: {error}"),
        }
    }
}

impl std::error::Error for FaultError {}

/// A datagram that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulted {
    /// Index of its line.
    pub line: usize,
    /// Its time, with all that it was delayed by.
    pub ts_ns: u64,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// See the module's documentation.
pub struct Injector {
    spec: FaultsSpec,
    protocol: Option<Protocol>,
    names: Vec<LineName>,
    /// Made when the first datagram says when the feed begins.
    lines: Vec<Line>,
    now_ns: u64,
    leaving: VecDeque<(usize, Packet)>,
    truth: Truth,
    is_closed: bool,
}

impl Injector {
    /// Faults on lines; what is done goes to `truth`.
    ///
    /// # Errors
    /// See [`FaultError`].
    pub fn new(spec: FaultsSpec, names: Vec<LineName>, mut truth: Truth) -> Result<Self, FaultError> {
        for line in spec.faults.iter().filter_map(|fault| fault.line.as_ref()) {
            if !names.iter().any(|name| name.is_called(line)) {
                return Err(FaultError::NoLine(line.clone(), names));
            }
        }
        let is_sequenced = |fault: &FaultSpec| matches!(fault.which, Which::Sequences { .. });
        if spec.protocol.is_none() && spec.faults.iter().any(is_sequenced) {
            return Err(FaultError::NoProtocol);
        }
        let compiled = spec.protocol.as_ref().map(|spec| Ok(Arc::new((Plan::new(spec)?, spec.clone()))));
        let protocol = compiled.transpose().map_err(FaultError::Plan)?;
        let heads: Vec<_> =
            names.iter().map(|name| LineHead { line: &name.name, addresses: &name.addresses }).collect();
        truth.head(spec.seed, spec.protocol.as_ref().map(|protocol| protocol.name.as_str()), &heads);
        let (lines, leaving) = (Vec::new(), VecDeque::new());
        let mut injector = Self { spec, protocol, names, lines, now_ns: 0, leaving, truth, is_closed: false };
        injector.lines = injector.make_lines(0)?;
        Ok(injector)
    }

    /// Takes the next datagram of a line in; what leaves at its time or before can then be taken by [`Self::take`].
    pub fn offer(&mut self, line: usize, ts_ns: u64, payload: &[u8]) {
        if self.now_ns == 0
            && let Ok(lines) = self.make_lines(ts_ns)
        {
            self.lines = lines;
        }
        self.now_ns = self.now_ns.max(ts_ns).max(1);
        let mut out = Vec::new();
        for (number, own) in self.lines.iter_mut().enumerate() {
            let mut packets = Vec::new();
            if number == line {
                own.offer(ts_ns, self.now_ns, payload, &mut self.truth, &mut packets);
            } else {
                own.advance(self.now_ns, &mut self.truth, &mut packets);
            }
            out.extend(packets.into_iter().map(|packet| (number, packet)));
        }
        self.leave(out);
    }

    /// Nothing more comes: what was held can be taken.
    pub fn finish(&mut self) {
        let mut out = Vec::new();
        for (number, line) in self.lines.iter_mut().enumerate() {
            let mut packets = Vec::new();
            line.finish(&mut self.truth, &mut packets);
            out.extend(packets.into_iter().map(|packet| (number, packet)));
        }
        self.leave(out);
    }

    /// The next datagram that leaves, if there is one by now.
    pub fn take(&mut self) -> Option<Faulted> {
        let (line, packet) = self.leaving.pop_front()?;
        self.lines[line].left(&packet);
        Some(Faulted { line, ts_ns: packet.ts_ns, payload: packet.payload })
    }

    /// Ends the truth. Of what was taken, `sent` of each line were sent, or all; what was not taken was not sent.
    ///
    /// # Errors
    /// The truth could not be written.
    pub fn close(&mut self, sent: Option<&[u64]>) -> Result<(), FaultError> {
        if std::mem::replace(&mut self.is_closed, true) {
            return Ok(());
        }
        for (number, line) in self.lines.iter_mut().enumerate() {
            line.settle(sent.and_then(|sent| sent.get(number)).copied(), &mut self.truth);
        }
        self.finish();
        for (line, packet) in std::mem::take(&mut self.leaving) {
            self.lines[line].stop(&packet, &mut self.truth);
        }
        for line in &self.lines {
            line.summarise(&mut self.truth);
        }
        self.truth.end().map_err(FaultError::Truth)
    }

    /// Packets of several lines leave in the order of their times.
    fn leave(&mut self, mut out: Vec<(usize, Packet)>) {
        out.sort_by_key(|(_, packet)| packet.due_ns);
        self.leaving.extend(out);
    }

    fn make_lines(&self, start_ns: u64) -> Result<Vec<Line>, FaultError> {
        (0..self.names.len()).map(|line| self.make_line(line, start_ns)).collect()
    }

    fn make_line(&self, line: usize, start_ns: u64) -> Result<Line, FaultError> {
        let name = &self.names[line];
        let (mut chain, mut changes): (Vec<Box<dyn Stage>>, _) = (Vec::new(), Vec::new());
        for (number, fault) in self.spec.faults.iter().enumerate() {
            if fault.line.as_ref().is_some_and(|line| !name.is_called(line)) {
                continue;
            }
            let choice = Choice::new(fault, start_ns, Chance::new(self.spec.seed, number, line));
            match stage(choice, &fault.what, self.protocol.as_ref()) {
                Ok(stage) => chain.push(stage),
                Err(choice) => changes.push(Change::new(choice, fault.what.clone())),
            }
        }
        let rewriter = Rewriter::new(self.spec.protocol.as_ref(), changes)?;
        Ok(Line::new(name.name.clone(), self.protocol.clone(), rewriter, chain))
    }
}

/// The stage of a fault of the network; the choice again where it is one of the sender's.
fn stage(choice: Choice, what: &Fault, protocol: Option<&Protocol>) -> Result<Box<dyn Stage>, Choice> {
    let protocol = protocol.cloned();
    Ok(match *what {
        Fault::Loss {} => Box::new(Lose { choice, is_down: false }),
        Fault::Down {} => Box::new(Lose { choice, is_down: true }),
        Fault::Duplicate { after_ns } => Box::new(Duplicate::new(choice, after_ns)),
        Fault::ReorderPackets { within } => Box::new(Overtake { choice, within, waiting: Vec::new() }),
        Fault::ReorderTime { within_ns } => Box::new(Delay::reorder(choice, within_ns)),
        Fault::Delay { by_ns, jitter_ns } => Box::new(Delay::new(choice, by_ns, jitter_ns)),
        Fault::Corrupt { part, is_byte } => Box::new(Corrupt { choice, part, is_byte, protocol }),
        Fault::Truncate { keep } => Box::new(Truncate { choice, keep, protocol }),
        Fault::Restart { .. } | Fault::Jump { .. } => return Err(choice),
    })
}

impl Drop for Injector {
    /// A truth that nobody closed says what left until then.
    fn drop(&mut self) {
        let _ = self.close(None);
    }
}
