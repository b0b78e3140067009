//! What the receive thread knows of one line: its counters, and up to when it has been looked at.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use super::ReceiveOptions;
use super::counters::{LineCounters, add};
use crate::ring::{SlotFlags, SlotHeader};
use crate::wire::{Datagram, LineSocket, Tell, TellDrops, extend_drops};

/// How a look at a line, or at all of them, ended. In order: what a turn's looks amount to is the last of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// The socket is empty.
    Drained,
    /// Nothing is known of the socket: the system refused the look.
    Failed,
    /// The ring is full and the socket was left alone.
    RingFull,
    /// There may be more.
    More,
}

/// What the receive thread knows of a line.
pub(super) struct Line {
    index: u16,
    slot_bytes: usize,
    /// Who may send; empty for anybody.
    sources: Vec<IpAddr>,
    /// Whether the kernel is to tell who has sent each datagram.
    asks_source: bool,
    /// The kernel tells more beside each datagram than its stamp and the drop counter.
    tells_more: bool,
    socket_drops: u64,
    ring_drops: u64,
    polled_ns: u64,
    /// Stamp of the last datagram, where it had one.
    last_stamp_ns: Option<u64>,
    /// How many datagrams the next look is known to find: as many as the last one took, where it was not enough.
    expected: usize,
    /// Taken, and not yet counted where others see it.
    datagrams: u64,
    coalesced: u64,
    bytes: u64,
    truncated: u64,
}

impl Line {
    /// What is to be known of a line of that position.
    pub(super) fn of(index: usize, options: &ReceiveOptions, socket: &LineSocket) -> Self {
        let sources = socket.filtered_sources().to_vec();
        let asks_source = options.senders || !sources.is_empty();
        Self { sources, asks_source, tells_more: socket.tells_more(), ..Self::new(index, options.slot_bytes) }
    }

    fn new(index: usize, slot_bytes: usize) -> Self {
        Self {
            index: index.try_into().unwrap_or(u16::MAX),
            slot_bytes,
            sources: Vec::new(),
            asks_source: false,
            tells_more: false,
            socket_drops: 0,
            ring_drops: 0,
            polled_ns: 0,
            last_stamp_ns: None,
            expected: 0,
            datagrams: 0,
            coalesced: 0,
            bytes: 0,
            truncated: 0,
        }
    }

    /// Everything queued before this instant has been taken.
    pub(super) fn polled_ns(&self) -> u64 {
        self.polled_ns
    }

    /// How many datagrams the next look will probably take, at least.
    pub(super) fn expected(&self) -> usize {
        self.expected
    }

    /// With a line that is never found empty, the drop counter of one datagram in a batch has to do.
    pub(super) fn tell(&self) -> Tell {
        let is_brief = self.expected > 0 && !self.tells_more;
        let drops = if is_brief { TellDrops::WithLast } else { TellDrops::WithEach };
        Tell { drops, source: self.asks_source }
    }

    /// Notes a datagram and says what its slot is to tell of it.
    pub(super) fn header(&mut self, datagram: Datagram, taken_ns: u64) -> SlotHeader {
        self.note(datagram);
        let len = datagram.len.min(self.slot_bytes);
        let (truncated, count) = (datagram.len > self.slot_bytes, datagram.count());
        self.datagrams += count as u64;
        self.coalesced += if count > 1 { count as u64 } else { 0 };
        self.bytes += datagram.len as u64;
        self.truncated += u64::from(truncated);
        let ts_kernel_ns = datagram.stamp_ns.unwrap_or(taken_ns);
        SlotHeader {
            ts_recv_ns: datagram.nic_stamp_ns.unwrap_or(ts_kernel_ns),
            ts_kernel_ns,
            taken_ns,
            socket_drops: self.socket_drops,
            ring_drops: self.ring_drops,
            len: len.try_into().unwrap_or(u32::MAX),
            segment_bytes: datagram.segment_bytes.map_or(0, |bytes| bytes.try_into().unwrap_or(u32::MAX)),
            datagrams: count.try_into().unwrap_or(u32::MAX),
            line: self.index,
            flags: SlotFlags::when(SlotFlags::TRUNCATED, truncated)
                | SlotFlags::when(SlotFlags::UNSTAMPED, datagram.stamp_ns.is_none())
                | SlotFlags::when(SlotFlags::OTHER_SOURCE, !self.may_send(datagram.source)),
            sent_bytes: datagram.len.try_into().unwrap_or(u32::MAX),
            sender: 0,
        }
    }

