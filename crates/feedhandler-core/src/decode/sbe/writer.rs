//! A packet of SBE messages: where each stands, then its rows.
//!
//! A message is decoded whole or not at all: where its counts or lengths lie, the rows of its groups are taken back, and
//! the other messages of the packet are not touched.

use std::ops::Range;

use super::SbePlan;
use super::compact::{Compact, CompactHeader};
use super::header::Head;
use super::message::{MOST_DEPTH, Template};
use super::walk::{Frame, Walk};
use crate::batch::{BatchBuilder, Filling};
use crate::decode::code_text::CodeText;
use crate::decode::fixed::kernel::{self, Kernel, KernelKind};
use crate::decode::spans::find_spans;
use crate::decode::{Decoded, Decoder, Payload, Span};
use crate::framing::Delimiter;
use crate::malformed::Reason;

/// Decodes a packet, and notes in `decoder.spans` where the messages stand that were not to be skipped.
pub(in crate::decode) fn packet(
    plan: &SbePlan,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    decoder: &mut Decoder,
    out: &mut BatchBuilder,
) -> Result<Decoded, Reason> {
    let mut spans = std::mem::take(&mut decoder.spans);
    let found = find_spans(plan, delimiter, payload, &mut spans);
    let decoded = found.map(|fates| Writer { plan, payload, decoder, fates }.write(&spans, out.fill(spans.len())));
    decoder.spans = spans;
    decoded
}

/// Writes the rows of a packet.
struct Writer<'a> {
    plan: &'a SbePlan,
    payload: &'a Payload<'a>,
    decoder: &'a mut Decoder,
    fates: Decoded,
}

