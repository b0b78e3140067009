//! Capture files: the UDP datagrams in a pcap or pcapng file, plain or compressed.
//!
//! Where live reception has `wire` and `ring`, a file has this; both hand datagrams to framing. General layout,
//! in the order bytes meet it: [`Source`] (`raw`, `stream`) → records (`pcap`, or `pcapng` by way of `block`) → `link`
//! → `ip` → [`Datagram`].

// Blocks are walked here, and not by `pcap-parser`: it allocates for each packet block that has options, does not know
// the obsolete packet block, refuses resolutions that are powers of two, reads `if_tsoffset` as little-endian in every
// section, and needs a block whole in memory whatever length it claims. IP is left to `etherparse` but for the plainest
// of datagrams, which nearly all are.
mod block;
mod block_kind;
mod clock;
mod error;
mod ip;
mod kind;
mod link;
mod options;
mod order;
mod pcap;
mod pcapng;
mod raw;
mod record;
mod source;
mod stats;
mod stream;
pub mod write;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;

pub use block_kind::{BlockCounts, BlockKind};
pub use clock::Resolution;
pub use error::CaptureError;
pub use kind::{FileKind, recognise};
pub use source::{FILL_BYTES_MAX, Source};
pub use stats::{CaptureStats, Interface};

use crate::padded::Padded;
use pcap::Pcap;
use pcapng::Pcapng;
use record::Record;
use stats::Miss;

/// Records or blocks between two times that somebody is asked whether to break off.
const RECORDS_UNASKED: u64 = 1024;

/// One capture file, read from its beginning to its end.
///
/// No damage in the file is an error: reading ends where the file can no longer be understood, what precedes is handed
/// out, and [`CaptureStats::truncated`] says what was expected and found, and where.
pub struct Capture {
    source: Source,
    format: Format,
    stats: CaptureStats,
    /// Of the datagram that was handed out last.
    ends: Ends,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// A whole UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// When it was captured, in Unix nanoseconds. A simple packet block has no time: it gets that of the record before
    /// it, or 0 where there is none.
    pub ts_ns: u64,
    /// Who sent it.
    pub source: &'a SocketAddr,
    /// Where it was sent to.
    pub destination: &'a SocketAddr,
    /// Its payload, and all that is readable behind it.
    pub payload: Padded<'a>,
}

/// Who sent a datagram, and to whom. It is written and read where it stands: to hand 64 bytes on by value right after
/// their parts were written makes the processor wait for each copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    source: SocketAddr,
    destination: SocketAddr,
}

impl Ends {
    const NONE: Self = {
        let nobody = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Self { source: nobody, destination: nobody }
    };
}

