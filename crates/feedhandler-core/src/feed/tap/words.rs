//! What a capture says of itself, as JSON in the comments of its blocks (docs/captures.md).

use std::net::SocketAddr;

use serde::Serialize;

use super::losses::Losses;
use super::summary::Summary;
use crate::arbitrate::ArbiterOptions;
use crate::capture::write::InterfaceDescription;
use crate::wire::LineReport;

/// Comment of the section header: what the file's datagrams are to be read with.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    pub format: &'static str,
    pub version: u32,
    pub protocol: &'a str,
    pub arbitrate: ArbiterOptions,
    /// The file's number in its capture, from 1.
    pub file: u32,
}

pub(super) const FORMAT: &str = "feedhandler-capture";
pub(super) const VERSION: u32 = 1;

/// Comment of an interface: which line it is.
#[derive(Serialize)]
struct Place<'a> {
    channel: &'a str,
    line: &'a str,
    address: SocketAddr,
}

/// The trailer: comment of the last block.
#[derive(Serialize)]
pub(super) struct Trailer {
    /// Packets in the file.
    pub packets: u64,
    /// What is in the file, taken by itself.
    #[serde(flatten)]
    pub file: Summary,
    /// What the feed had delivered since it began, about when the file's last packets came.
    pub feed: Summary,
    /// Datagrams that are not in the file.
    pub missing: Missing,
}

/// Datagrams that are not in a file, over all lines, by cause.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Missing {
    socket_buffer: u64,
    ring_full: u64,
    queue_full: u64,
    disk: u64,
}

impl From<Losses> for Missing {
    fn from(losses: Losses) -> Self {
        let Losses { socket, ring, queue, disk, .. } = losses;
        Self { socket_buffer: socket, ring_full: ring, queue_full: queue, disk }
    }
}

/// A line as an interface of the capture.
pub(super) fn interface(channel: &str, report: &LineReport) -> InterfaceDescription {
    let (line, address) = (report.name.as_str(), report.address);
    let on = report.interface.iter().map(|interface| format!(" on {interface}"));
    let from = report.sources.iter().map(|source| format!(" from {source}"));
    let local = Some(address.ip()).filter(|ip| !ip.is_multicast() && !ip.is_unspecified());
    InterfaceDescription {
        name: format!("{channel} {line}"),
        description: std::iter::once(address.to_string()).chain(on).chain(from).collect(),
        address: local,
        comment: json(&Place { channel, line, address }),
    }
}

pub(super) fn json(words: &impl Serialize) -> String {
    serde_json::to_string(words).unwrap_or_default()
}
