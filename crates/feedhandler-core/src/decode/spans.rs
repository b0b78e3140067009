//! Where the messages of a packet stand, by its delimiter, and their digest: the pass before the one that writes rows.

use super::{Decoded, Payload, Span};
use crate::digest::{self, Sum};
use crate::framing::{Block, Delimiter};
use crate::malformed::Reason;

/// What knows how long messages are by their type.
pub trait TypeLength {
    /// Length of the message that begins `bytes`, where its type tells.
    fn length_by_type(&self, bytes: &[u8]) -> Option<usize>;
}

/// Finds where the messages stand that are not to be skipped, and counts and digests all of them.
pub(super) fn find_spans(
    plan: &impl TypeLength,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    spans: &mut Vec<Span>,
) -> Result<Decoded, Reason> {
    #[cfg(target_arch = "x86_64")]
    if digest::Wide::is_possible() {
        // SAFETY: the CPU has just been asked.
        return unsafe { find_wide(plan, delimiter, payload, spans) };
    }
    // SAFETY: every CPU can do it.
    unsafe { find_by::<digest::Plain>(plan, delimiter, payload, spans) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
fn find_wide(
    plan: &impl TypeLength,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    spans: &mut Vec<Span>,
) -> Result<Decoded, Reason> {
    // SAFETY: the caller vouches for the CPU.
    unsafe { find_by::<digest::Wide>(plan, delimiter, payload, spans) }
}

/// # Safety
/// The CPU must have what `S` uses.
#[inline(always)]
unsafe fn find_by<S: Sum>(
    plan: &impl TypeLength,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    spans: &mut Vec<Span>,
) -> Result<Decoded, Reason> {
    let (slot, end) = (payload.bytes.slot(), payload.bytes.len());
    // SAFETY: the caller vouches for the CPU.
    unsafe {
        match delimiter.short_length() {
            Some(length) if length.is_big() => follow::<S>(payload, spans, |at| length.next::<true>(slot, at, end)),
            Some(length) => follow::<S>(payload, spans, |at| length.next::<false>(slot, at, end)),
            None => follow::<S>(payload, spans, |at| delimiter.next(slot, at, end, plan)),
        }
    }
}

/// The same, where `next` says what block begins at a place.
///
/// The way from block to block is a chain of loads; the digest is made while it waits.
///
/// # Safety
/// The CPU must have what `S` uses.
#[inline(always)]
unsafe fn follow<S: Sum>(
    payload: &Payload<'_>,
    spans: &mut Vec<Span>,
    next: impl Fn(usize) -> Result<Block, Reason>,
) -> Result<Decoded, Reason> {
    let (slot, end) = (payload.bytes.slot(), payload.bytes.len());
    spans.clear();
    // SAFETY: the caller vouches for the CPU.
    let mut sum = unsafe { S::new() };
    let (mut at, mut place) = (0, 0);
    while payload.messages.map_or(at < end, |messages| place < messages) {
        let block = next(at)?;
        if place >= payload.skip {
            let span = Span::new(block.start, block.end);
            spans.push(span);
            // SAFETY: the caller vouches for the CPU.
            unsafe { sum.add(span.of(slot), payload.digest_number(place)) };
        }
        (at, place) = (block.next, place + 1);
    }
    // SAFETY: the caller vouches for the CPU.
    let digest = unsafe { sum.digest() };
    Ok(Decoded { messages: place, trailing_bytes: (end - at) as u64, digest, ..Decoded::default() })
}