    fn may_send(&self, source: Option<SocketAddr>) -> bool {
        self.sources.is_empty() || source.is_some_and(|source| self.sources.contains(&source.ip()))
    }

    fn note(&mut self, datagram: Datagram) {
        self.last_stamp_ns = datagram.stamp_ns;
        if let Some(drops) = datagram.drops {
            self.socket_drops = extend_drops(self.socket_drops, drops);
        }
    }

    /// Counts what has been noted where others see it: before the slots are published, so that whoever sees a slot sees it
    /// counted.
    pub(super) fn count(&mut self, counters: &LineCounters) {
        add(&counters.datagrams, std::mem::take(&mut self.datagrams));
        add(&counters.coalesced, std::mem::take(&mut self.coalesced));
        add(&counters.bytes, std::mem::take(&mut self.bytes));
        add(&counters.truncated, std::mem::take(&mut self.truncated));
        counters.socket_drops.store(self.socket_drops, Ordering::Release);
    }

    /// Counts datagrams that were taken and thrown away; of the last one, what the kernel told is kept.
    pub(super) fn drop_newest(&mut self, count: usize, last: Datagram, counters: &LineCounters) {
        self.note(last);
        self.ring_drops += count as u64;
        counters.ring_drops.store(self.ring_drops, Ordering::Relaxed);
        counters.socket_drops.store(self.socket_drops, Ordering::Release);
    }

    /// A look that took `taken` of the `asked` datagrams that there was room for.
    pub(super) fn looked(&mut self, counters: &LineCounters, taken: usize, asked: usize, looked_ns: u64) -> Look {
        let drained = taken < asked;
        counters.drained.store(drained, Ordering::Relaxed);
        if drained {
            self.expected = 0;
            self.polled_ns = looked_ns;
            return Look::Drained;
        }
        self.expected = taken;
        // First in, first out: what was queued before the last datagram has been taken. But a stamp from during the look
        // may be one that the kernel made up when the datagram was taken, as it does until it has switched stamping on.
        if let Some(stamp_ns) = self.last_stamp_ns.filter(|&stamp_ns| stamp_ns < looked_ns) {
            self.polled_ns = stamp_ns;
        }
        Look::More
    }

