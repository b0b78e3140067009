//! Through a packet, message by message: the short way where there is one, the long way everywhere else.

use super::MsgpackPlan;
use super::codes::NO_CODE;
use super::flat::MOST_FLAT_BYTES;
use crate::batch::BatchBuilder;
use crate::decode::{Decoded, Decoder, Payload, Span, judge};
use crate::filter::Verdict;
use crate::framing::Delimiter;
use crate::layout::{LEADING_WORDS, Leading};
use crate::malformed::Reason;
use crate::msgpack::Reader;

/// Decodes a packet, and notes in `decoder.spans` where the messages stand that were not to be skipped.
pub(in crate::decode) fn packet(
    plan: &MsgpackPlan,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    decoder: &mut Decoder,
    out: &mut BatchBuilder,
) -> Result<Decoded, Reason> {
    let mut widths = std::mem::take(&mut decoder.widths);
    decoder.spans.clear();
    let measured = if plan.heads.is_some() { widths.measure(payload.bytes, MOST_FLAT_BYTES) } else { &[] };
    let most = if let Delimiter::Whole = delimiter { 1 } else { u64::MAX };
    let last = payload.messages.unwrap_or(u64::MAX).min(most);
    let walk = Walk { plan, payload, widths: measured, last, at: 0, place: 0, fates: Decoded::default(), decoder, out };
    let fates = if walk.decoder.filter.is_none() { walk.decode::<false>() } else { walk.decode::<true>() };
    decoder.widths = widths;
    fates
}

pub(in crate::decode) fn skip_at(slot: &[u8], at: usize, end: usize) -> Result<usize, Reason> {
    let mut reader = Reader::new(slot, at, end);
    reader.skip()?;
    Ok(reader.at)
}

/// The way through a packet, message by message.
///
/// The two ways to decode a message are functions of their own: inlined into one, the long way takes the registers that
/// the short way's loop needs.
struct Walk<'a> {
    plan: &'a MsgpackPlan,
    payload: &'a Payload<'a>,
    widths: &'a [u8],
    /// Messages at which the way ends, if the bytes do not end before.
    last: u64,
    /// First byte of the next message, and how many messages there were before it.
    at: usize,
    place: u64,
    fates: Decoded,
    decoder: &'a mut Decoder,
    out: &'a mut BatchBuilder,
}

impl Walk<'_> {
    fn decode<const FILTERED: bool>(mut self) -> Result<Decoded, Reason> {
        let end = self.payload.bytes.len();
        while self.place < self.last && (self.at < end || self.payload.messages.is_some()) {
            if self.at >= end {
                return Err(Reason::CountTooLarge);
            }
            if self.place < self.payload.skip {
                self.at = skip_at(self.payload.bytes.slot(), self.at, end)?;
                self.place += 1;
            } else if !self.short_way::<FILTERED>() {
                self.at = self.long_way()?;
                self.place += 1;
            }
        }
        if self.payload.messages.is_some_and(|messages| messages > self.place) {
            return Err(Reason::CountTooLarge);
        }
        self.fates.messages = self.place;
        self.fates.trailing_bytes = (end - self.at) as u64;
        Ok(self.fates)
    }

    /// Decodes the messages of one flat type that come next; false where there is none.
    #[inline(never)]
    fn short_way<const FILTERED: bool>(&mut self) -> bool {
        let (slot, end) = (self.payload.bytes.slot(), self.payload.bytes.len());
        let Some((flat, head)) = self.plan.flat_at(slot, self.at) else { return false };
        let stop = end.min((slot.len() + 1).saturating_sub(flat.most_bytes));
        let (mut at, mut place) = (self.at, self.place);
        let Decoder { spans, filter, .. } = &mut *self.decoder;
        let mut run = self.out.run(head.table, head.code, self.last - place);
        while at < stop && run.has_room() && head.is_at(slot, at) && (!FILTERED || place < self.last) {
            let leading = self.payload.leading_of(place);
            // SAFETY: up to `stop` the longest message of the type ends within the slot, and the widths go on for as long
            // behind the payload; the row is one of the type's, which begins with the leading words.
            let len = unsafe {
                run.row().cast::<[u64; LEADING_WORDS]>().write_unaligned(leading.words());
                flat.write(slot.as_ptr().add(at), self.widths.as_ptr().add(at), run.row())
            };
            let Some(next) = len.map(|len| at + len).filter(|next| *next <= end) else { break };
            // SAFETY: the row was written.
            let row = unsafe { run.written() };
            let verdict = if FILTERED { judge(filter.as_ref(), head.table, row) } else { Verdict::Wanted };
            match verdict {
                // SAFETY: there is room, and the row was written.
                Verdict::Wanted => unsafe { run.commit() },
                Verdict::Unwanted => {}
                Verdict::Introduces => break,
            }
            spans.push(Span::new(at, next));
            (at, place) = (next, place + 1);
        }
        let (rows, messages) = (run.finish() as u64, place - self.place);
        (self.at, self.place) = (at, place);
        self.fates.rows += rows;
        self.fates.filtered += messages - rows;
        self.decoder.counts[usize::from(head.code)] += rows;
        messages > 0
    }

    /// Decodes the next message, whatever it is, counts its fate, and says where it ends.
    #[inline(never)]
    fn long_way(&mut self) -> Result<usize, Reason> {
        let (slot, at, end) = (self.payload.bytes.slot(), self.at, self.payload.bytes.len());
        let leading = self.payload.leading_of(self.place);
        let mut reader = Reader::new(slot, at, end);
        let next = match self.write_row(&mut reader, &leading) {
            Ok(true) => reader.at,
            Ok(false) => {
                let next = skip_at(slot, at, end)?;
                self.fates.unknown += 1;
                self.decoder.note_unknown(self.plan.code_text(Reader::new(slot, at, end)));
                next
            }
            Err(reason) => {
                // The object does not fit the declaration; where it does not even end, the whole packet is of no use.
                let next = skip_at(slot, at, end)?;
                self.fates.note_fault(self.place, reason);
                next
            }
        };
        self.decoder.spans.push(Span::new(at, next));
        Ok(next)
    }

    /// Writes the row of the object at `reader`; false where its type is not known.
    fn write_row(&mut self, reader: &mut Reader<'_>, leading: &Leading) -> Result<bool, Reason> {
        let Some(code) = self.plan.find(*reader)? else { return Ok(false) };
        let table = self.plan.codes.table[code];
        let message = &self.plan.messages[usize::from(table)];
        let row = self.out.blank_row(table, &message.template);
        leading.write(row);
        message.write(reader, row)?;
        if let Some(filter) = &mut self.decoder.filter
            && !filter.admits(table, row)
        {
            self.fates.filtered += 1;
            return Ok(true);
        }
        // SAFETY: `blank_row` has written the whole row.
        unsafe { self.out.commit(table, u16::try_from(code).unwrap_or(NO_CODE)) };
        self.fates.rows += 1;
        self.decoder.counts[code] += 1;
        Ok(true)
    }
}