impl Capture {
    /// Opens a capture; gzip and zstd are known by their first bytes.
    ///
    /// The file is mapped. A program that shortens it while it is read ends this process with `SIGBUS`: captures that
    /// are being rewritten must be copied first. Growing does no harm; what is added after opening is not seen.
    ///
    /// # Errors
    /// [`CaptureError::Io`] where the file cannot be read, [`CaptureError::NotACapture`] where it is something else.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        Self::new(Source::open(path)?)
    }

    /// A capture that is in memory.
    ///
    /// # Errors
    /// [`CaptureError::NotACapture`] where the bytes are something else.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, CaptureError> {
        Self::new(Source::from_bytes(bytes)?)
    }

    /// A capture of a source of which nothing has been consumed, such as one whose [`Source::kind`] was asked.
    ///
    /// # Errors
    /// As [`Capture::open`].
    pub fn new(mut source: Source) -> Result<Self, CaptureError> {
        let kind = source.kind()?;
        let mut stats = CaptureStats::new(kind);
        let format = match kind {
            FileKind::Pcap => Pcap::open(&mut source, &mut stats)?.map(Format::Pcap),
            FileKind::Pcapng => Some(Format::Pcapng(Pcapng::new())),
            FileKind::Other => None,
        };
        match format {
            Some(format) => Ok(Self { source, format, stats, ends: Ends::NONE }),
            None => Err(not_a_capture(&source, kind)),
        }
    }

    /// The next UDP datagram; `None` at the end, or where the file can be read no further
    /// ([`CaptureStats::truncated`]).
    ///
    /// # Errors
    /// [`CaptureError::Io`] where an uncompressed pipe cannot be read; never for damage in the file. Where reading was
    /// broken off ([`break_off`](crate::break_off)), the next call goes on.
    #[inline]
    pub fn next_datagram(&mut self) -> Result<Option<Datagram<'_>>, CaptureError> {
        Ok(self.next_payload()?.map(|payload| self.hand_out(payload)))
    }

    /// Where the payload of the next datagram lies ahead of the source's position; `ends` and the time are set.
    fn next_payload(&mut self) -> Result<Option<Range<usize>>, CaptureError> {
        loop {
            if self.stats.records.is_multiple_of(RECORDS_UNASKED) {
                self.source.may_go_on()?;
            }
            let Some(record) = self.next_record()? else { return Ok(None) };
            match locate(self.source.unread(), &record, &mut self.ends) {
                Ok(payload) => return Ok(Some(payload)),
                Err(miss) => self.stats.miss(miss, record.was_snapped()),
            }
        }
    }

    /// What was met so far.
    #[must_use]
    pub fn stats(&self) -> &CaptureStats {
        &self.stats
    }

    /// How far the file on disk has been read.
    #[must_use]
    pub fn position_bytes(&self) -> u64 {
        self.source.position_bytes()
    }

    /// Length of the file on disk; 0 where nobody knows it (a pipe).
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.source.total_bytes()
    }

    /// Bytes of the capture read so far, as they are after decompression.
    #[must_use]
    pub fn offset_bytes(&self) -> u64 {
        self.source.offset_bytes()
    }

    #[inline]
    fn next_record(&mut self) -> Result<Option<Record>, CaptureError> {
        if self.stats.truncated.is_some() {
            return Ok(None);
        }
        let record = match &mut self.format {
            Format::Pcap(pcap) => pcap.next_record(&mut self.source, &mut self.stats)?,
            Format::Pcapng(pcapng) => pcapng.next_record(&mut self.source, &mut self.stats)?,
        };
        if let Some(record) = &record {
            self.stats.record(record.ts_ns);
        }
        Ok(record)
    }

    #[inline]
    fn hand_out(&mut self, payload: Range<usize>) -> Datagram<'_> {
        self.stats.datagrams += 1;
        self.stats.bytes += payload.len() as u64;
        let slot = self.source.unread().get(payload.start..).unwrap_or_default();
        Datagram {
            ts_ns: self.stats.last_ts_ns.unwrap_or(0),
            source: &self.ends.source,
            destination: &self.ends.destination,
            payload: Padded::new(slot, payload.len()),
        }
    }
}

/// Where the payload of a record's datagram lies ahead of the source's position.
#[inline]
fn locate(unread: &[u8], record: &Record, ends: &mut Ends) -> Result<Range<usize>, Miss> {
    let frame = unread.get(record.start..record.start + record.captured).unwrap_or_default();
    let packet = frame.get(link::ip_offset(record.link_type, frame)?..).unwrap_or_default();
    let payload = ip::datagram(packet, ends)?;
    let start = payload.as_ptr().addr() - unread.as_ptr().addr();
    Ok(start..start + payload.len())
}

fn not_a_capture(source: &Source, kind: FileKind) -> CaptureError {
    let head = source.unread();
    let found = match (source.failure(), kind) {
        (Some(failure), _) => format!("a {failure}"),
        (None, FileKind::Pcap) => format!("a pcap file header cut off after {} of 24 bytes", head.len()),
        (None, _) if head.is_empty() => "an empty file".to_owned(),
        (None, _) => format!("a file beginning with \"{}\"", head.get(..16).unwrap_or(head).escape_ascii()),
    };
    CaptureError::NotACapture { path: source.path().to_path_buf(), found }
}
