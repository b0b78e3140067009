//! A packet of messages with fixed fields: where each message stands, then its row.
//!
//! Facts: the way from message to message is a chain of loads, and a branch that depends on a message's type is
//! mispredicted at nearly every message of a mixed feed, which costs as much as the rest of its decoding. Decision: each
//! pass is a loop of its own with few live values and no branch that usual messages take differently, so that the CPU works
//! at several messages at once. The first pass finds whether the framing lies, before a row is written, and makes the
//! digest while it waits for its chain.

use super::BinaryPlan;
use crate::batch::{BatchBuilder, Filling};
use crate::decode::fixed::kernel::{self, Kernel, KernelKind};
use crate::decode::spans::find_spans;
use crate::decode::{Decoded, Decoder, Payload, Span, judge};
use crate::filter::Verdict;
use crate::framing::Delimiter;
use crate::malformed::Reason;

/// Decodes a packet, and notes in `decoder.spans` where the messages stand that were not to be skipped.
pub(in crate::decode) fn packet(
    plan: &BinaryPlan,
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
    plan: &'a BinaryPlan,
    payload: &'a Payload<'a>,
    decoder: &'a mut Decoder,
    fates: &'a mut Decoded,
}

impl Writer<'_> {
    fn write(self, spans: &[Span], filling: Filling<'_>) {
        if self.decoder.filter.is_none() {
            self.write_by_kernel::<false>(spans, filling);
        } else {
            self.write_by_kernel::<true>(spans, filling);
        }
    }

    #[inline(always)]
    fn write_by_kernel<const FILTERED: bool>(self, spans: &[Span], filling: Filling<'_>) {
        match self.plan.kernel {
            KernelKind::Portable => self.write_by::<kernel::Portable, FILTERED>(spans, filling),
            // SAFETY: the CPU was asked for it when the plan was made.
            #[cfg(target_arch = "x86_64")]
            KernelKind::Ssse3 => unsafe { self.write_ssse3::<FILTERED>(spans, filling) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            KernelKind::Avx512 => unsafe { self.write_avx512::<FILTERED>(spans, filling) },
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "ssse3")]
    fn write_ssse3<const FILTERED: bool>(self, spans: &[Span], filling: Filling<'_>) {
        self.write_by::<kernel::Ssse3, FILTERED>(spans, filling);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512cd,avx512vbmi,bmi2")]
    fn write_avx512<const FILTERED: bool>(self, spans: &[Span], filling: Filling<'_>) {
        self.write_by::<kernel::Avx512, FILTERED>(spans, filling);
    }

    #[inline(always)]
    fn write_by<K: Kernel, const FILTERED: bool>(mut self, spans: &[Span], mut filling: Filling<'_>) {
        let mut done = 0;
        loop {
            let usual;
            (usual, filling) = self.write_usual::<K, FILTERED>(&spans[done..], done as u64, filling);
            done += usual;
            let Some(span) = spans.get(done) else { break };
            self.write_any::<K>(*span, done as u64, &mut filling);
            done += 1;
        }
        self.fates.rows = filling.finish() as u64;
    }

    /// Writes rows up to the first message that is not as usual, and says how many.
    ///
    /// All of the loop's values stand in registers: nothing is called from it, and what it changes is its own.
    #[inline(always)]
    fn write_usual<'a, K: Kernel, const FILTERED: bool>(
        &mut self,
        spans: &[Span],
        first: u64,
        mut filling: Filling<'a>,
    ) -> (usize, Filling<'a>) {
        let (plan, slot, seq_step) = (self.plan, self.payload.bytes.slot(), self.payload.seq_step());
        let (counts, filter) = (&mut self.decoder.counts[..], self.decoder.filter.as_ref());
        // SAFETY: the CPU has what `K` uses.
        let mut leading = unsafe { K::leading(&self.payload.leading_of(self.payload.skip + first)) };
        let (mut done, mut longer, mut filtered) = (0, 0, 0);
        for span in spans {
            // SAFETY: the message stands within the payload, which has slack; it has one of the batch's tables.
            let (code, message, has_room) = unsafe {
                let (code, message) = plan.message_at(slot, span.start());
                (code, message, filling.has_room(message.table))
            };
            if span.len() < message.length || !has_room {
                break;
            }
            // SAFETY: the message is as long as declared and has slack behind it; its table has room for a row. The CPU has
            // what `K` uses.
            let row = unsafe {
                K::write_row(message, leading, slot.as_ptr().add(span.start()), filling.free_row(message.table));
                filling.written(message.table)
            };
            let verdict = if FILTERED { judge(filter, message.table, row) } else { Verdict::Wanted };
            if verdict == Verdict::Introduces {
                break;
            }
            // SAFETY: the CPU has what `K` uses.
            leading = unsafe { K::next(leading, seq_step) };
            done += 1;
            if verdict == Verdict::Unwanted {
                filtered += 1;
                continue;
            }
            longer += u64::from(span.len() > message.length);
            // SAFETY: the row was written, and there was room for it.
            unsafe { filling.commit(message.table, code) };
            counts[usize::from(code)] += 1;
        }
        self.fates.longer += longer;
        self.fates.filtered += filtered;
        (done, filling)
    }

    /// Decodes a message, whatever it is, and counts its fate.
    #[cold]
    #[inline(never)]
    fn write_any<K: Kernel>(&mut self, span: Span, index: u64, filling: &mut Filling<'_>) {
        let (bytes, place) = (span.of(self.payload.bytes.slot()), self.payload.skip + index);
        let Some(code) = self.plan.codes.find(bytes) else {
            self.fates.unknown += 1;
            return self.decoder.note_unknown(self.plan.codes.text(bytes));
        };
        let message = &self.plan.messages[usize::from(code)];
        if bytes.len() < message.min_length {
            self.fates.rows = filling.len() as u64;
            return self.fates.note_fault(place, Reason::MessageTooShort);
        }
        let row = filling.next_row(message.table);
        // SAFETY: the row is of the message's table; the CPU has what `K` uses.
        let row = unsafe {
            let leading = K::leading(&self.payload.leading_of(place));
            message.write_any::<K>(bytes, leading, row, &mut self.decoder.short);
            filling.written(message.table)
        };
        if self.decoder.filter.as_mut().is_some_and(|filter| !filter.admits(message.table, row)) {
            self.fates.filtered += 1;
            return;
        }
        self.fates.longer += u64::from(bytes.len() > message.length);
        // SAFETY: the row was written, and there was room for it.
        unsafe { filling.commit(message.table, code) };
        self.decoder.counts[usize::from(code)] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Filter, Instrument};
    use crate::layout::Leading;
    use crate::padded::{Padded, SLACK_BYTES};
    use crate::plan::{MessagesPlan, Plan};
    use crate::spec::SequenceUnit;
    use proptest::prelude::*;

    const PLANS: [&str; 3] = [
        include_str!("../../../tests/plans/itch50.json"),
        include_str!("../../../tests/plans/iex-tops.json"),
        include_str!("../../../tests/plans/iex-deep.json"),
    ];

    fn kernels() -> Vec<KernelKind> {
        let mut kernels = vec![KernelKind::Portable];
        #[cfg(target_arch = "x86_64")]
        match KernelKind::best() {
            KernelKind::Avx512 => kernels.extend([KernelKind::Ssse3, KernelKind::Avx512]),
            best => kernels.push(best),
        }
        kernels
    }

    /// A code of the plan (or none) and bytes, many of them padding: as a message of any length.
    fn message() -> impl Strategy<Value = (prop::sample::Index, bool, Vec<u8>)> {
        let byte = prop_oneof![Just(b' '), Just(0), any::<u8>()];
        (any::<prop::sample::Index>(), prop::bool::weighted(0.9), prop::collection::vec(byte, 1..90))
    }

    /// What one kernel makes of a packet: each table's bytes and those of the order, and fates.
    fn decoded(
        plan: &mut Plan,
        kernel: KernelKind,
        filter: Option<&Filter>,
        packet: &[u8],
    ) -> Result<(Vec<Vec<u8>>, String), Reason> {
        if let MessagesPlan::Binary(messages) = &mut plan.messages {
            messages.kernel = kernel;
        }
        let slot = [packet, &[0xEE; SLACK_BYTES]].concat();
        let leading = Leading { seq: 7, ts_recv_ns: 8, channel: 9 };
        let bytes = Padded::new(&slot, packet.len());
        let payload = Payload { bytes, messages: None, skip: 1, leading, unit: SequenceUnit::Messages };
        let (mut decoder, mut out) = (Decoder::new(plan), BatchBuilder::new(plan));
        if let Some(filter) = filter {
            decoder.filter_by(filter.clone());
        }
        let fates = decoder.packet(plan, &plan.framing.delimiter, &payload, &mut out)?;
        let batch = out.finish();
        let passed = fates.rows + fates.filtered + fates.unknown + fates.malformed;
        assert_eq!(passed, fates.messages.saturating_sub(payload.skip));
        let tables = batch.tables.iter().flatten().chain([&batch.order]);
        Ok((tables.map(|rows| rows.bytes().to_vec()).collect(), format!("{fates:?} {:?}", decoder.counts())))
    }

    /// Filters that let nothing, something, and more of random messages with so much padding pass.
    fn filters(plan: &Plan) -> Vec<Option<Filter>> {
        let nobody = vec![Instrument::Text("NOBODY".into())];
        let symbol = vec![Instrument::Text("WANTED".into())];
        let numbers = [0x2020, 0x0020].map(Instrument::Number).to_vec();
        let wanted = if plan.name == "itch50" { vec![nobody, symbol, numbers] } else { vec![nobody, symbol] };
        let filters = wanted.iter().map(|wanted| Some(Filter::new(plan, wanted).expect("instruments of the plan")));
        std::iter::once(None).chain(filters).collect()
    }

    /// Puts a symbol into some of the messages that are long enough for it, where some types have one.
    fn name_instrument(message: &mut [u8]) {
        let at = if message.len().is_multiple_of(2) { 10 } else { 24 };
        if let Some(symbol) = message.get_mut(at..at + 8).filter(|symbol| symbol[0] == b' ') {
            symbol.copy_from_slice(b"WANTED  ");
        }
    }

    proptest! {
        #[test]
        fn every_kernel_makes_the_same_of_a_packet(plan in 0..PLANS.len(),
                                                   messages in prop::collection::vec(message(), 0..40)) {
            let mut plan = Plan::from_json(PLANS[plan].as_bytes()).expect("a shipped plan");
            let is_big = plan.name == "itch50";
            let mut packet = Vec::new();
            for (code, is_known, mut bytes) in messages {
                let code = plan.codes[code.index(plan.codes.len())].text.bytes().next();
                bytes[0] = code.filter(|_| is_known).unwrap_or(bytes[0]);
                name_instrument(&mut bytes);
                let len = u16::try_from(bytes.len()).expect("short");
                packet.extend(if is_big { len.to_be_bytes() } else { len.to_le_bytes() });
                packet.extend(bytes);
            }
            for filter in filters(&plan) {
                let plain = decoded(&mut plan, KernelKind::Portable, filter.as_ref(), &packet);
                for kernel in kernels() {
                    let found = decoded(&mut plan, kernel, filter.as_ref(), &packet);
                    prop_assert_eq!(&found, &plain, "{:?} {:?}", kernel, filter);
                }
            }
        }
    }
}
