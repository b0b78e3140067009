//! The side that reads slots.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{HEADER_BYTES, Pages, Shared, Slot, SlotLayout, SlotMemory};
use crate::padded::Padded;
use crate::wait::{Wait, WaitOutcome, poll, readable};

/// The consumer of a ring.
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
    /// What `shared.released` holds; only we write it.
    released: usize,
    /// What `shared.produced` held when we last looked.
    published_seen: usize,
    origin_seen: usize,
}

impl Consumer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, released: 0, published_seen: 0, origin_seen: 0 }
    }

    /// The oldest datagrams, up to `max`. They stay in the ring until they are released.
    pub fn peek(&mut self, max: usize) -> Slots<'_> {
        if self.seen() < max {
            self.look_at_producer();
        }
        let count = self.seen().min(max);
        let next = self.released.wrapping_sub(self.origin_seen);
        Slots { memory: &self.shared.slots, next, end: next.wrapping_add(count) }
    }

    /// Gives the oldest `slots` slots back to the producer.
    ///
    /// # Panics
    /// Fewer have been seen by [`Consumer::peek`].
    pub fn release(&mut self, slots: usize) {
        assert!(slots <= self.seen(), "{slots} slots released, {} seen", self.seen());
        self.released = self.released.wrapping_add(slots);
        // Release: our reads of the slots come before the producer's writes.
        self.shared.released.store(self.released, Ordering::Release);
    }

    /// Datagrams that wait to be released.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.shared.produced.published.load(Ordering::Acquire).wrapping_sub(self.released)
    }

    /// Most datagrams that waited at once, since the start.
    #[must_use]
    pub fn high_water(&self) -> usize {
        self.shared.high_water.load(Ordering::Relaxed)
    }

    /// How the slots lie in the arena.
    #[must_use]
    pub fn layout(&self) -> SlotLayout {
        self.shared.slots.layout
    }

    /// What the memory of the slots is made of.
    #[must_use]
    pub fn pages(&self) -> Pages {
        let (slots, layout) = (&self.shared.slots, self.layout());
        Pages::of(slots.first.as_ptr() as usize, layout.slots() * layout.stride_bytes())
    }

    /// Where in the arena the first slot starts, in bytes.
    #[must_use]
    pub fn offset_bytes(&self) -> usize {
        self.shared.slots.offset_bytes
    }

    /// Waits until there is a datagram, the ring is closed and empty, or the time is up.
    ///
    /// Only [`Wait::Block`] notices a signal; the others notice one when the time is up.
    pub fn wait(&mut self, wait: Wait, timeout: Duration) -> WaitOutcome {
        match (self.state(), wait) {
            (Some(outcome), _) => outcome,
            (None, Wait::Block) => self.block(timeout),
            (None, _) => self.look_again(wait, timeout),
        }
    }

    /// Whether the ring is closed and empty: nothing more will come.
    pub fn is_over(&mut self) -> bool {
        self.state() == Some(WaitOutcome::Closed)
    }

    /// Announces that the consumer is about to sleep on [`Consumer::as_fd`], for event loops: `None` if it may.
    /// Otherwise it must not, because of what is returned. After the sleep: [`Consumer::disarm`].
    pub fn arm(&mut self) -> Option<WaitOutcome> {
        self.shared.doorbell.announce_sleep();
        let outcome = self.state();
        if outcome.is_some() {
            self.disarm();
        }
        outcome
    }

    /// Tells that the consumer no longer sleeps, and makes the descriptor unreadable again.
    pub fn disarm(&mut self) {
        self.shared.doorbell.end_sleep();
    }

    fn block(&mut self, timeout: Duration) -> WaitOutcome {
        let started = Instant::now();
        loop {
            if let Some(outcome) = self.arm() {
                return outcome;
            }
            let left = timeout.saturating_sub(started.elapsed());
            let slept = poll(&mut [readable(self.as_fd())], left); // system call
            self.disarm();
            match self.state() {
                Some(outcome) => return outcome,
                // The doorbell was late: it rang for a slot that has been taken meanwhile.
                None if slept == WaitOutcome::Ready && !left.is_zero() => {}
                None if slept == WaitOutcome::Ready => return WaitOutcome::TimedOut,
                None => return slept,
            }
        }
    }

    fn look_again(&mut self, wait: Wait, timeout: Duration) -> WaitOutcome {
        const LOOKS_PER_CLOCK_READING: usize = 64;
        let looks = if wait == Wait::Spin { LOOKS_PER_CLOCK_READING } else { 1 };
        let started = Instant::now();
        let mut left = timeout;
        while !left.is_zero() {
            for _ in 0..looks {
                wait.pause(left);
                if let Some(outcome) = self.state() {
                    return outcome;
                }
            }
            left = timeout.saturating_sub(started.elapsed());
        }
        WaitOutcome::TimedOut
    }

    /// What a wait would end with now; `None` where it would go on.
    fn state(&mut self) -> Option<WaitOutcome> {
        // Before the position: what is published before the ring is closed must not be missed.
        let closed = self.shared.closed.load(Ordering::Acquire);
        self.look_at_producer();
        match (self.seen(), closed) {
            (1.., _) => Some(WaitOutcome::Ready),
            (0, true) => Some(WaitOutcome::Closed),
            (0, false) => None,
        }
    }

    fn look_at_producer(&mut self) {
        // Acquire: what the producer wrote into the slots it published is there.
        self.published_seen = self.shared.produced.published.load(Ordering::Acquire);
        self.origin_seen = self.shared.produced.origin.load(Ordering::Relaxed);
    }

    fn seen(&self) -> usize {
        self.published_seen.wrapping_sub(self.released)
    }
}

/// What an event loop waits on while the consumer is armed.
impl AsFd for Consumer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.doorbell.as_fd()
    }
}

/// How many slots ahead of the one being read are fetched: the producer has written them on another processor.
const PREFETCH_AHEAD: usize = 4;

/// The datagrams of one look, oldest first.
#[derive(Debug)]
pub struct Slots<'a> {
    memory: &'a SlotMemory,
    /// The next slot, counted from the origin.
    next: usize,
    end: usize,
}

impl<'a> Iterator for Slots<'a> {
    type Item = Slot<'a>;

    fn next(&mut self) -> Option<Slot<'a>> {
        if self.next == self.end {
            return None;
        }
        let (slots, position) = (self.memory, self.next);
        self.next = position.wrapping_add(1);
        if self.end.wrapping_sub(position) > PREFETCH_AHEAD {
            slots.prefetch_to_read(position.wrapping_add(PREFETCH_AHEAD));
        }
        // SAFETY: the slot is published, with a header, and not released while the iterator borrows the consumer.
        let header = unsafe { slots.header(position).as_ref() };
        let room = slots.stride_bytes - HEADER_BYTES;
        // SAFETY: as above; the rest of the slot is initialised memory that belongs to the arena.
        let payload = unsafe { std::slice::from_raw_parts(slots.payload(position).as_ptr(), room) };
        Some(Slot { header, payload: Padded::new(payload, header.len as usize) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.wrapping_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Slots<'_> {}
