//! The classic capture format: a header, then records of one interface
//! (draft-ietf-opsawg-pcap, sections 4 and 5).

use super::clock::{Resolution, unix_ns_of_pcap};
use super::error::CaptureError;
use super::kind::pcap_magic;
use super::order::{size_at, u32_at};
use super::record::{FRAME_BYTES_MAX, Record};
use super::source::Source;
use super::stats::{CaptureStats, Interface};
use crate::padded::SLACK_BYTES;
use crate::spec::ByteOrder;

const FILE_HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;

/// The low half of the header's last word; the upper half says whether frames end with a checksum, which the
/// length in the IP header cuts off anyway.
const LINK_TYPE_MASK: u32 = 0xffff;

pub(super) struct Pcap {
    order: ByteOrder,
    ns_per_fraction: u64,
    link_type: u32,
    /// Bytes of the record handed out last, still ahead of the source's position.
    pending: usize,
}

impl Pcap {
    /// Reads the file header; `None` where it is cut short.
    pub(super) fn open(source: &mut Source, stats: &mut CaptureStats) -> Result<Option<Self>, CaptureError> {
        let Some((pcap, interface)) = file_header(source.fill(FILE_HEADER_BYTES)?) else { return Ok(None) };
        source.consume(FILE_HEADER_BYTES);
        stats.interfaces.push(interface);
        Ok(Some(pcap))
    }

    /// The next record, with at least [`SLACK_BYTES`] readable behind its frame unless the file ends there.
    #[inline]
    pub(super) fn next_record(
        &mut self,
        source: &mut Source,
        stats: &mut CaptureStats,
    ) -> Result<Option<Record>, CaptureError> {
        source.consume(std::mem::take(&mut self.pending));
        let bytes = source.fill(RECORD_HEADER_BYTES)?;
        let Some(record) = self.record_header(bytes) else {
            stats.truncated = source.ending("a record header of 16 bytes");
            return Ok(None);
        };
        let size = RECORD_HEADER_BYTES.saturating_add(record.captured);
        if record.captured > FRAME_BYTES_MAX || source.fill(size + SLACK_BYTES)?.len() < size {
            stats.truncated = Some(misfit(source, record.captured));
            return Ok(None);
        }
        self.pending = size;
        Ok(Some(record))
    }

    #[inline]
    fn record_header(&self, bytes: &[u8]) -> Option<Record> {
        let header: &[u8; RECORD_HEADER_BYTES] = bytes.first_chunk()?;
        let (seconds, fraction) = (u32_at(header, 0, self.order)?, u32_at(header, 4, self.order)?);
        Some(Record {
            ts_ns: Some(unix_ns_of_pcap(seconds, fraction, self.ns_per_fraction)),
            link_type: self.link_type,
            start: RECORD_HEADER_BYTES,
            captured: size_at(header, 8, self.order)?,
            original: size_at(header, 12, self.order)?,
        })
    }
}

fn file_header(bytes: &[u8]) -> Option<(Pcap, Interface)> {
    let header: &[u8; FILE_HEADER_BYTES] = bytes.first_chunk()?;
    let (order, ns_per_fraction) = pcap_magic(header)?;
    let link_type = u32_at(header, 20, order)? & LINK_TYPE_MASK;
    let interface = Interface {
        name: None,
        description: None,
        comment: None,
        link_type,
        resolution: if ns_per_fraction == 1 { Resolution::NANOSECONDS } else { Resolution::MICROSECONDS },
        offset_s: 0,
        snap_len: u32_at(header, 16, order)?,
        received: None,
        dropped: None,
    };
    Some((Pcap { order, ns_per_fraction, link_type, pending: 0 }, interface))
}

#[cold]
fn misfit(source: &Source, captured: usize) -> String {
    if captured > FRAME_BYTES_MAX {
        source.misfit(&format!("a record of at most {FRAME_BYTES_MAX} bytes"), &format!("one of {captured} bytes"))
    } else {
        source.shortfall(&format!("a record header of 16 bytes and {captured} bytes of packet"))
    }
}
