//! Messages that are msgpack objects.

mod codes;
mod leaf;
mod path;
mod tree;

use super::{Decoded, Decoder, Payload};
use crate::batch::BatchBuilder;
use crate::framing::Delimiter;
use crate::layout::{LEADING_BYTES, RowLayout};
use crate::malformed::Reason;
use crate::msgpack::{Head, Kind, Reader};
use crate::plan::PlanError;
use crate::spec::{MsgpackMessageSpec, StepSpec};
use codes::{Codes, NO_CODE};
use leaf::format;
use path::enter;
use tree::Message;

/// Everything decode knows of a protocol of msgpack objects.
#[derive(Debug)]
pub struct MsgpackPlan {
    code: Option<Vec<StepSpec>>,
    codes: Codes,
    messages: Vec<Message>,
    layouts: Vec<RowLayout>,
}

impl MsgpackPlan {
    /// Compiles messages.
    ///
    /// # Errors
    /// [`PlanError`] where paths contradict each other or a column cannot have its width.
    pub fn new(code: Option<&[StepSpec]>, specs: &[MsgpackMessageSpec]) -> Result<Self, PlanError> {
        let mut plan =
            Self { code: code.map(<[_]>::to_vec), codes: Codes::default(), messages: Vec::new(), layouts: Vec::new() };
        for (spec, table) in specs.iter().zip(0_u16..) {
            if code.is_some() == spec.codes.is_empty() {
                let what = "a message has codes exactly where the protocol has a code path";
                return Err(PlanError::new(&spec.name, what));
            }
            let columns = spec.fields.iter().map(|f| Ok((f.name.as_str(), format(f, spec)?, f.width)));
            let layout = RowLayout::of_message(columns.collect::<Result<Vec<_>, PlanError>>()?);
            plan.codes.add(spec, table)?;
            plan.messages.push(Message::new(spec, &layout)?);
            plan.layouts.push(layout);
        }
        if code.is_none() && specs.len() > 1 {
            return Err(PlanError::new("messages", "several messages need a code that tells them apart"));
        }
        Ok(plan)
    }

    /// Row layouts, one a message.
    #[must_use]
    pub fn layouts(&self) -> &[RowLayout] {
        &self.layouts
    }

    /// Index of the code of the object at `reader`; `Err(None)` where its type is not known.
    #[inline]
    fn find(&self, mut reader: Reader<'_>) -> Result<Option<usize>, Reason> {
        let Some(path) = &self.code else { return Ok(Some(0)) };
        for step in path {
            if !enter(&mut reader, step)? {
                return Err(Reason::MissingField);
            }
        }
        let head = reader.head()?;
        match head.kind {
            Kind::Unsigned | Kind::Signed => Ok(self.codes.of_number(head.number.cast_signed())),
            Kind::Str => Ok(self.codes.of_text(reader.bytes(head.number)?)),
            _ => Err(Reason::WrongKind),
        }
    }

    /// A code as people write it, for the report of unknown ones.
    fn code_text(&self, mut reader: Reader<'_>) -> String {
        for step in self.code.iter().flatten() {
            if !enter(&mut reader, step).unwrap_or(false) {
                return "none".to_owned();
            }
        }
        match reader.head() {
            Ok(Head { kind: Kind::Unsigned, number, .. }) => number.to_string(),
            Ok(Head { kind: Kind::Signed, number, .. }) => number.cast_signed().to_string(),
            Ok(Head { kind: Kind::Str, number, .. }) => {
                let text = reader.bytes(number.min(MOST_CODE_TEXT)).unwrap_or_default();
                String::from_utf8_lossy(text).into_owned()
            }
            _ => "none".to_owned(),
        }
    }
}

/// Bytes of an unknown textual code that a report shows.
const MOST_CODE_TEXT: u64 = 32;

/// Decodes a packet.
pub(super) fn packet(
    plan: &MsgpackPlan,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    decoder: &mut Decoder,
    out: &mut BatchBuilder,
) -> Result<Decoded, Reason> {
    let (slot, end) = (payload.bytes.slot(), payload.bytes.len());
    let mut decoded = Decoded::default();
    let (mut at, mut place) = (0, 0);
    while payload.messages.map_or(at < end, |messages| place < messages) {
        if at >= end {
            return Err(Reason::CountTooLarge);
        }
        at = if place < payload.skip {
            skip_at(slot, at, end)?
        } else {
            message(plan, payload, place, at, decoder, &mut decoded, out)?
        };
        place += 1;
        if matches!(delimiter, Delimiter::Whole) {
            break;
        }
    }
    if payload.messages.is_some_and(|messages| messages > place) {
        return Err(Reason::CountTooLarge);
    }
    decoded.messages = place;
    decoded.trailing_bytes = (end - at) as u64;
    Ok(decoded)
}

pub(super) fn skip_at(slot: &[u8], at: usize, end: usize) -> Result<usize, Reason> {
    let mut reader = Reader::new(slot, at, end);
    reader.skip()?;
    Ok(reader.at)
}

/// Decodes the object at `at`, counts its fate, and says where the next begins.
#[inline(always)]
fn message(
    plan: &MsgpackPlan,
    payload: &Payload<'_>,
    place: u64,
    at: usize,
    decoder: &mut Decoder,
    decoded: &mut Decoded,
    out: &mut BatchBuilder,
) -> Result<usize, Reason> {
    let (slot, end) = (payload.bytes.slot(), payload.bytes.len());
    let leading = payload.leading_of(place);
    let mut reader = Reader::new(slot, at, end);
    let written = match plan.find(reader) {
        Ok(Some(code)) => {
            let table = plan.codes.table[code];
            let message = &plan.messages[usize::from(table)];
            let row = out.blank_row(table, &message.template);
            leading.write(&mut row[..LEADING_BYTES]);
            message.write(&mut reader, row).map(|()| Some((table, code)))
        }
        Ok(None) => Ok(None),
        Err(reason) => Err(reason),
    };
    match written {
        Ok(Some((table, code))) => {
            // SAFETY: `blank_row` has written the whole row.
            unsafe { out.commit(table, u16::try_from(code).unwrap_or(NO_CODE)) };
            decoded.rows += 1;
            decoder.counts[code] += 1;
        }
        Ok(None) => {
            reader = Reader::new(slot, skip_at(slot, at, end)?, end);
            decoded.unknown += 1;
            decoder.note_unknown(plan.code_text(Reader::new(slot, at, end)));
        }
        Err(reason) => {
            // The object does not fit the declaration; where it does not even end, the whole packet is of no use.
            reader = Reader::new(slot, skip_at(slot, at, end)?, end);
            decoded.note_fault(place, reason);
        }
    }
    decoded.digest.add(leading.seq, payload.digest_place(place), &slot[at..reader.at]);
    Ok(reader.at)
}
