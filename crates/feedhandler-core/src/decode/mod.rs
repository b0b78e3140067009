//! decode: the messages of a packet become rows of tables, by the compiled plan.
//!
//! Stands between arbitrate, which says which packet is next, and batch, which owns the tables. A packet is decoded
//! whole or not at all: where its framing lies, no row of it is left, so that another line's good copy can still win.

mod binary;
mod code_text;
mod fixed;
mod msgpack;
mod sbe;
mod span;
mod spans;
#[cfg(target_arch = "x86_64")]
mod wide_leading;

pub use binary::BinaryPlan;
pub use msgpack::MsgpackPlan;
pub use sbe::SbePlan;
pub use span::Span;
pub use spans::TypeLength;

use crate::batch::{BatchBuilder, Mark};
use crate::digest::Digest;
use crate::filter::{Filter, Verdict};
use crate::framing::Delimiter;
use crate::layout::Leading;
use crate::malformed::Reason;
use crate::padded::Padded;
use crate::plan::{MessagesPlan, Plan};
use crate::spec::SequenceUnit;
use msgpack::Widths;

/// A packet's messages, and which of them are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// The bytes behind the packet header.
    pub bytes: Padded<'a>,
    /// Number of messages in it; without it, as many as there are bytes for.
    pub messages: Option<u64>,
    /// Messages at its beginning that were delivered before.
    pub skip: u64,
    /// Leading columns of its first message.
    pub leading: Leading,
    /// What the sequence number counts.
    pub unit: SequenceUnit,
}

impl Payload<'_> {
    /// Leading columns of the message at `place`.
    #[inline]
    pub(crate) fn leading_of(&self, place: u64) -> Leading {
        let step = if self.unit == SequenceUnit::Packets { 0 } else { place };
        Leading { seq: self.leading.seq.wrapping_add(step), ..self.leading }
    }

    /// By how much the sequence number grows from message to message.
    #[inline]
    pub(crate) fn seq_step(&self) -> u64 {
        u64::from(self.unit != SequenceUnit::Packets)
    }

    /// Under which number the message at `place` goes into the digest: where packets carry the number, a message's place
    /// in its packet is in the upper bits.
    #[inline]
    fn digest_number(&self, place: u64) -> u64 {
        self.leading.seq.wrapping_add(place.wrapping_mul(self.digest_step()))
    }

    /// By how much that number grows from message to message.
    #[inline]
    fn digest_step(&self) -> u64 {
        if self.unit == SequenceUnit::Packets { 1 << 48 } else { 1 }
    }
}

/// What became of the messages of a packet.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Messages in the packet, those skipped included.
    pub messages: u64,
    /// Messages that became rows.
    pub rows: u64,
    /// Messages of a type that the declaration does not know.
    pub unknown: u64,
    /// Messages that could not be decoded.
    pub malformed: u64,
    /// Messages about instruments that are not wanted.
    pub filtered: u64,
    /// Rows of groups, which belong to messages.
    pub entries: u64,
    /// Messages longer than declared: of a newer version, read as far as known.
    pub longer: u64,
    /// Bytes behind the last message that the header did not count.
    pub trailing_bytes: u64,
    /// Digest of the messages that were not skipped.
    pub digest: Digest,
    /// Why messages could not be decoded: each reason once.
    pub faults: Vec<Fault>,
    /// Where they stand.
    pub(crate) runs: Vec<FaultRun>,
}

/// Messages of a packet that could not be decoded, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultRun {
    /// Places of the first and the last of them in the packet.
    pub places: [u64; 2],
    /// How many.
    pub count: u64,
    /// Rows that the packet has brought before them.
    pub rows_before: u64,
}

/// Runs of a packet that are told apart; what comes behind is part of the last.
const MOST_RUNS: usize = 64;

/// Messages of a packet that could not be decoded for one reason.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// How many.
    pub count: u64,
    /// Place of the first of them in the packet.
    pub place: u64,
}

