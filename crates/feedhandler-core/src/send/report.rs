//! What was sent, where to, and how late.

use std::net::SocketAddr;

use serde::Serialize;

use crate::latency::Percentiles;

/// What a sender did.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct SendReport {
    /// Datagrams the kernel took.
    pub packets: u64,
    /// Payload bytes the kernel took.
    pub bytes: u64,
    /// From before the first system call to after the last.
    pub elapsed_ns: u64,
    /// The same by destination.
    pub destinations: Vec<DestinationReport>,
    /// Datagrams not sent because they are longer than UDP over IPv4 can carry.
    pub too_long: u64,
    /// System calls that took nothing and were repeated.
    pub retries: u64,
    /// Return of the system call that sent a datagram, less its deadline: an upper bound of its lateness.
    pub lateness_ns: Percentiles,
}

/// What one destination got.
#[derive(Clone, Debug, Serialize, PartialEq)]
pub struct DestinationReport {
    /// The address.
    pub to: SocketAddr,
    /// Datagrams the kernel took.
    pub packets: u64,
    /// Payload bytes the kernel took.
    pub bytes: u64,
    /// Datagrams that the network said nobody took, as ICMP tells it: port or host unreachable.
    pub refused: u64,
}

impl DestinationReport {
    pub(super) fn new(to: SocketAddr) -> Self {
        Self { to, packets: 0, bytes: 0, refused: 0 }
    }
}
