//! A packet of SBE messages: where each stands, then its rows.
//!
//! A message is decoded whole or not at all: where its counts or lengths lie, the rows of its groups are taken back, and
//! the other messages of the packet are not touched.

use super::SbePlan;
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
        let mut stack = [None; MOST_DEPTH];
        for (span, place) in spans.iter().zip(self.payload.skip..) {
            match self.find(*span) {
                Ok((head, Some(template))) => {
                    self.message::<K>(*span, place, &head, template, &mut stack, &mut filling);
                }
                Ok((head, None)) => self.note_unknown(&head),
                Err(reason) => self.fates.note_fault(place, reason),
            }
        }
        self.fates.rows = filling.finish() as u64;
        self.fates
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

    #[inline(always)]
    fn message<K: Kernel>(
        &mut self,
        span: Span,
        place: u64,
        head: &Head,
        template: &'a Template,
        stack: &mut [Option<Frame<'a>>; MOST_DEPTH],
        filling: &mut Filling<'_>,
    ) {
        let tables = template.group_tables.clone();
        let Decoder { rows_before, short, counts, .. } = &mut *self.decoder;
        rows_before.clear();
        rows_before.extend(tables.map(|table| filling.len(table)));
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