impl Decoded {
    #[cold]
    fn note_fault(&mut self, place: u64, reason: Reason) {
        self.malformed += 1;
        match self.faults.iter_mut().find(|fault| fault.reason == reason) {
            Some(fault) => fault.count += 1,
            None => self.faults.push(Fault { reason, count: 1, place }),
        }
        let is_full = self.runs.len() == MOST_RUNS;
        match self.runs.last_mut() {
            Some(run) if is_full || run.places[1] + 1 == place => (run.places[1], run.count) = (place, run.count + 1),
            _ => self.runs.push(FaultRun { places: [place; 2], count: 1, rows_before: self.rows }),
        }
    }
}

impl MessagesPlan {
    /// Where the message behind the one at `at` begins, in a payload that is the first `end` bytes of `slot`.
    #[inline]
    pub(crate) fn next_at(&self, delimiter: &Delimiter, slot: &[u8], at: usize, end: usize) -> Result<usize, Reason> {
        match self {
            Self::Binary(messages) => Ok(delimiter.next(slot, at, end, messages)?.next),
            Self::Sbe(messages) => Ok(delimiter.next(slot, at, end, messages)?.next),
            Self::Msgpack(_) => msgpack::next_at(delimiter, slot, at, end),
        }
    }
}

/// Code of a message whose type the declaration does not know: how often it came.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnknownCode {
    /// The code, as a character where it is a printable one.
    pub code: String,
    /// Messages.
    pub count: u64,
}

/// Different unknown codes that are told apart; further ones are counted in the ledger only.
const MOST_UNKNOWN_CODES: usize = 64;

/// Decodes packets of one protocol and counts messages by type.
#[derive(Debug)]
pub struct Decoder {
    counts: Vec<u64>,
    unknown: Vec<UnknownCode>,
    /// Which of `unknown` the packet has.
    noted: Vec<usize>,
    /// A packet without slack behind it is copied here first.
    scratch: Vec<u8>,
    /// A message without its optional fields is completed here.
    short: Vec<u8>,
    /// Where a packet's messages stand, but for those that are skipped.
    spans: Vec<Span>,
    widths: Widths,
    /// Rows that the tables of a message's groups had before it.
    rows_before: Vec<usize>,
    /// Where the entries of groups stand.
    entries: Vec<sbe::Entries>,
    /// Which instruments' messages become rows; without it, all.
    filter: Option<Filter>,
}

