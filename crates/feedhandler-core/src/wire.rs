//! Where datagrams come from: sockets, and the system calls that empty them.
//!
//! The first stage of the data's way. A [`LineSpec`] says what a line is received on, a [`LineSocket`] is the line opened,
//! and [`Recvmmsg`] takes datagrams from it straight into slots of the ring.

mod drops;
pub(crate) mod interface;
mod options;
mod recvmmsg;
mod socket;

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use drops::extend_drops;
pub use recvmmsg::{Datagram, MAX_BATCH, Recvmmsg, TellDrops};
pub use socket::{LineReport, LineSocket};

/// One line of a channel: a stream of datagrams on an address.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LineSpec {
    /// Channel that the line carries.
    pub channel: u16,
    /// Which of the channel's lines it is: 0 for A, 1 for B.
    pub line: u16,
    /// Name for reports and errors.
    pub name: String,
    /// A local address, or a multicast group; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Interface to join a multicast group on, by name or by one of its addresses; without it, routing decides.
    pub interface: Option<String>,
    /// Receive buffer to ask for; without it, the system's default.
    pub rcvbuf_bytes: Option<usize>,
}

/// Something that was asked of the system and not granted in full. Reception works, but not as well.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Warning {
    /// The line, or what else it is about.
    pub subject: String,
    /// The setting, under the system's name.
    pub setting: &'static str,
    /// What was asked for.
    pub asked: String,
    /// What was granted.
    pub granted: String,
    /// Why.
    pub why: String,
    /// A command that would grant it.
    pub command: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, setting, asked, granted, why, command } = self;
        write!(f, "{subject}: {setting}: asked for {asked}, granted {granted}: {why}")?;
        command.iter().try_for_each(|command| write!(f, "; try: {command}"))
    }
}

/// Why reception cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    /// The line, or what else it is about.
    pub subject: String,
    /// What was being done.
    pub doing: String,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// What to do next.
    pub remedy: String,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, doing, expected, found, remedy } = self;
        write!(f, "{subject}: cannot {doing}: expected {expected}, found {found}; {remedy}")
    }
}

impl std::error::Error for WireError {}