    /// A look that took nothing.
    pub(super) fn nothing(&mut self, counters: &LineCounters, error: &io::Error, looked_ns: u64) -> Look {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.looked(counters, 0, 1, looked_ns),
            io::ErrorKind::Interrupted => Look::More,
            _ => {
                counters.note_error(error);
                counters.drained.store(false, Ordering::Relaxed);
                Look::Failed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(stamp_ns: u64) -> Datagram {
        Datagram { len: 30, stamp_ns: Some(stamp_ns), ..Datagram::default() }
    }

    #[test]
    fn a_line_is_polled_up_to_the_look_that_found_it_empty_or_to_the_last_stamp() {
        let (mut line, counters) = (Line::new(0, 64), LineCounters::default());
        line.header(stamped(900), 1_000);
        assert_eq!(line.looked(&counters, 1, 1, 950), Look::More);
        assert_eq!(line.polled_ns(), 900);
        line.header(stamped(1_100), 1_200);
        assert_eq!(line.looked(&counters, 1, 2, 1_000), Look::Drained);
        assert_eq!(line.polled_ns(), 1_000);
        line.header(stamped(1_300), 1_310);
        assert_eq!(line.looked(&counters, 1, 1, 1_250), Look::More);
        assert_eq!(line.polled_ns(), 1_000, "a stamp from during the look proves nothing");
    }

    #[test]
    fn a_look_that_failed_says_nothing_about_the_socket_and_is_counted() {
        let (mut line, counters) = (Line::new(0, 64), LineCounters::default());
        let looks = [
            (io::Error::from_raw_os_error(libc::ENETDOWN), Look::Failed, 0, 1),
            (io::ErrorKind::Interrupted.into(), Look::More, 0, 1),
            (io::ErrorKind::WouldBlock.into(), Look::Drained, 500, 1),
        ];
        for (error, look, polled_ns, errors) in looks {
            assert_eq!(line.nothing(&counters, &error, 500), look);
            assert_eq!((line.polled_ns(), counters.errors.load(Ordering::Relaxed)), (polled_ns, errors));
        }
        assert_eq!(counters.last_errno.load(Ordering::Relaxed), libc::ENETDOWN);
    }

    #[test]
    fn without_a_stamp_the_time_of_taking_stands_in_and_says_so() {
        let mut line = Line::new(3, 64);
        let header = line.header(Datagram { len: 65, ..Datagram::default() }, 1_000);
        assert_eq!(header.ts_kernel_ns, 1_000);
        assert_eq!((header.ts_recv_ns, header.len, header.line), (1_000, 64, 3));
        assert_eq!(header.sent_bytes, 65);
        assert_eq!(header.flags, SlotFlags::UNSTAMPED | SlotFlags::TRUNCATED);
    }

    #[test]
    fn drops_are_told_from_the_datagram_that_brought_them_on() {
        let mut line = Line::new(0, 64);
        let told = [None, Some(u32::MAX / 2), Some(u32::MAX - 1), None, Some(3)];
        let totals = told.map(|drops| line.header(Datagram { drops, ..stamped(1) }, 1).socket_drops);
        assert_eq!(totals, [0, 0x7fff_ffff, 0xffff_fffe, 0xffff_fffe, 0x1_0000_0003]);
    }

    #[test]
    fn the_cards_stamp_is_told_and_the_kernels_kept_for_the_watermark() {
        let (mut line, counters) = (Line::new(0, 64), LineCounters::default());
        let header = line.header(Datagram { nic_stamp_ns: Some(37_000), ..stamped(900) }, 1_000);
        assert_eq!((header.ts_recv_ns, header.ts_kernel_ns), (37_000, 900));
        assert_eq!(line.looked(&counters, 1, 1, 950), Look::More);
        assert_eq!(line.polled_ns(), 900);
    }

    #[test]
    fn coalesced_datagrams_are_counted_each() {
        let (mut line, counters) = (Line::new(0, 65_535), LineCounters::default());
        let header = line.header(Datagram { len: 100, segment_bytes: Some(30), ..stamped(1) }, 2);
        assert_eq!((header.segment_bytes, header.datagrams, header.len), (30, 4, 100));
        line.header(stamped(1), 2);
        line.count(&counters);
        let counted = [&counters.datagrams, &counters.coalesced].map(|counter| counter.load(Ordering::Relaxed));
        assert_eq!(counted, [5, 4]);
    }

    #[test]
    fn a_datagram_of_another_source_is_flagged_and_so_is_one_of_none() {
        let (allowed, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut line = Line { sources: vec![allowed], ..Line::new(0, 64) };
        let mut flags = |ip: Option<IpAddr>| {
            let source = ip.map(|ip| SocketAddr::new(ip, 26_400));
            line.header(Datagram { source, ..stamped(1) }, 1).flags
        };
        assert_eq!([Some(allowed), Some(other), None].map(&mut flags).map(|flags| flags.0), [0, 4, 4]);
    }
}
