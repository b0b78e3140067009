//! What became of a line's settings: what was asked for, and what was granted.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::{LineSpec, Warning, interface::Interface};

/// What became of a line's settings.
#[derive(Clone, Debug, Serialize)]
pub struct LineReport {
    /// Name of the line.
    pub name: String,
    /// Channel that the line carries.
    pub channel: u16,
    /// Which of the channel's lines it is.
    pub line: u16,
    /// Address that the socket is bound to: the local address, or the multicast group.
    pub address: SocketAddr,
    /// Name of the interface that the group is joined on; `None` where routing decided, or for a local address.
    pub interface: Option<String>,
    /// How the group was joined; `None` for a local address.
    pub membership: Option<Membership>,
    /// Who may send; empty for anybody.
    pub sources: Vec<IpAddr>,
    /// Receive buffer asked for.
    pub rcvbuf_asked_bytes: Option<usize>,
    /// Receive buffer as the kernel tells it: twice what it granted, because it counts its own overhead in.
    pub rcvbuf_bytes: usize,
    /// Who stamps datagrams.
    pub stamps: Stamps,
    /// Whether the kernel tells with each datagram how many it had dropped.
    pub drops_told: bool,
    /// Whether the kernel coalesces datagrams.
    pub coalesced: bool,
    /// How long a look at an empty socket looks at the network card itself.
    pub busy_poll_us: u32,
    /// Settings that were not granted in full.
    pub warnings: Vec<Warning>,
}

impl LineReport {
    /// What is known of it before anything was asked of the system.
    pub(super) fn new(spec: &LineSpec, joined_on: Option<&Interface>) -> Self {
        let membership = if spec.joins_sources() { Membership::SourceSpecific } else { Membership::AnySource };
        Self {
            name: spec.name.clone(),
            channel: spec.channel,
            line: spec.line,
            address: spec.address,
            interface: joined_on.map(|interface| interface.name.clone()),
            membership: spec.address.ip().is_multicast().then_some(membership),
            sources: spec.sources.clone(),
            rcvbuf_asked_bytes: spec.rcvbuf_bytes,
            rcvbuf_bytes: 0,
            stamps: Stamps::None,
            drops_told: false,
            coalesced: false,
            busy_poll_us: 0,
            warnings: Vec::new(),
        }
    }
}

/// How a group was joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// For any source.
    AnySource,
    /// For the line's sources alone.
    SourceSpecific,
}

/// Who stamps datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamps {
    /// Nobody: the time at which they are taken stands in.
    None,
    /// The kernel.
    Kernel,
    /// The network card; the kernel where the card left one out.
    Hardware,
}
