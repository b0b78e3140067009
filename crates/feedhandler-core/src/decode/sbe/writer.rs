//! A packet of SBE messages: where each stands, then its rows.
//!
//! A message is decoded whole or not at all: where its counts or lengths lie, the rows of its groups are taken back, and
//! the other messages of the packet are not touched.

use super::SbePlan;
use super::compact::CompactHeader;
use super::header::Head;
use super::message::{MOST_DEPTH, Template};
use super::runs::Run;
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
    fates: &mut Decoded,
) -> Result<(), Reason> {
    let mut spans = std::mem::take(&mut decoder.spans);
    let found = find_spans(plan, delimiter, payload, &mut spans, fates);
    if found.is_ok() {
        Writer { plan, payload, decoder, fates }.write(&spans, out.fill(spans.len()));
    }
    decoder.spans = spans;
    found
}

/// Writes the rows of a packet.
struct Writer<'a> {
    plan: &'a SbePlan,
    payload: &'a Payload<'a>,
    decoder: &'a mut Decoder,
    fates: &'a mut Decoded,
}

impl<'a> Writer<'a> {
    fn write(self, spans: &[Span], filling: Filling<'_>) {
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
    fn write_ssse3(self, spans: &[Span], filling: Filling<'_>) {
        self.write_by::<kernel::Ssse3>(spans, filling);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512cd,avx512vbmi,bmi2")]
    fn write_avx512(self, spans: &[Span], filling: Filling<'_>) {
        self.write_by::<kernel::Avx512>(spans, filling);
    }

    #[inline(always)]
    fn write_by<K: Kernel>(mut self, spans: &[Span], mut filling: Filling<'_>) {
        let mut done = 0;
        let mut stack = [None; MOST_DEPTH];
        while let Some(span) = spans.get(done) {
            let usual = match &self.plan.compact {
                Some(header) if header.is_big => {
                    self.write_run::<K>(header, u64::from_be_bytes, &spans[done..], done as u64, &mut filling)
                }
                Some(header) => {
                    self.write_run::<K>(header, u64::from_le_bytes, &spans[done..], done as u64, &mut filling)
                }
                None => 0,
            };
            if usual == 0 {
                self.write_any::<K>(*span, done as u64, &mut stack, &mut filling);
            }
            done += usual.max(1);
        }
        self.fates.rows = filling.finish() as u64;
    }

    /// Writes rows up to the first message that is not of the first one's usual form, and says how many messages they are.
    #[inline(always)]
    fn write_run<K: Kernel>(
        &mut self,
        header: &CompactHeader,
        word_of: impl Fn([u8; 8]) -> u64,
        spans: &[Span],
        first: u64,
        filling: &mut Filling<'_>,
    ) -> usize {
        let (payload, entries) = (self.payload, &mut self.decoder.entries);
        let Some(run) = Run::find(self.plan, header, word_of, &payload.bytes, spans, entries) else { return 0 };
        // SAFETY: the run was found here, and the tables are the batch's. The CPU has what `K` uses.
        let written = unsafe {
            let leading = K::leading(&payload.leading_of(payload.skip + first));
            run.write::<K>(&payload.bytes, &spans[..run.messages], entries, leading, payload.seq_step(), filling)
        };
        self.decoder.counts[usize::from(run.code)] += run.messages as u64;
        self.fates.entries += written as u64;
        run.messages
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
