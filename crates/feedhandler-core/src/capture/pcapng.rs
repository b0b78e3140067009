//! The block capture format: sections of blocks, each section in its own byte order and with its own interfaces
//! (draft-ietf-opsawg-pcapng, sections 3 and 4).

use super::RECORDS_UNASKED;
use super::block::{self, BODY_START, Passing};
use super::block_kind::BlockKind;
use super::clock::{Clock, Resolution};
use super::error::CaptureError;
use super::options::options;
use super::order::{size_at, u16_at, u32_at, u64_at};
use super::record::Record;
use super::source::Source;
use super::stats::{CaptureStats, Interface};
use crate::spec::ByteOrder;

const VERSION_MAJOR: u16 = 1;

/// Interfaces that are kept of one file; a file that describes more is read no further.
const INTERFACES_MAX: usize = 65_536;

const OPT_COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;

pub(super) struct Pcapng {
    /// Byte order of the current section.
    order: ByteOrder,
    /// Interfaces of the current section: the last so many of the capture's.
    ports: Vec<Port>,
    /// Bytes of the block met last, still ahead of the source's position.
    pending: usize,
    /// A block that is being passed over.
    passing: Option<Passing>,
}

/// What a packet block needs of its interface.
#[derive(Clone, Copy)]
struct Port {
    link_type: u32,
    snap_len: u32,
    clock: Clock,
}

impl Pcapng {
    pub(super) fn new() -> Self {
        Self { order: ByteOrder::Little, ports: Vec::new(), pending: 0, passing: None }
    }

    /// The next packet record, with slack behind its frame unless the file ends there.
    #[inline]
    pub(super) fn next_record(
        &mut self,
        source: &mut Source,
        stats: &mut CaptureStats,
    ) -> Result<Option<Record>, CaptureError> {
        for blocks in 1_u64.. {
            if blocks.is_multiple_of(RECORDS_UNASKED) {
                source.may_go_on()?;
            }
            source.consume(std::mem::take(&mut self.pending));
            let Some(block) = block::next(source, &mut self.order, &mut self.passing, stats)? else { return Ok(None) };
            stats.blocks.count(block.kind);
            self.pending = block.size;
            let body = source.unread().get(block.body()).unwrap_or_default();
            if !block.kind.is_packet() {
                if let Some((expected, found)) = self.describe(block.kind, body, stats) {
                    stats.truncated = Some(source.misfit(expected, &found));
                    return Ok(None);
                }
            } else if let Some(record) = self.packet(block.kind, body) {
                return Ok(Some(record));
            } else {
                stats.records += 1;
                stats.malformed_record += 1;
            }
        }
        Ok(None)
    }

    #[inline]
    fn packet(&self, kind: BlockKind, body: &[u8]) -> Option<Record> {
        match kind {
            BlockKind::EnhancedPacket => self.timed_packet(size_at(body, 0, self.order)?, body),
            BlockKind::Packet => self.timed_packet(usize::from(u16_at(body, 0, self.order)?), body),
            _ => self.simple_packet(body),
        }
    }

    /// An enhanced packet block, or an obsolete packet block: they differ in the interface's width alone.
    #[inline]
    fn timed_packet(&self, interface: usize, body: &[u8]) -> Option<Record> {
        const FIXED_BYTES: usize = 20;
        let port = self.ports.get(interface)?;
        let (high, low) = (u32_at(body, 4, self.order)?, u32_at(body, 8, self.order)?);
        let captured = size_at(body, 12, self.order)?;
        let original = size_at(body, 16, self.order)?;
        (captured <= body.len().checked_sub(FIXED_BYTES)?).then(|| Record {
            ts_ns: Some(port.clock.unix_ns(u64::from(high) << 32 | u64::from(low))),
            link_type: port.link_type,
            start: BODY_START + FIXED_BYTES,
            captured,
            original,
        })
    }

    fn simple_packet(&self, body: &[u8]) -> Option<Record> {
        const FIXED_BYTES: usize = 4;
        let port = self.ports.first()?;
        let original = size_at(body, 0, self.order)?;
        let limit = if port.snap_len == 0 { u32::MAX } else { port.snap_len };
        let captured = original.min(usize::try_from(limit).ok()?);
        (captured <= body.len().checked_sub(FIXED_BYTES)?).then_some(Record {
            ts_ns: None,
            link_type: port.link_type,
            start: BODY_START + FIXED_BYTES,
            captured,
            original,
        })
    }

