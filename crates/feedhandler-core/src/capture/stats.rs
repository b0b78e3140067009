//! What was met in a capture: the fate of each packet record, and the facts of the file around them.

use std::path::Path;

use serde::Serialize;

use super::Capture;
use super::block_kind::BlockCounts;
use super::clock::Resolution;
use super::error::CaptureError;
use super::kind::FileKind;

/// Counts and facts of one capture, so far as it was read.
///
/// Every record has one fate: `records = datagrams + fragments + not_udp + snapped + unsupported_link +
/// malformed_record + malformed_link + malformed_ip + malformed_udp`.
#[derive(Clone, Debug, Serialize)]
pub struct CaptureStats {
    /// pcap or pcapng.
    pub format: FileKind,
    /// Packet records in the file.
    pub records: u64,
    /// Records handed out: whole UDP datagrams.
    pub datagrams: u64,
    /// Bytes of UDP payload handed out.
    pub bytes: u64,
    /// Records that hold a fragment of an IP packet; they are not reassembled.
    pub fragments: u64,
    /// Records that hold something else than UDP over IP.
    pub not_udp: u64,
    /// Records that hold fewer bytes than were on the wire, too few for the IP packet in them.
    pub snapped: u64,
    /// Records of a link type that cannot be read; [`CaptureStats::interfaces`] names it.
    pub unsupported_link: u64,
    /// Packet blocks that contradict themselves or name an interface the section does not have.
    pub malformed_record: u64,
    /// Frames too short for their link layer.
    pub malformed_link: u64,
    /// Packets whose IP header or extension headers are wrong.
    pub malformed_ip: u64,
    /// Datagrams whose UDP header does not fit the IP packet around it.
    pub malformed_udp: u64,
    /// pcapng blocks by kind.
    pub blocks: BlockCounts,
    /// Interfaces in the order they were described, over all sections.
    pub interfaces: Vec<Interface>,
    /// Comment of the last section's header.
    pub comment: Option<String>,
    /// Comment of the last interface statistics block of the last section that has one: in captures that we wrote, the
    /// trailer.
    pub trailer: Option<String>,
    /// Where and why reading ended before the end of the file: what was expected, and what was found.
    pub truncated: Option<String>,
    /// Time of the first record that has one, in Unix nanoseconds.
    pub first_ts_ns: Option<u64>,
    /// Time of the last record that has one, in Unix nanoseconds.
    pub last_ts_ns: Option<u64>,
}

/// An interface that packets were captured on.
#[derive(Clone, Debug, Serialize)]
pub struct Interface {
    /// Its name (`if_name`), cut at [`Interface::NAME_BYTES_MAX`].
    pub name: Option<String>,
    /// What it is (`if_description`), cut like the name.
    pub description: Option<String>,
    /// Its comment, cut at [`Interface::COMMENT_BYTES_MAX`].
    pub comment: Option<String>,
    /// What frames begin with: a number of the LINKTYPE registry.
    pub link_type: u32,
    /// Unit of its time stamps.
    pub resolution: Resolution,
    /// Seconds added to its time stamps.
    pub offset_s: i64,
    /// Most bytes captured of a frame; 0 where there is no limit.
    pub snap_len: u32,
    /// Packets it received, by the last interface statistics block.
    pub received: Option<u64>,
    /// Packets it dropped, by the last interface statistics block.
    pub dropped: Option<u64>,
}

impl Interface {
    /// Longest name that is kept.
    pub const NAME_BYTES_MAX: usize = 256;
    /// Longest comment that is kept.
    pub const COMMENT_BYTES_MAX: usize = 1024;
}

/// A part of a packet that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Link,
    Ip,
    Udp,
}

/// Why a record has no datagram to hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    Fragment,
    NotUdp,
    UnsupportedLink,
    /// The captured bytes end before this layer does.
    Cut(Layer),
    /// This layer contradicts itself or the one around it.
    Malformed(Layer),
}

impl CaptureStats {
    /// What a capture says of itself up to its first datagram.
    ///
    /// # Errors
    /// [`CaptureError`] where it cannot be read or is no capture.
    pub fn of_head(path: &Path) -> Result<Self, CaptureError> {
        let mut capture = Capture::open(path)?;
        capture.next_datagram()?;
        Ok(capture.stats().clone())
    }

    pub(super) fn new(format: FileKind) -> Self {
        Self {
            format,
            records: 0,
            datagrams: 0,
            bytes: 0,
            fragments: 0,
            not_udp: 0,
            snapped: 0,
            unsupported_link: 0,
            malformed_record: 0,
            malformed_link: 0,
            malformed_ip: 0,
            malformed_udp: 0,
            blocks: BlockCounts::default(),
            interfaces: Vec::new(),
            comment: None,
            trailer: None,
            truncated: None,
            first_ts_ns: None,
            last_ts_ns: None,
        }
    }

    #[inline]
    pub(super) fn record(&mut self, ts_ns: Option<u64>) {
        self.records += 1;
        self.first_ts_ns = self.first_ts_ns.or(ts_ns);
        self.last_ts_ns = ts_ns.or(self.last_ts_ns);
    }

    /// Gives a record without a datagram its fate.
    pub(super) fn miss(&mut self, miss: Miss, was_snapped: bool) {
        let counter = match miss {
            Miss::Fragment => &mut self.fragments,
            Miss::NotUdp => &mut self.not_udp,
            Miss::UnsupportedLink => &mut self.unsupported_link,
            Miss::Cut(_) if was_snapped => &mut self.snapped,
            Miss::Cut(Layer::Link) | Miss::Malformed(Layer::Link) => &mut self.malformed_link,
            Miss::Cut(Layer::Ip) | Miss::Malformed(Layer::Ip) => &mut self.malformed_ip,
            Miss::Cut(Layer::Udp) | Miss::Malformed(Layer::Udp) => &mut self.malformed_udp,
        };
        *counter += 1;
    }
}
