//! Through a packet, message by message: the short way where there is one, the long way everywhere else.

use super::MsgpackPlan;
use super::codes::NO_CODE;
use super::flat::{Flat, MOST_FLAT_BYTES};
use super::head::Head;
#[cfg(target_arch = "x86_64")]
use super::way::AtOnce;
use super::way::{Columns, Way};
#[cfg(target_arch = "x86_64")]
use super::wide::Wide;
use super::widths::Widths;
use crate::batch::BatchBuilder;
use crate::decode::{Decoded, Decoder, Payload, Span, judge};
use crate::filter::Verdict;
use crate::framing::{Block, Delimiter, Length};
use crate::layout::Leading;
use crate::malformed::Reason;
use crate::msgpack::Reader;

/// Decodes a packet, and notes in `decoder.spans` where the messages stand that were not to be skipped.
pub(in crate::decode) fn packet(
    plan: &MsgpackPlan,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    decoder: &mut Decoder,
    out: &mut BatchBuilder,
    fates: &mut Decoded,
) -> Result<(), Reason> {
    decoder.spans.clear();
    let most = if let Delimiter::Whole = delimiter { 1 } else { u64::MAX };
    let last = payload.messages.unwrap_or(u64::MAX).min(most);
    let widths = std::mem::take(&mut decoder.widths);
    let mut walk = Walk { plan, payload, widths, is_measured: false, last, at: 0, place: 0, fates, decoder, out };
    let end = match delimiter {
        Delimiter::Length(length) => walk.decode_blocks(length),
        _ if walk.decoder.filter.is_none() => walk.decode::<false>(),
        _ => walk.decode::<true>(),
    };
    let Walk { widths, fates, decoder, .. } = walk;
    decoder.widths = widths;
    end?;
    let number = |index| payload.digest_number(payload.skip + index);
    fates.digest.add(payload.bytes.slot(), &decoder.spans, number);
    Ok(())
}

/// Where the message behind the one at `at` begins.
pub(in crate::decode) fn next_at(delimiter: &Delimiter, slot: &[u8], at: usize, end: usize) -> Result<usize, Reason> {
    match delimiter {
        Delimiter::Length(length) => Ok(length.next_told(slot, at, end)?.next),
        _ => skip_at(slot, at, end),
    }
}

fn skip_at(slot: &[u8], at: usize, end: usize) -> Result<usize, Reason> {
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
    /// Widths of the payload's values, once they were asked for.
    widths: Widths,
    is_measured: bool,
    /// Messages at which the way ends, if the bytes do not end before.
    last: u64,
    /// First byte of the next message, and how many messages there were before it.
    at: usize,
    place: u64,
    fates: &'a mut Decoded,
    decoder: &'a mut Decoder,
    out: &'a mut BatchBuilder,
}

