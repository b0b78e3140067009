//! The queue between the receive thread and the pipeline: fixed slots that the kernel writes payloads straight into.
//!
//! One producer, one consumer, no lock. Both count slots for ever: those from the consumer's position up to the producer's
//! hold datagrams, the others are free. A position's distance from the *origin*, modulo the number of slots, is a place in
//! the [`Arena`]. Whenever the ring is empty the producer moves the origin to its position, so that a consumer that keeps up
//! has the same few slots filled again and again, and they stay in the caches.
//!
//! *Forbidden outcomes:* the consumer sees a slot whose bytes are not all written, or another origin than that slot was
//! written with (the producer's position is stored last, with Release, and loaded first, with Acquire; while slots are in use
//! the origin stays); the producer writes into a slot that is still read (likewise for the consumer's position).

mod arena;
mod consumer;
mod doorbell;
mod pages;
mod prefetch;
mod producer;
mod slot;

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

pub use arena::Arena;
pub use consumer::{Consumer, Slots};
pub use pages::Pages;
pub use producer::{Claim, Producer};
pub use slot::{
    Datagrams, FIELDS, HEADER_BYTES, HeaderField, LayoutError, MAX_SLOT_BYTES, MAX_SLOTS, SLOT_ALIGN_BYTES, Slot,
    SlotFlags, SlotHeader, SlotLayout,
};

use crate::cache_padded::CachePadded;
use doorbell::Doorbell;

/// Makes a ring with the slots of `layout` in `arena`.
///
/// # Errors
/// The arena is too small ([`LayoutError`] inside), or the process has no descriptor left.
pub fn ring(arena: Arena, layout: SlotLayout) -> io::Result<(Producer, Consumer)> {
    let shared = Arc::new(Shared {
        slots: SlotMemory::new(arena, layout)?,
        produced: CachePadded::default(),
        released: CachePadded::default(),
        high_water: CachePadded::default(),
        closed: AtomicBool::new(false),
        doorbell: CachePadded(Doorbell::new()?),
    });
    Ok((Producer::new(Arc::clone(&shared)), Consumer::new(shared)))
}

/// What both sides see.
///
/// Invariant: `released <= published <= released + slots`, as counted without an end.
#[derive(Debug)]
struct Shared {
    slots: SlotMemory,
    /// How far the producer is. Written by the producer alone.
    produced: CachePadded<Produced>,
    /// Slots released since the start. Written by the consumer alone.
    released: CachePadded<AtomicUsize>,
    /// Most slots that were in use at once. Written by the producer alone.
    high_water: CachePadded<AtomicUsize>,
    /// The producer is gone.
    closed: AtomicBool,
    doorbell: CachePadded<Doorbell>,
}

/// What the producer tells of its progress, on one cache line.
#[derive(Debug, Default)]
struct Produced {
    /// Slots published since the start.
    published: AtomicUsize,
    /// The position that lies first in the arena.
    origin: AtomicUsize,
}

/// The slots in their arena.
///
/// Invariant: `first` is aligned to [`SLOT_ALIGN_BYTES`], and all slots of the layout lie in the arena.
#[derive(Debug)]
struct SlotMemory {
    first: NonNull<u8>,
    layout: SlotLayout,
    stride_bytes: usize,
    offset_bytes: usize,
    _arena: Arena,
}

// SAFETY: the memory belongs to the arena, which is Send; who may touch which slot when is the ring's business.
unsafe impl Send for SlotMemory {}
// SAFETY: as above.
unsafe impl Sync for SlotMemory {}

impl SlotMemory {
    fn new(arena: Arena, layout: SlotLayout) -> io::Result<Self> {
        let offset_bytes = arena.start().align_offset(SLOT_ALIGN_BYTES);
        let stride_bytes = layout.stride_bytes();
        if arena.len().saturating_sub(offset_bytes) < layout.slots() * stride_bytes {
            let expected = format!("at least {}", layout.arena_bytes());
            let too_small = LayoutError { setting: "arena_bytes", expected, found: arena.len() };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, too_small));
        }
        arena.make_resident();
        // SAFETY: the offset is smaller than the arena, as just checked.
        let first = unsafe { arena.start().add(offset_bytes) };
        Ok(Self { first, layout, stride_bytes, offset_bytes, _arena: arena })
    }

    /// The start of a slot that lies `from_origin` positions behind the origin.
    fn at(&self, from_origin: usize) -> NonNull<u8> {
        let index = from_origin & (self.layout.slots() - 1);
        // SAFETY: the index is below the number of slots, all of which lie in the arena.
        unsafe { self.first.add(index * self.stride_bytes) }
    }

    fn header(&self, from_origin: usize) -> NonNull<SlotHeader> {
        self.at(from_origin).cast()
    }

    fn payload(&self, from_origin: usize) -> NonNull<u8> {
        // SAFETY: the header is part of the slot.
        unsafe { self.at(from_origin).add(HEADER_BYTES) }
    }

    /// Has the header and the start of the payload fetched, to be written.
    fn prefetch_to_write(&self, from_origin: usize) {
        prefetch::to_write(self.at(from_origin));
        prefetch::to_write(self.payload(from_origin));
    }

    /// Has the header and the start of the payload fetched, to be read.
    fn prefetch_to_read(&self, from_origin: usize) {
        prefetch::to_read(self.at(from_origin));
        prefetch::to_read(self.payload(from_origin));
    }
}

#[cfg(test)]
mod tests;
