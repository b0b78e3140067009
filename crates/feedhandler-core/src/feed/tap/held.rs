//! Datagrams in the order of their receive times, although each look takes many of one line before those of the next.

use std::time::{Duration, Instant};

use super::chunk::{Chunk, Record};
use crate::padded::Padded;

/// What is held back for an earlier datagram at most.
const HELD_BYTES_MAX: usize = 8 << 20;
/// For how long: against a clock that was set back, by which nothing would be settled for as long.
const HELD_MAX: Duration = Duration::from_secs(1);

/// Datagrams that are not written yet, in the order in which they will be.
pub(super) struct Held {
    waiting: Vec<Waiting>,
    bytes: Vec<u8>,
    /// By line: a line's datagrams stay in their order, whatever their stamps say.
    last_ns: Vec<u64>,
    since: Instant,
}

/// A datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// Its place in time: its stamp, unless its line was further already.
    place_ns: u64,
    start: usize,
    pub record: Record,
}

impl Held {
    pub(super) fn new(lines: usize) -> Self {
        Self { waiting: Vec::new(), bytes: Vec::new(), last_ns: vec![0; lines], since: Instant::now() }
    }

    /// Takes a chunk in; says how many datagrams can be written now, because none from before them will come.
    pub(super) fn take(&mut self, chunk: &Chunk) -> usize {
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        let mut start = self.bytes.len();
        self.bytes.extend_from_slice(&chunk.bytes);
        for record in &chunk.records {
            let last_ns = &mut self.last_ns[usize::from(record.line)];
            *last_ns = record.ts_ns.max(*last_ns);
            self.waiting.push(Waiting { place_ns: *last_ns, start, record: *record });
            start += record.len as usize;
        }
        self.waiting.sort_by_key(|waiting| waiting.place_ns); // stable
        if self.bytes.len() > HELD_BYTES_MAX || self.since.elapsed() > HELD_MAX {
            return self.waiting.len();
        }
        self.waiting.partition_point(|waiting| waiting.place_ns <= chunk.settled_ns)
    }

    pub(super) fn waiting(&self) -> &[Waiting] {
        &self.waiting
    }

    pub(super) fn payload(&self, waiting: &Waiting) -> Padded<'_> {
        Padded::new(&self.bytes[waiting.start..], waiting.record.len as usize)
    }

    /// Lets go of the first `count` datagrams.
    pub(super) fn release(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let mut bytes = Vec::with_capacity(self.bytes.capacity());
        for waiting in &mut self.waiting[count..] {
            let payload = &self.bytes[waiting.start..waiting.start + waiting.record.len as usize];
            waiting.start = bytes.len();
            bytes.extend_from_slice(payload);
        }
        self.waiting.drain(..count);
        self.bytes = bytes;
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::tap::losses::Losses;

    fn chunk(settled_ns: u64, datagrams: &[(u16, u64, &[u8])]) -> Chunk {
        let mut chunk = Chunk { settled_ns, ..Chunk::default() };
        for (line, ts_ns, payload) in datagrams {
            let len = u32::try_from(payload.len()).unwrap();
            let losses = Losses::default();
            chunk.push(Record { ts_ns: *ts_ns, line: *line, sender: 0, sent_bytes: len, len, losses }, payload);
        }
        chunk
    }

    fn written(held: &mut Held, ready: usize) -> Vec<Vec<u8>> {
        let payloads = held.waiting()[..ready].iter().map(|waiting| held.payload(waiting).bytes().to_vec()).collect();
        held.release(ready);
        payloads
    }

    #[test]
    fn lines_are_merged_by_time_up_to_where_all_have_been_looked_at() {
        let mut held = Held::new(2);
        let ready = held.take(&chunk(25, &[(0, 10, b"a"), (0, 20, b"cc"), (0, 30, b"ee"), (1, 11, b"b")]));
        assert_eq!(written(&mut held, ready), [&b"a"[..], b"b", b"cc"]);
        let ready = held.take(&chunk(40, &[(1, 26, b"ddd"), (1, 41, b"f")]));
        assert_eq!(written(&mut held, ready), [&b"ddd"[..], b"ee"]);
        let ready = held.take(&chunk(u64::MAX, &[]));
        assert_eq!(written(&mut held, ready), [b"f"]);
    }

    #[test]
    fn a_line_keeps_its_order_although_the_clock_was_set_back() {
        let mut held = Held::new(2);
        let ready = held.take(&chunk(u64::MAX, &[(0, 50, b"1"), (0, 10, b"2"), (1, 20, b"x"), (0, 11, b"3")]));
        assert_eq!(written(&mut held, ready), [b"x", b"1", b"2", b"3"]);
    }

    #[test]
    fn nothing_is_held_back_for_ever() {
        let mut held = Held::new(1);
        assert_eq!(held.take(&chunk(5, &[(0, 10, b"later")])), 0);
        held.since -= HELD_MAX + Duration::from_millis(1);
        assert_eq!(held.take(&chunk(6, &[])), 1);
        let long = vec![0; 60_000];
        let many: Vec<_> = (0..200).map(|_| (0, 10, &long[..])).collect();
        assert_eq!(held.take(&chunk(6, &many)), 201);
    }
}
