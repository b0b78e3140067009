//! Messages that are msgpack objects.
//!
//! [`walk`] goes through a packet. A message that is one array of numbers goes the short way ([`flat`]), any other the
//! long one ([`tree`]); both write the same rows.

mod codes;
mod flat;
mod head;
mod lanes;
mod leaf;
mod path;
mod seen;
mod tree;
mod walk;
mod way;
mod wide;
mod widths;

use crate::decode::code_text::CodeText;
use crate::layout::RowLayout;
use crate::malformed::Reason;
use crate::msgpack::{self, Kind, Reader};
use crate::plan::PlanError;
use crate::spec::{MsgpackMessageSpec, StepSpec};
use codes::Codes;
use flat::Flat;
use head::{Head, Heads};
use leaf::format;
use path::enter;
use tree::Message;
pub(super) use walk::{next_at, packet};
pub(super) use widths::Widths;

/// Everything decode knows of a protocol of msgpack objects.
#[derive(Debug)]
pub struct MsgpackPlan {
    code: Option<Vec<StepSpec>>,
    codes: Codes,
    /// What the short way begins with; none where no message has one.
    heads: Option<Heads>,
    messages: Vec<Message>,
    layouts: Vec<RowLayout>,
}

impl MsgpackPlan {
    /// Compiles messages.
    ///
    /// # Errors
    /// [`PlanError`] where paths contradict each other or a column cannot have its width.
    pub fn new(code: Option<&[StepSpec]>, specs: &[MsgpackMessageSpec]) -> Result<Self, PlanError> {
        let mut plan = Self {
            code: code.map(<[_]>::to_vec),
            codes: Codes::default(),
            heads: None,
            messages: Vec::new(),
            layouts: Vec::new(),
        };
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
        if plan.messages.iter().any(|message| message.flat.is_some()) {
            plan.heads = Heads::new(code, &plan.codes);
        }
        if code.is_none() && specs.len() > 1 {
            return Err(PlanError::new("messages", "several messages need a code that tells them apart"));
        }
        Ok(plan)
    }

    /// The short way for the message at `at` of `slot`, where it has one.
    #[inline]
    fn flat_at(&self, slot: &[u8], at: usize) -> Option<(&Flat, Head)> {
        let head = self.heads.as_ref()?.at(slot, at)?;
        let flat = self.messages[usize::from(head.table)].flat.as_ref()?;
        (flat.head == head.first()).then_some((flat, head))
    }

    /// Row layouts, one a message.
    #[must_use]
    pub fn layouts(&self) -> &[RowLayout] {
        &self.layouts
    }

    /// Index of the code of the object at `reader`; none where its type is not known.
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
            Kind::Unsigned => Ok(i64::try_from(head.number).ok().and_then(|number| self.codes.of_number(number))),
            Kind::Signed => Ok(self.codes.of_number(head.number.cast_signed())),
            Kind::Str => Ok(self.codes.of_text(reader.bytes(head.number)?)),
            _ => Err(Reason::WrongKind),
        }
    }

    /// A code as people write it, for the report of unknown ones.
    fn code_text(&self, mut reader: Reader<'_>) -> CodeText {
        for step in self.code.iter().flatten() {
            if !enter(&mut reader, step).unwrap_or(false) {
                return CodeText::new("none");
            }
        }
        match reader.head() {
            Ok(msgpack::Head { kind: Kind::Unsigned, number, .. }) => CodeText::new(number),
            Ok(msgpack::Head { kind: Kind::Signed, number, .. }) => CodeText::new(number.cast_signed()),
            Ok(msgpack::Head { kind: Kind::Str, number, .. }) => {
                CodeText::of_utf8(reader.bytes(number.min(MOST_CODE_TEXT)).unwrap_or_default())
            }
            _ => CodeText::new("none"),
        }
    }
}

/// Bytes of an unknown textual code that a report shows.
const MOST_CODE_TEXT: u64 = 32;

#[cfg(test)]
mod tests;
