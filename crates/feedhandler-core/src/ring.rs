//! The queue between the receive thread and the pipeline: fixed slots that the kernel writes payloads straight into.
//!
//! One producer, one consumer, no lock. Both count slots for ever; a position modulo the number of slots is a place in the
//! [`Arena`]. Slots from the consumer's position up to the producer's hold datagrams, the others are free.
//!
//! *Forbidden outcomes:* the consumer sees a slot whose bytes are not all written (the producer's position is stored with
//! Release and loaded with Acquire); the producer writes into a slot that is still read (likewise for the consumer's).

mod arena;
mod consumer;
mod doorbell;
mod prefetch;
mod producer;
mod slot;

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

pub use arena::Arena;
pub use consumer::{Consumer, Slots};
pub use producer::{Claim, Producer};
pub use slot::{
    FIELDS, HEADER_BYTES, HeaderField, LayoutError, MAX_SLOT_BYTES, MAX_SLOTS, SLOT_ALIGN_BYTES, Slot, SlotFlags,
    SlotHeader, SlotLayout,
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
        published: CachePadded::default(),
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
    /// Slots published since the start. Written by the producer alone.
    published: CachePadded<AtomicUsize>,
    /// Slots released since the start. Written by the consumer alone.
    released: CachePadded<AtomicUsize>,
    /// Most slots that were in use at once. Written by the producer alone.
    high_water: CachePadded<AtomicUsize>,
    /// The producer is gone.
    closed: AtomicBool,
    doorbell: CachePadded<Doorbell>,
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

    /// The start of the slot at a position.
    fn at(&self, position: usize) -> NonNull<u8> {
        let index = position & (self.layout.slots() - 1);
        // SAFETY: the index is below the number of slots, all of which lie in the arena.
        unsafe { self.first.add(index * self.stride_bytes) }
    }

    fn header(&self, position: usize) -> NonNull<SlotHeader> {
        self.at(position).cast()
    }

    fn payload(&self, position: usize) -> NonNull<u8> {
        // SAFETY: the header is part of the slot.
        unsafe { self.at(position).add(HEADER_BYTES) }
    }

    /// Has the header and the start of the payload fetched, to be written.
    fn prefetch_to_write(&self, position: usize) {
        prefetch::to_write(self.at(position));
        prefetch::to_write(self.payload(position));
    }

    /// Has the header and the start of the payload fetched, to be read.
    fn prefetch_to_read(&self, position: usize) {
        prefetch::to_read(self.at(position));
        prefetch::to_read(self.payload(position));
    }
}

#[cfg(test)]
mod tests;