    /// Learns what a block without a packet says; what was expected and found where nothing can be read after it.
    fn describe(&mut self, kind: BlockKind, body: &[u8], stats: &mut CaptureStats) -> Option<(&'static str, String)> {
        match kind {
            BlockKind::SectionHeader => self.section(body, stats),
            BlockKind::InterfaceDescription => self.interface(body, stats),
            BlockKind::InterfaceStatistics => {
                self.statistics(body, stats);
                None
            }
            _ => None,
        }
    }

    fn section(&mut self, body: &[u8], stats: &mut CaptureStats) -> Option<(&'static str, String)> {
        self.ports.clear();
        stats.comment = comment(body.get(16..).unwrap_or_default(), self.order);
        stats.trailer = None;
        match u16_at(body, 4, self.order) {
            Some(VERSION_MAJOR) => None,
            Some(version) => Some(("a section of pcapng version 1", format!("version {version}"))),
            None => Some(("a section header of at least 8 bytes", format!("{} bytes", body.len()))),
        }
    }

    fn interface(&mut self, body: &[u8], stats: &mut CaptureStats) -> Option<(&'static str, String)> {
        if stats.interfaces.len() == INTERFACES_MAX {
            return Some(("at most 65,536 interfaces", "one more".to_owned()));
        }
        let Some(interface) = interface(body, self.order) else {
            return Some(("an interface description of at least 8 bytes", format!("{} bytes", body.len())));
        };
        let clock = Clock::new(interface.resolution, interface.offset_s);
        self.ports.push(Port { link_type: interface.link_type, snap_len: interface.snap_len, clock });
        stats.interfaces.push(interface);
        None
    }

    fn statistics(&self, body: &[u8], stats: &mut CaptureStats) {
        let first = stats.interfaces.len() - self.ports.len();
        let section = stats.interfaces.get_mut(first..).unwrap_or_default();
        let fields = body.get(12..).unwrap_or_default();
        stats.trailer = comment(fields, self.order).or(stats.trailer.take());
        let Some(interface) = size_at(body, 0, self.order).and_then(|id| section.get_mut(id)) else { return };
        for (code, value) in options(fields, self.order) {
            match code {
                ISB_IFRECV => interface.received = u64_at(value, 0, self.order),
                ISB_IFDROP => interface.dropped = u64_at(value, 0, self.order),
                _ => {}
            }
        }
    }
}

fn interface(body: &[u8], order: ByteOrder) -> Option<Interface> {
    let mut interface = Interface {
        name: None,
        description: None,
        comment: None,
        link_type: u32::from(u16_at(body, 0, order)?),
        resolution: Resolution::MICROSECONDS,
        offset_s: 0,
        snap_len: u32_at(body, 4, order)?,
        received: None,
        dropped: None,
    };
    for (code, value) in options(body.get(8..).unwrap_or_default(), order) {
        match (code, value) {
            (OPT_COMMENT, comment) => interface.comment = Some(text(comment, Interface::COMMENT_BYTES_MAX)),
            (IF_NAME, name) => interface.name = Some(text(name, Interface::NAME_BYTES_MAX)),
            (IF_DESCRIPTION, words) => interface.description = Some(text(words, Interface::NAME_BYTES_MAX)),
            (IF_TSRESOL, [byte, ..]) => interface.resolution = Resolution::from_tsresol(*byte),
            (IF_TSOFFSET, offset) => interface.offset_s = u64_at(offset, 0, order).unwrap_or(0).cast_signed(),
            _ => {}
        }
    }
    Some(interface)
}

/// The comment among a block's options.
fn comment(fields: &[u8], order: ByteOrder) -> Option<String> {
    let mut comments = options(fields, order).filter(|(code, _)| *code == OPT_COMMENT);
    comments.next().map(|(_, comment)| text(comment, comment.len()))
}

fn text(bytes: &[u8], most_bytes: usize) -> String {
    let kept = bytes.get(..most_bytes).unwrap_or(bytes);
    String::from_utf8_lossy(kept).into_owned()
}
