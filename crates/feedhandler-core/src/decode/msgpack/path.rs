//! The way to one value inside an object, step by step.

use crate::malformed::Reason;
use crate::msgpack::{Kind, Reader};
use crate::spec::StepSpec;

/// Moves to the element of the container at `reader` that `step` names; false where there is none.
#[inline]
pub(super) fn enter(reader: &mut Reader<'_>, step: &StepSpec) -> Result<bool, Reason> {
    let head = reader.head()?;
    match (step, head.kind) {
        (StepSpec::Index(index), Kind::Array) => {
            if *index as u64 >= head.number {
                return Ok(false);
            }
            (0..*index).try_for_each(|_| reader.skip())?;
            Ok(true)
        }
        (StepSpec::Key(_) | StepSpec::IntKey { .. }, Kind::Map) => {
            for _ in 0..head.number {
                if read_key(reader)?.is(step) {
                    return Ok(true);
                }
                reader.skip()?;
            }
            Ok(false)
        }
        _ => Err(Reason::WrongKind),
    }
}

/// A map's key.
pub(super) enum Key<'a> {
    Text(&'a [u8]),
    Number(i64),
    Other,
}

impl Key<'_> {
    pub fn is(&self, step: &StepSpec) -> bool {
        match (self, step) {
            (Key::Text(text), StepSpec::Key(key)) => *text == key.as_bytes(),
            (Key::Number(number), StepSpec::IntKey { key }) => number == key,
            _ => false,
        }
    }
}

#[inline]
pub(super) fn read_key<'a>(reader: &mut Reader<'a>) -> Result<Key<'a>, Reason> {
    let before = *reader;
    let head = reader.head()?;
    match head.kind {
        Kind::Str => Ok(Key::Text(reader.bytes(head.number)?)),
        Kind::Signed => Ok(Key::Number(head.number.cast_signed())),
        Kind::Unsigned => Ok(i64::try_from(head.number).map_or(Key::Other, Key::Number)),
        _ => {
            *reader = before;
            reader.skip()?;
            Ok(Key::Other)
        }
    }
}