impl Walk<'_> {
    fn decode<const FILTERED: bool>(&mut self) -> Result<(), Reason> {
        let end = self.payload.bytes.len();
        while self.place < self.last && (self.at < end || self.payload.messages.is_some()) {
            if self.at >= end {
                return Err(Reason::CountTooLarge);
            }
            if self.place < self.payload.skip {
                self.at = skip_at(self.payload.bytes.slot(), self.at, end)?;
                self.place += 1;
            } else if !self.short_way::<FILTERED>() {
                self.at = self.long_way(end)?;
                self.place += 1;
            }
        }
        if self.payload.messages.is_some_and(|messages| messages > self.place) {
            return Err(Reason::CountTooLarge);
        }
        self.fates.messages = self.place;
        self.fates.trailing_bytes = (end - self.at) as u64;
        Ok(())
    }

    /// Decodes messages that stand in blocks, each of which says its length: one whose object does not end within its block
    /// is malformed alone.
    fn decode_blocks(&mut self, length: &Length) -> Result<(), Reason> {
        let (slot, end) = (self.payload.bytes.slot(), self.payload.bytes.len());
        while self.payload.messages.map_or(self.at < end, |messages| self.place < messages) {
            let block = length.next_told(slot, self.at, end)?;
            if self.place >= self.payload.skip {
                self.decode_block(block);
            }
            (self.at, self.place) = (block.next, self.place + 1);
        }
        self.fates.messages = self.place;
        self.fates.trailing_bytes = (end - self.at) as u64;
        Ok(())
    }

    fn decode_block(&mut self, block: Block) {
        let rows = self.fates.rows;
        self.at = block.start;
        match self.long_way(block.end) {
            Ok(next) => self.fates.longer += u64::from(self.fates.rows > rows && next < block.end),
            Err(reason) => {
                self.fates.note_fault(self.place, reason);
                self.decoder.spans.push(Span::new(block.start, block.end));
            }
        }
    }

    /// Decodes the messages of one flat type that come next; false where there is none.
    fn short_way<const FILTERED: bool>(&mut self) -> bool {
        let Some((flat, head)) = self.plan.flat_at(self.payload.bytes.slot(), self.at) else { return false };
        #[cfg(target_arch = "x86_64")]
        if let Some(wide) = &flat.wide {
            // SAFETY: where a message has this way, the CPU has what it takes.
            let is_any = unsafe { self.at_once::<FILTERED>(wide, head) };
            return is_any || self.by_columns::<FILTERED>(flat, head, 1);
        }
        self.by_columns::<FILTERED>(flat, head, u64::MAX)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi2")]
    fn at_once<const FILTERED: bool>(&mut self, wide: &Wide, head: Head) -> bool {
        if FILTERED {
            // A row that nobody wants is written over by the next.
            self.run::<_, true, false>(AtOnce(wide), head, u64::MAX)
        } else {
            self.run::<_, false, true>(AtOnce(wide), head, u64::MAX)
        }
    }

    #[inline(never)]
    fn by_columns<const FILTERED: bool>(&mut self, flat: &Flat, head: Head, most: u64) -> bool {
        let mut widths = std::mem::take(&mut self.widths);
        if !self.is_measured {
            widths.measure(self.payload.bytes, MOST_FLAT_BYTES);
            self.is_measured = true;
        }
        let is_any = self.run::<_, FILTERED, false>(Columns { flat, widths: widths.all() }, head, most);
        self.widths = widths;
        is_any
    }

    /// Decodes the messages that come next and begin with `head`, at most so many; false where none could be.
    #[inline(always)]
    fn run<W: Way, const FILTERED: bool, const BOTH: bool>(&mut self, way: W, head: Head, most: u64) -> bool {
        let (slot, end) = (self.payload.bytes.slot(), self.payload.bytes.len());
        let stop = end.min((slot.len() + 1).saturating_sub(way.readable_bytes()));
        let (mut at, mut place, seq_step) = (self.at, self.place, self.payload.seq_step());
        let last = self.last.min(place.saturating_add(most));
        let Decoder { spans, filter, .. } = &mut *self.decoder;
        let mut run = self.out.run(head.table, head.code);
        // SAFETY: the CPU has what the way takes.
        let mut leading = unsafe { W::leading(&self.payload.leading_of(place)) };
        while at < stop && place < last && run.room() > usize::from(BOTH) && head.is_at(slot, at) {
            let from = slot.as_ptr().wrapping_add(at);
            // SAFETY: the CPU has what the way takes.
            let next_leading = unsafe { W::next(leading, seq_step) };
            // SAFETY: up to `stop` what the way reads stands within the slot; there is room for the rows, which are of the type.
            let ends = unsafe { way.write::<BOTH>([leading, next_leading], from, at, run.rows()) };
            let next = at + ends.first;
            if ends.first == 0 || next > end {
                break;
            }
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
            let second_next = at + ends.second;
            (at, place, leading) = (next, place + 1, next_leading);
            if BOTH && second_next > at && second_next <= end && place < last && head.is_at(slot, at) {
                // SAFETY: there is room for two, and the second was written.
                unsafe { run.commit() };
                spans.push(Span::new(at, second_next));
                // SAFETY: the CPU has what the way takes.
                leading = unsafe { W::next(leading, seq_step) };
                (at, place) = (second_next, place + 1);
            }
        }
        let (rows, messages) = (run.finish() as u64, place - self.place);
        (self.at, self.place) = (at, place);
        self.fates.rows += rows;
        self.fates.filtered += messages - rows;
        self.decoder.counts[usize::from(head.code)] += rows;
        messages > 0
    }

    /// Decodes the next message, which ends at `end` or before, whatever it is, counts its fate, and says where it ends.
    #[inline(never)]
    fn long_way(&mut self, end: usize) -> Result<usize, Reason> {
        let (slot, at) = (self.payload.bytes.slot(), self.at);
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