impl Decoder {
    /// A decoder for packets of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            counts: vec![0; plan.codes.len()],
            unknown: Vec::new(),
            noted: Vec::new(),
            scratch: Vec::new(),
            short: Vec::new(),
            spans: Vec::new(),
            widths: Widths::default(),
            rows_before: Vec::new(),
            entries: Vec::new(),
            filter: None,
        }
    }

    /// From now on only messages about instruments that `filter` wants become rows, and those that are about none.
    pub fn filter_by(&mut self, filter: Filter) {
        self.filter = Some(filter);
    }

    /// A channel comes into a session, by its number among the channel's: which instrument has which symbol is its own.
    pub(crate) fn enter_session(&mut self, channel: u16, session: u32) {
        if let Some(filter) = &mut self.filter {
            filter.enter(channel, session);
        }
    }

    /// Rows so far, by index of [`Plan::codes`].
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Codes that were met and are not in the declaration.
    #[must_use]
    pub fn unknown(&self) -> &[UnknownCode] {
        &self.unknown
    }

    /// Decodes a packet's messages into `out`, which must be a batch for messages of `plan`, as the decoder is.
    ///
    /// # Errors
    /// [`Reason`] where the packet's framing lies; `out` is then as it was.
    pub(crate) fn packet(
        &mut self,
        plan: &Plan,
        delimiter: &Delimiter,
        payload: &Payload<'_>,
        out: &mut BatchBuilder,
    ) -> Result<Decoded, Reason> {
        let mut fates = Decoded::default();
        self.packet_into(plan, delimiter, payload, out, &mut fates)?;
        Ok(fates)
    }

    /// The same, where what becomes of the messages is told to `fates`, of which nothing was told yet: fates are too large
    /// to be handed around for each packet.
    #[inline]
    pub(crate) fn packet_into(
        &mut self,
        plan: &Plan,
        delimiter: &Delimiter,
        payload: &Payload<'_>,
        out: &mut BatchBuilder,
        fates: &mut Decoded,
    ) -> Result<(), Reason> {
        if u32::try_from(payload.bytes.len()).is_err() {
            return Err(Reason::PayloadLength);
        }
        if payload.bytes.has_slack() {
            return self.padded(plan, delimiter, payload, out, fates);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let payload = Payload { bytes: copy_with_slack(payload.bytes, &mut scratch), ..*payload };
        let decoded = self.padded(plan, delimiter, &payload, out, fates);
        self.scratch = scratch;
        decoded
    }

    fn padded(
        &mut self,
        plan: &Plan,
        delimiter: &Delimiter,
        payload: &Payload<'_>,
        out: &mut BatchBuilder,
        fates: &mut Decoded,
    ) -> Result<(), Reason> {
        let before = out.mark();
        let decoded = match &plan.messages {
            MessagesPlan::Binary(messages) => binary::packet(messages, delimiter, payload, self, out, fates),
            MessagesPlan::Msgpack(messages) => msgpack::packet(messages, delimiter, payload, self, out, fates),
            MessagesPlan::Sbe(messages) => sbe::packet(messages, delimiter, payload, self, out, fates),
        };
        match decoded {
            Ok(()) => {
                self.noted.clear();
                if let Some(filter) = &mut self.filter {
                    filter.keep();
                }
            }
            Err(_) => self.undo(before, out),
        }
        decoded
    }

    #[cold]
    fn undo(&mut self, before: Mark, out: &mut BatchBuilder) {
        out.undo_to(before, |code| self.counts[usize::from(code)] -= 1);
        self.undo_unknown();
        if let Some(filter) = &mut self.filter {
            filter.undo();
        }
    }

    /// Follows a packet's framing without decoding: whether it could be delivered later.
    ///
    /// # Errors
    /// [`Reason`] where the framing lies.
    pub fn check(plan: &Plan, delimiter: &Delimiter, payload: Padded<'_>, messages: Option<u64>) -> Result<(), Reason> {
        let (slot, end) = (payload.slot(), payload.len());
        // What stands behind the one message of a payload is not looked at.
        let messages = if let Delimiter::Whole = delimiter { messages.or((end > 0).then_some(1)) } else { messages };
        let (mut at, mut place) = (0, 0);
        while messages.map_or(at < end, |messages| place < messages) {
            at = plan.messages.next_at(delimiter, slot, at, end)?;
            place += 1;
        }
        Ok(())
    }

    #[cold]
    fn note_unknown(&mut self, code: impl AsRef<str>) {
        let code = code.as_ref();
        let at = self.unknown.iter().position(|unknown| unknown.code == code).unwrap_or(self.unknown.len());
        if at == MOST_UNKNOWN_CODES {
            return;
        }
        if at == self.unknown.len() {
            self.unknown.push(UnknownCode { code: code.to_owned(), count: 0 });
        }
        self.unknown[at].count += 1;
        self.noted.push(at);
    }

    #[cold]
    fn undo_unknown(&mut self) {
        for at in self.noted.drain(..) {
            self.unknown[at].count -= 1;
        }
        self.unknown.retain(|unknown| unknown.count > 0);
    }
}

#[inline(always)]
fn judge(filter: Option<&Filter>, table: u16, row: &[u8]) -> Verdict {
    filter.map_or(Verdict::Wanted, |filter| filter.judge(table, row))
}

fn copy_with_slack<'a>(bytes: Padded<'_>, scratch: &'a mut Vec<u8>) -> Padded<'a> {
    scratch.clear();
    scratch.extend_from_slice(bytes.bytes());
    scratch.resize(bytes.len() + crate::padded::SLACK_BYTES, 0);
    Padded::new(scratch, bytes.len())
}
