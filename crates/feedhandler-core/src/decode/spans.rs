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
    fates: &mut Decoded,
) -> Result<(), Reason> {
    #[cfg(target_arch = "x86_64")]
    if digest::Wide::is_possible() {
        // SAFETY: the CPU has just been asked.
        return unsafe { find_wide(plan, delimiter, payload, spans, fates) };
    }
    // SAFETY: every CPU can do it.
    unsafe { find_by::<digest::Plain>(plan, delimiter, payload, spans, fates) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,bmi2")]
fn find_wide(
    plan: &impl TypeLength,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    spans: &mut Vec<Span>,
    fates: &mut Decoded,
) -> Result<(), Reason> {
    // SAFETY: the caller vouches for the CPU.
    unsafe { find_by::<digest::Wide>(plan, delimiter, payload, spans, fates) }
}

/// # Safety
/// The CPU must have what `S` uses, and the payload slack.
#[inline(always)]
unsafe fn find_by<S: Sum>(
    plan: &impl TypeLength,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    spans: &mut Vec<Span>,
    fates: &mut Decoded,
) -> Result<(), Reason> {
    let (slot, end) = (payload.bytes.slot(), payload.bytes.len());
    // SAFETY: the caller vouches for the CPU and the slack; no block ends behind the payload.
    unsafe {
        match delimiter.short_length() {
            Some(length) if length.is_big() => {
                follow::<S>(payload, spans, fates, |at| length.next::<true>(slot, at, end))
            }
            Some(length) => follow::<S>(payload, spans, fates, |at| length.next::<false>(slot, at, end)),
            None => follow::<S>(payload, spans, fates, |at| delimiter.next(slot, at, end, plan)),
        }
    }
}

/// The same, where `next` says what block begins at a place.
///
/// # Safety
/// The CPU must have what `S` uses; no block may end behind the payload.
#[inline(always)]
unsafe fn follow<S: Sum>(
    payload: &Payload<'_>,
    spans: &mut Vec<Span>,
    fates: &mut Decoded,
    next: impl Fn(usize) -> Result<Block, Reason>,
) -> Result<(), Reason> {
    let end = payload.bytes.len();
    // SAFETY: the caller vouches for all of it.
    unsafe {
        match payload.messages {
            Some(messages) => follow_while::<S>(payload, spans, fates, next, |_, place| place < messages),
            None => follow_while::<S>(payload, spans, fates, next, |at, _| at < end),
        }
    }
}

/// The same, where `goes_on` says whether a message is at a place in the payload, and how many are before it.
///
/// The way from block to block is a chain of loads; the digest is made while it waits.
///
/// # Safety
/// As [`follow`].
#[inline(always)]
unsafe fn follow_while<S: Sum>(
    payload: &Payload<'_>,
    spans: &mut Vec<Span>,
    fates: &mut Decoded,
    next: impl Fn(usize) -> Result<Block, Reason>,
    goes_on: impl Fn(usize, u64) -> bool,
) -> Result<(), Reason> {
    let (slot, end) = (payload.bytes.slot(), payload.bytes.len());
    spans.clear();
    // SAFETY: the caller vouches for the CPU.
    let mut sum = unsafe { S::new() };
    let (mut at, mut place) = (0, 0);
    while place < payload.skip && goes_on(at, place) {
        (at, place) = (next(at)?.next, place + 1);
    }
    let (mut number, step) = (payload.digest_number(place), payload.digest_step());
    while goes_on(at, place) {
        let block = next(at)?;
        spans.push(Span::new(block.start, block.end));
        // SAFETY: the caller vouches for the CPU, and for the block.
        unsafe { sum.add(slot.get_unchecked(block.start..block.end), number) };
        (at, place, number) = (block.next, place + 1, number.wrapping_add(step));
    }
    // SAFETY: the caller vouches for the CPU.
    fates.digest = unsafe { sum.digest() };
    (fates.messages, fates.trailing_bytes) = (place, (end - at) as u64);
    Ok(())
}