impl<'a> Writer<'a> {
    fn write(self, spans: &[Span], filling: Filling<'_>) -> Decoded {
        match self.plan.kernel {
            KernelKind::Portable => self.write_by::<kernel::Portable>(spans, filling),
            // SAFETY: the CPU was asked for it when the plan was made.
            #[cfg(target_arch = "x86_64")]
            KernelKind::Ssse3 => unsafe { self.write_ssse3(spans, filling) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            KernelKind::Avx512 => unsafe { self.write_avx512(spans, filling) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "ssse3")]
    fn write_ssse3(self, spans: &[Span], filling: Filling<'_>) -> Decoded {
        self.write_by::<kernel::Ssse3>(spans, filling)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi2,lzcnt")]
    fn write_avx512(self, spans: &[Span], filling: Filling<'_>) -> Decoded {
        self.write_by::<kernel::Avx512>(spans, filling)
    }

    #[inline(always)]
    fn write_by<K: Kernel>(mut self, spans: &[Span], mut filling: Filling<'_>) -> Decoded {
        let mut done = 0;
        let mut stack = [None; MOST_DEPTH];
        loop {
            let usual;
            (usual, filling) = match &self.plan.compact {
                Some(header) if header.is_big => {
                    self.write_usual::<K>(header, u64::from_be_bytes, &spans[done..], done as u64, filling)
                }
                Some(header) => self.write_usual::<K>(header, u64::from_le_bytes, &spans[done..], done as u64, filling),
                None => (0, filling),
            };
            done += usual;
            let Some(span) = spans.get(done) else { break };
            self.write_any::<K>(*span, done as u64, &mut stack, &mut filling);
            done += 1;
        }
        self.fates.rows = filling.finish() as u64;
        self.fates
    }

    /// Writes rows up to the first message that is not as usual, and says how many messages they are.
    ///
    /// Nothing is called from the loop, and what it changes is its own.
    #[inline(always)]
    fn write_usual<'f, K: Kernel>(
        &mut self,
        header: &CompactHeader,
        word_of: impl Fn([u8; 8]) -> u64 + Copy,
        spans: &[Span],
        first: u64,
        mut filling: Filling<'f>,
    ) -> (usize, Filling<'f>) {
        let (plan, slot, seq_step) = (self.plan, self.payload.bytes.slot(), self.payload.seq_step());
        let counts = &mut self.decoder.counts[..];
        // SAFETY: the CPU has what `K` uses.
        let mut leading = unsafe { K::leading(&self.payload.leading_of(self.payload.skip + first)) };
        let (mut done, mut all) = (0, 0);
        for span in spans {
            // SAFETY: the message stands within the payload, which has slack.
            let word = unsafe { load(slot, span.start(), word_of) };
            let Some((code, form)) = plan.form(header.template_id(word)) else { break };
            let at = span.start() + header.bytes;
            // SAFETY: the root is read within the slack at worst, and is of use only where the message is found to hold it; the
            // table is one of the batch's. The CPU has what `K` uses.
            let entries = unsafe {
                if !form.is(word) || !filling.has_room(form.root.table) {
                    break;
                }
                let to = (filling.free_row(form.root.table), 0);
                let Some(end) = at.checked_add(form.root_bytes).filter(|end| *end <= span.end()) else { break };
                K::write_rows(&form.root, leading, (slot.as_ptr().add(at), 0), to, 1);
                groups::<K>(form, slot, word_of, end..span.end(), leading, &mut filling)
            };
            let Some(entries) = entries else { break };
            // SAFETY: the row was written, and there was room for it.
            unsafe { filling.commit(form.root.table, code) };
            counts[usize::from(code)] += 1;
            // SAFETY: the CPU has what `K` uses.
            leading = unsafe { K::next(leading, seq_step) };
            (done, all) = (done + 1, all + entries);
        }
        self.fates.entries += all as u64;
        (done, filling)
    }

    /// Reads a message's header, and finds its type where it is known.
    #[inline(always)]
    fn find(&self, span: Span) -> Result<(Head, Option<&'a Template>), Reason> {
        let plan = self.plan;
        if span.len() < plan.header.bytes {
            return Err(Reason::MessageTooShort);
        }
        let head = plan.header.read(self.payload.bytes.slot(), span.start(), plan).ok_or(Reason::MessageTooShort)?;
        let template = if head.schema_id == plan.schema_id { plan.template(head.template_id) } else { None };
        Ok((head, template))
    }

    /// Decodes a message, whatever it is, and counts its fate.
    #[cold]
    #[inline(never)]
    fn write_any<K: Kernel>(
        &mut self,
        span: Span,
        index: u64,
        stack: &mut [Option<Frame<'a>>; MOST_DEPTH],
        filling: &mut Filling<'_>,
    ) {
        let place = self.payload.skip + index;
        match self.find(span) {
            Ok((head, Some(template))) => self.message::<K>((span, place), &head, template, stack, filling),
            Ok((head, None)) => self.note_unknown(&head),
            Err(reason) => {
                self.fates.rows = filling.len() as u64;
                self.fates.note_fault(place, reason);
            }
        }
    }

    /// Decodes a message, whatever is in it.
    #[inline(always)]
    fn message<K: Kernel>(
        &mut self,
        (span, place): (Span, u64),
        head: &Head,
        template: &'a Template,
        stack: &mut [Option<Frame<'a>>; MOST_DEPTH],
        filling: &mut Filling<'_>,
    ) {
        let tables = template.group_tables.clone();
        let Decoder { rows_before, short, counts, .. } = &mut *self.decoder;
        rows_before.clear();
        rows_before.extend(tables.map(|table| filling.table_len(table)));
        // SAFETY: the CPU has what `K` uses.
        let leading = unsafe { K::leading(&self.payload.leading_of(place)) };
        let mut walk = Walk::<K>::new(self.payload.bytes.slot(), span, head.version, leading, short);
        let at = span.start() + self.plan.header.bytes;
        match walk.message(template, at, head.block_length, stack, filling) {
            Ok(()) => {
                // SAFETY: the row was written, and there was room for it.
                unsafe { filling.commit(template.root.block.table, template.code) };
                counts[usize::from(template.code)] += 1;
                self.fates.longer += u64::from(walk.is_longer);
                self.fates.entries += walk.entries();
            }
            Err(reason) => self.take_back(place, reason, template, filling),
        }
    }

    #[cold]
    fn take_back(&mut self, place: u64, reason: Reason, template: &Template, filling: &mut Filling<'_>) {
        for (table, rows) in template.group_tables.clone().zip(&self.decoder.rows_before) {
            filling.truncate(table, *rows);
        }
        self.fates.rows = filling.len() as u64;
        self.fates.note_fault(place, reason);
    }

    #[cold]
    fn note_unknown(&mut self, head: &Head) {
        self.fates.unknown += 1;
        let Head { template_id, schema_id, .. } = head;
        self.decoder.note_unknown(if *schema_id == self.plan.schema_id {
            CodeText::new(template_id)
        } else {
            CodeText::new(format_args!("{template_id} of schema {schema_id}"))
        });
    }
}

/// Writes the rows of a message's groups, which stand in `bytes` and are all there is, and says how many they are; none, and
/// nothing left of them, where it is not so.
///
/// # Safety
/// `bytes` must be within a payload that has slack; the tables must be the batch's; the CPU must have what `K` uses.
#[inline(always)]
unsafe fn groups<K: Kernel>(
    form: &Compact,
    slot: &[u8],
    word_of: impl Fn([u8; 8]) -> u64 + Copy,
    bytes: Range<usize>,
    leading: K::Leading,
    filling: &mut Filling<'_>,
) -> Option<usize> {
    let (mut at, mut all) = (bytes.start, 0);
    let parent = u32::try_from(filling.table_len(form.root.table)).unwrap_or(u32::MAX);
    // SAFETY: the CPU has what `K` uses.
    let leading = unsafe { K::below(leading, parent) };
    for (group, done) in form.groups.iter().zip(0..) {
        let first = at + group.dimension_bytes;
        let table = group.block.table;
        // SAFETY: `at` is not behind the end of the bytes, behind which there is slack.
        let found = group.entries(unsafe { load(slot, at, word_of) }, first, bytes.end);
        // SAFETY: the table is one of the batch's.
        let Some((entries, behind)) = found.filter(|(entries, _)| *entries <= unsafe { filling.room(table) }) else {
            take_back(form, done, slot, word_of, bytes, filling);
            return None;
        };
        if entries > 0 {
            // SAFETY: every block stands within the bytes, and has all known fields; there is room for so many rows, which are
            // written then.
            unsafe {
                let to = (filling.free_row(table), filling.row_bytes(table));
                K::write_rows(&group.block, leading, (slot.as_ptr().add(first), group.block_bytes), to, entries);
                filling.commit_entries(table, entries);
            }
        }
        (at, all) = (behind, all + entries);
    }
    if at != bytes.end {
        take_back(form, form.groups.len(), slot, word_of, bytes, filling);
        return None;
    }
    Some(all)
}

/// Takes the rows of the first `groups` groups away again.
#[cold]
#[inline(never)]
fn take_back(
    form: &Compact,
    groups: usize,
    slot: &[u8],
    word_of: impl Fn([u8; 8]) -> u64 + Copy,
    bytes: Range<usize>,
    filling: &mut Filling<'_>,
) {
    let mut at = bytes.start;
    for group in &form.groups[..groups] {
        // SAFETY: the group was found here before.
        let word = unsafe { load(slot, at, word_of) };
        let Some((entries, behind)) = group.entries(word, at + group.dimension_bytes, bytes.end) else { break };
        filling.truncate(group.block.table, filling.table_len(group.block.table) - entries);
        at = behind;
    }
}

/// # Safety
/// Eight bytes must be readable at `at` of `slot`.
#[inline(always)]
unsafe fn load(slot: &[u8], at: usize, word_of: impl Fn([u8; 8]) -> u64) -> u64 {
    // SAFETY: the caller vouches for eight bytes.
    word_of(unsafe { slot.as_ptr().add(at).cast::<[u8; 8]>().read() })
}
