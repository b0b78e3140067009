//! Messages of one usual form, one behind the other: where the entries of their groups stand, then their rows, table by table.
//!
//! Facts: how many entries a message has differs from one to the next, and there are more values to a message than registers.
//! Decision: a pass that only follows the groups, then a loop for each table in which all that its rows share is held in
//! registers. Written message by message, a row costs twice as much.

use super::SbePlan;
use super::compact::{Compact, CompactGroup, CompactHeader, Entries};
use crate::batch::Filling;
use crate::decode::Span;
use crate::decode::fixed::kernel::Kernel;
use crate::padded::Padded;

/// Memory for rows that [`Kernel::write_blocks`] may write and nobody needs.
const SPARE_ROWS: usize = 2;

/// Messages of one form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'p> {
    pub form: &'p Compact,
    pub code: u16,
    pub messages: usize,
}

impl<'p> Run<'p> {
    /// The messages at the beginning of `spans` that are of one usual form; `entries` becomes those of their groups, message
    /// by message.
    #[inline(always)]
    pub fn find(
        plan: &'p SbePlan,
        header: &CompactHeader,
        word_of: impl Fn([u8; 8]) -> u64,
        payload: &Padded<'_>,
        spans: &[Span],
        entries: &mut Vec<Entries>,
    ) -> Option<Self> {
        let slot = payload.slot();
        // SAFETY: the message stands within the payload, which has slack.
        let word = unsafe { load(slot, spans.first()?.start(), &word_of) };
        let (code, form) = plan.form(header.template_id(word))?;
        entries.clear();
        entries.reserve(spans.len() * form.groups.len());
        let (mut messages, mut noted) = (0, entries.as_mut_ptr());
        'messages: for span in spans {
            // SAFETY: as above.
            let word = unsafe { load(slot, span.start(), &word_of) };
            let mut at = span.start() + form.groups_at;
            if !form.is(word) || at > span.end() {
                break;
            }
            for group in &form.groups {
                // SAFETY: `at` is not behind the message's end.
                let word = unsafe { load(slot, at, &word_of) };
                let Some((found, end)) = group.entries(word, at, span.end()) else { break 'messages };
                // SAFETY: there is memory for those of all groups of all messages.
                unsafe {
                    noted.write(found);
                    noted = noted.add(1);
                }
                at = end;
            }
            if at != span.end() {
                break;
            }
            messages += 1;
        }
        // SAFETY: those of so many messages have been written.
        unsafe { entries.set_len(messages * form.groups.len()) };
        (messages > 0).then_some(Self { form, code, messages })
    }

    /// Writes the rows of the messages, which are those of `spans`, and of their groups; returns how many the latter are.
    ///
    /// # Safety
    /// The run must be found in this payload, and `entries` be what it found; the tables must be the batch's; the CPU must
    /// have what `K` uses.
    #[inline(always)]
    pub unsafe fn write<K: Kernel>(
        &self,
        payload: &Padded<'_>,
        spans: &[Span],
        entries: &[Entries],
        leading: K::Leading,
        seq_step: u64,
        filling: &mut Filling<'_>,
    ) -> usize {
        let Self { form, code, messages } = *self;
        // SAFETY: the caller vouches for all of it.
        unsafe {
            let below = K::below(leading, filling.next_index(form.root.table));
            let (to, row_bytes) = filling.next_rows(form.root.table, messages);
            let rows = Rows { leading, seq_step, to, row_bytes };
            rows.write_roots::<K>(form, payload.slot(), spans);
            filling.commit_run(form.root.table, code, messages);

            let mut all = 0;
            for (group, index) in form.groups.iter().zip(0..) {
                let most = payload.len() / group.block_bytes;
                let (to, row_bytes) = filling.next_rows(group.block.table, most + SPARE_ROWS);
                let rows = Rows { leading: below, seq_step, to, row_bytes };
                let entries = entries[index..].iter().step_by(form.groups.len());
                let written = rows.write_entries::<K>(form, group, payload.slot(), entries);
                filling.commit_entries(group.block.table, written);
                all += written;
            }
            all
        }
    }
}

/// Where rows are to be written, and their leading columns.
struct Rows<L> {
    leading: L,
    seq_step: u64,
    to: *mut u8,
    row_bytes: usize,
}

impl<L: Copy> Rows<L> {
    /// # Safety
    /// As [`Run::write`]; there must be memory for so many rows.
    #[inline(always)]
    unsafe fn write_roots<K: Kernel<Leading = L>>(self, form: &Compact, slot: &[u8], spans: &[Span]) {
        let Self { mut leading, seq_step, mut to, row_bytes } = self;
        let roots = spans.iter().map(|span| slot.as_ptr().wrapping_add(span.start() + form.root_at));
        // SAFETY: the caller vouches for all of it.
        unsafe {
            if !form.suits::<K>() {
                for from in roots {
                    K::write_row(&form.root, leading, from, to);
                    (leading, to) = (K::next(leading, seq_step), to.add(row_bytes));
                }
                return;
            }
            let block = K::block(&form.root);
            for from in roots {
                K::write_block(block, leading, from, to);
                (leading, to) = (K::next(leading, seq_step), to.add(row_bytes));
            }
        }
    }

    /// # Safety
    /// As [`Run::write`]; there must be memory for so many rows, and for [`SPARE_ROWS`].
    #[inline(always)]
    unsafe fn write_entries<'e, K: Kernel<Leading = L>>(
        self,
        form: &Compact,
        group: &CompactGroup,
        slot: &[u8],
        entries: impl Iterator<Item = &'e Entries>,
    ) -> usize {
        let Self { mut leading, seq_step, mut to, row_bytes } = self;
        let entries = entries.map(|entries| (slot.as_ptr().wrapping_add(entries.at as usize), entries.count as usize));
        let mut written = 0;
        // SAFETY: the caller vouches for all of it.
        unsafe {
            if !form.suits::<K>() {
                for (from, count) in entries {
                    for place in 0..count {
                        K::write_row(&group.block, leading, from.add(place * group.block_bytes), to);
                        to = to.add(row_bytes);
                    }
                    (leading, written) = (K::next_below(leading, seq_step), written + count);
                }
                return written;
            }
            let (block, block_bytes) = (K::block(&group.block), group.block_bytes);
            for (from, count) in entries {
                K::write_blocks(block, leading, (from, block_bytes), (to, row_bytes), count);
                (leading, written) = (K::next_below(leading, seq_step), written + count);
                to = to.add(count * row_bytes);
            }
        }
        written
    }
}

/// # Safety
/// Eight bytes must be readable at `at` of `slot`.
#[inline(always)]
unsafe fn load(slot: &[u8], at: usize, word_of: &impl Fn([u8; 8]) -> u64) -> u64 {
    // SAFETY: the caller vouches for eight bytes.
    word_of(unsafe { slot.as_ptr().add(at).cast::<[u8; 8]>().read() })
}
