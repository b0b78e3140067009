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

use crate::batch::BatchBuilder;
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
    /// in its packet is in the upper half.
    #[inline]
    fn digest_number(&self, place: u64) -> u64 {
        if self.unit == SequenceUnit::Packets {
            self.leading.seq ^ (place << 48)
        } else {
            self.leading.seq.wrapping_add(place)
        }
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
}

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
    /// A packet without slack behind it is copied here first.
    scratch: Vec<u8>,
    /// A message without its optional fields is completed here.
    short: Vec<u8>,
    /// Where a packet's messages stand, but for those that are skipped.
    spans: Vec<Span>,
    widths: Widths,
    /// Rows that the tables of a message's groups had before it.
    rows_before: Vec<usize>,
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
            scratch: Vec::new(),
            short: Vec::new(),
            spans: Vec::new(),
            widths: Widths::default(),
            rows_before: Vec::new(),
            filter: None,
        }
    }

    /// From now on only messages about instruments that `filter` wants become rows, and those that are about none.
    pub fn filter_by(&mut self, filter: Filter) {
        self.filter = Some(filter);
    }

    /// A session starts on a channel: which instrument has which symbol is not known any more.
    pub fn forget_symbols(&mut self, channel: u16) {
        if let Some(filter) = &mut self.filter {
            filter.forget(channel);
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

    /// Decodes a packet's messages into `out`.
    ///
    /// # Errors
    /// [`Reason`] where the packet's framing lies; `out` is then as it was.
    pub fn packet(
        &mut self,
        plan: &Plan,
        delimiter: &Delimiter,
        payload: &Payload<'_>,
        out: &mut BatchBuilder,
    ) -> Result<Decoded, Reason> {
        if u32::try_from(payload.bytes.len()).is_err() {
            return Err(Reason::PayloadLength);
        }
        if payload.bytes.has_slack() {
            return self.padded(plan, delimiter, payload, out);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let payload = Payload { bytes: copy_with_slack(payload.bytes, &mut scratch), ..*payload };
        let decoded = self.padded(plan, delimiter, &payload, out);
        self.scratch = scratch;
        decoded
    }

    fn padded(
        &mut self,
        plan: &Plan,
        delimiter: &Delimiter,
        payload: &Payload<'_>,
        out: &mut BatchBuilder,
    ) -> Result<Decoded, Reason> {
        let before = out.mark();
        let decoded = match &plan.messages {
            MessagesPlan::Binary(messages) => binary::packet(messages, delimiter, payload, self, out),
            MessagesPlan::Msgpack(messages) => msgpack::packet(messages, delimiter, payload, self, out),
            MessagesPlan::Sbe(messages) => sbe::packet(messages, delimiter, payload, self, out),
        };
        match decoded {
            Ok(decoded) => {
                if let Some(filter) = &mut self.filter {
                    filter.keep();
                }
                Ok(decoded)
            }
            Err(reason) => {
                out.undo_to(before, |code| self.counts[usize::from(code)] -= 1);
                if let Some(filter) = &mut self.filter {
                    filter.undo();
                }
                Err(reason)
            }
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
            at = match &plan.messages {
                MessagesPlan::Binary(messages) => delimiter.next(slot, at, end, messages)?.next,
                MessagesPlan::Msgpack(_) => msgpack::skip_at(slot, at, end)?,
                MessagesPlan::Sbe(messages) => delimiter.next(slot, at, end, messages)?.next,
            };
            place += 1;
        }
        Ok(())
    }

    #[cold]
    fn note_unknown(&mut self, code: impl AsRef<str>) {
        let code = code.as_ref();
        if let Some(known) = self.unknown.iter_mut().find(|unknown| unknown.code == code) {
            known.count += 1;
        } else if self.unknown.len() < MOST_UNKNOWN_CODES {
            self.unknown.push(UnknownCode { code: code.to_owned(), count: 1 });
        }
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
