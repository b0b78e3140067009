//! Where datagrams come from: sockets, and the system calls that empty them.
//!
//! The first stage of the data's way. A [`LineSpec`] says what a line is received on, a [`LineSocket`] is the line opened,
//! and a [`Backend`] takes datagrams from it straight into slots of the ring.

mod backend;
mod control;
mod drops;
pub(crate) mod interface;
mod join;
mod nic;
mod options;
mod recv;
mod recvmmsg;
mod refusal;
mod report;
mod settings;
mod socket;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use backend::{Backend, BackendKind, MAX_BATCH};
pub use control::{Datagram, Tell, TellDrops};
pub use drops::extend_drops;
pub use report::{LineReport, Membership, Stamps};
pub use socket::LineSocket;

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
    /// Who may send: datagrams of other sources are not heard, or counted apart. Empty for anybody.
    #[serde(default)]
    pub sources: Vec<IpAddr>,
    /// Who keeps other sources of a group away.
    #[serde(default)]
    pub join: Join,
    /// Whether the network card is to stamp datagrams.
    #[serde(default)]
    pub hardware_stamps: bool,
    /// How long a look at an empty socket is to look at the network card itself, in microseconds.
    #[serde(default)]
    pub busy_poll_us: Option<u32>,
}

impl LineSpec {
    /// A line with the system's defaults, from any source.
    #[must_use]
    pub fn new(name: impl Into<String>, address: SocketAddr) -> Self {
        Self {
            channel: 0,
            line: 0,
            name: name.into(),
            address,
            interface: None,
            rcvbuf_bytes: None,
            sources: Vec::new(),
            join: Join::Source,
            hardware_stamps: false,
            busy_poll_us: None,
        }
    }

    /// Whether the group is joined for its sources alone, so that the network and the kernel keep others away.
    #[must_use]
    pub fn joins_sources(&self) -> bool {
        self.address.ip().is_multicast() && self.join == Join::Source && !self.sources.is_empty()
    }

    /// The sources that reception itself has to look for: empty where it takes what comes.
    #[must_use]
    pub fn filtered_sources(&self) -> &[IpAddr] {
        if self.joins_sources() { &[] } else { &self.sources }
    }
}

/// How a group is joined whose line names sources.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// For those sources (source-specific multicast): others do not even reach this machine.
    #[default]
    Source,
    /// For any source, where the network knows no other way: others are counted and left out here.
    Any,
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
