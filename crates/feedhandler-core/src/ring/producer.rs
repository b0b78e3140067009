//! The side that fills slots.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Shared, SlotHeader};

/// The producer of a ring. Dropping it closes the ring.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    /// What `shared.produced.published` holds; only we write it.
    published: usize,
    /// What `shared.produced.origin` holds; only we write it.
    origin: usize,
    /// What `shared.released` held when we last looked: free slots are at least those that follow from it.
    released_seen: usize,
    high_water: usize,
}

impl Producer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, published: 0, origin: 0, released_seen: 0, high_water: 0 }
    }

    /// Up to `max` free slots to fill, fewer where fewer are free.
    pub fn claim(&mut self, max: usize) -> Claim<'_> {
        self.look_at_consumer();
        if self.in_use() == 0 {
            self.move_origin();
        }
        let len = self.free().min(max);
        Claim { producer: self, len }
    }

    /// Wakes the consumer if it sleeps.
    pub fn ring_doorbell(&self) {
        self.shared.doorbell.ring();
    }

    fn free(&self) -> usize {
        self.shared.slots.layout.slots() - self.in_use()
    }

    /// Slots in use, at most.
    fn in_use(&self) -> usize {
        self.published.wrapping_sub(self.released_seen)
    }

    fn look_at_consumer(&mut self) {
        // Acquire: what the consumer read in the slots it released is read before we write there.
        self.released_seen = self.shared.released.load(Ordering::Acquire);
    }

    /// Has the next slots lie at the start of the arena. The ring is empty, so nobody reads a slot by the old origin.
    fn move_origin(&mut self) {
        self.origin = self.published;
        self.shared.produced.origin.store(self.origin, Ordering::Relaxed); // seen with what is published next
    }

    fn publish(&mut self, slots: usize) {
        self.published = self.published.wrapping_add(slots);
        // Release: whoever sees the position sees what the slots hold.
        self.shared.produced.published.store(self.published, Ordering::Release);
        self.note_high_water();
    }

    fn note_high_water(&mut self) {
        if self.in_use() > self.high_water {
            self.look_at_consumer(); // the depth seen from a stale position may be too high
            self.high_water = self.high_water.max(self.in_use());
            self.shared.high_water.store(self.high_water, Ordering::Relaxed);
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.doorbell.ring();
    }
}

/// Free slots that the producer may write to. Dropped without being published, they stay free.
#[derive(Debug)]
pub struct Claim<'a> {
    producer: &'a mut Producer,
    len: usize,
}

impl Claim<'_> {
    /// Number of slots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no slot is free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Has the first cache lines of up to `slots` slots fetched for writing, all at once: where they are not in the caches,
    /// to wait for one after the other takes about as long as to receive them.
    pub fn prefetch(&self, slots: usize) {
        for index in 0..slots.min(self.len) {
            self.producer.shared.slots.prefetch_to_write(self.place(index));
        }
    }

    /// Room for the payload of one of the slots.
    ///
    /// # Panics
    /// There is no such slot in the claim.
    pub fn payload(&mut self, index: usize) -> &mut [u8] {
        let slots = &self.producer.shared.slots;
        let start = slots.payload(self.place(index));
        // SAFETY: the slot is free, so nobody else touches it while we are borrowed, and has room for slot_bytes.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), slots.layout.slot_bytes()) }
    }

    /// Sets the header of one of the slots.
    ///
    /// # Panics
    /// There is no such slot in the claim.
    pub fn set_header(&mut self, index: usize, header: SlotHeader) {
        // SAFETY: the slot is free, so nobody else touches it, and its start is aligned for the header.
        unsafe { self.producer.shared.slots.header(self.place(index)).write(header) };
    }

    /// Hands the first `slots` slots to the consumer. It is not woken: see [`Producer::ring_doorbell`].
    ///
    /// # Panics
    /// The claim has fewer slots.
    pub fn publish(self, slots: usize) {
        assert!(slots <= self.len, "{slots} slots published, {} claimed", self.len);
        self.producer.publish(slots);
    }

    fn place(&self, index: usize) -> usize {
        assert!(index < self.len, "slot {index} of {} claimed", self.len);
        self.producer.published.wrapping_sub(self.producer.origin).wrapping_add(index)
    }
}
