//! What a session is made with.

use std::fmt;

use super::instrument::MOST_INSTRUMENTS;
use super::packet::{MOST_HEADER_BYTES, MOST_MESSAGE_BYTES, Protocol};

/// Messages a second, at most.
const MOST_RATE: f64 = 1e8;
/// The longest datagram.
pub const MOST_PACKET_BYTES: usize = 65_507;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is written.
    pub protocol: Protocol,
    /// Makes everything but the times that are given.
    pub seed: u64,
    /// How many instruments there are; their numbers count from 1.
    pub instruments: u32,
    /// Name of the session.
    pub session: String,
    /// When it begins, in Unix nanoseconds.
    pub start_ns: u64,
    /// Messages a second on average, where their times come by themselves.
    pub rate: f64,
    /// Bytes of a packet, at most.
    pub packet_bytes: usize,
}

impl Options {
    pub(super) fn mean_gap_ns(&self) -> u64 {
        std::time::Duration::from_secs_f64(1.0 / self.rate).as_nanos().try_into().unwrap_or(u64::MAX)
    }

    pub(super) fn check(&self) -> Result<(), OptionsError> {
        let most_bytes = self.protocol.session_bytes();
        if !self.session.is_ascii() || self.session.len() > most_bytes {
            return Err(OptionsError::Session { session: self.session.clone(), most_bytes });
        }
        if !(1..=MOST_INSTRUMENTS).contains(&self.instruments) {
            return Err(OptionsError::Instruments(self.instruments));
        }
        if !(0.001..=MOST_RATE).contains(&self.rate) {
            return Err(OptionsError::Rate(self.rate));
        }
        if !(MOST_HEADER_BYTES + MOST_MESSAGE_BYTES..=MOST_PACKET_BYTES).contains(&self.packet_bytes) {
            return Err(OptionsError::PacketBytes(self.packet_bytes));
        }
        Ok(())
    }
}

/// What is wrong with options.
#[derive(Clone, Debug, PartialEq)]
pub enum OptionsError {
    /// The session's name does not fit its field.
    Session {
        /// The name.
        session: String,
        /// What the field holds.
        most_bytes: usize,
    },
    /// There are none, or more than can be numbered.
    Instruments(u32),
    /// No rate that times can be made of.
    Rate(f64),
    /// A packet that holds no message, or that no datagram holds.
    PacketBytes(usize),
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session { session, most_bytes } => {
                write!(f, "expected a session of at most {most_bytes} bytes of ASCII, found {session:?}")
            }
            Self::Instruments(0) => write!(f, "expected at least one instrument, found 0"),
            Self::Instruments(found) => write!(f, "expected at most {MOST_INSTRUMENTS} instruments, found {found}"),
            Self::Rate(found) => write!(f, "expected from 0.001 to {MOST_RATE} messages a second, found {found}"),
            Self::PacketBytes(found) => {
                let least = MOST_HEADER_BYTES + MOST_MESSAGE_BYTES;
                write!(f, "expected packets of {least} to {MOST_PACKET_BYTES} bytes, found {found}")
            }
        }
    }
}

impl std::error::Error for OptionsError {}
