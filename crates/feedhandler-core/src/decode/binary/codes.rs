//! Which type a message is of, by its code.

use crate::decode::code_text::CodeText;
use crate::field::IntField;
use crate::padded::SLACK_BYTES;
use crate::plan::PlanError;
use crate::spec::{ByteOrder, CodeSpec, CodeValue, IntSpec};

const UNKNOWN: u16 = u16::MAX;

/// The codes of a protocol, of one or two bytes.
///
/// Invariants, once sealed: `indices` has an entry for every value of the field, and each is at most `unknown`; the field
/// ends within [`SLACK_BYTES`].
#[derive(Debug)]
pub(super) struct Codes {
    field: Option<IntField>,
    place: Place,
    /// Index of the code by its value.
    indices: Box<[u16]>,
    /// What the others have instead.
    unknown: u16,
}

/// Where the code stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Nowhere,
    Byte { offset: usize },
    Word { offset: usize, is_big: bool },
}

impl Codes {
    /// No codes yet.
    ///
    /// # Errors
    /// [`PlanError`] where the field is of no width or place that a code may have.
    pub fn new(field: Option<IntSpec>) -> Result<Self, PlanError> {
        let place = match field {
            None => Place::Nowhere,
            Some(IntSpec { offset, width: 1, .. }) if offset < SLACK_BYTES => Place::Byte { offset },
            Some(IntSpec { offset, width: 2, byte_order }) if offset + 1 < SLACK_BYTES => {
                Place::Word { offset, is_big: byte_order == ByteOrder::Big }
            }
            Some(IntSpec { offset, width, .. }) => {
                let what = format!("one or two bytes in the first {SLACK_BYTES}, found {width} at {offset}");
                return Err(PlanError::new("code", what));
            }
        };
        let values = match place {
            Place::Nowhere => 1,
            Place::Byte { .. } => 1 << u8::BITS,
            Place::Word { .. } => 1 << u16::BITS,
        };
        let indices = vec![UNKNOWN; values].into_boxed_slice();
        Ok(Self { field: field.map(IntField::new), place, indices, unknown: UNKNOWN })
    }

    /// Gives the one type there is the index 0.
    pub fn add_only(&mut self) {
        self.indices[0] = 0;
    }

    /// Gives a code its index.
    ///
    /// # Errors
    /// What is wrong with the code.
    pub fn add(&mut self, code: &CodeSpec, index: usize) -> Result<(), String> {
        let known = match code.value {
            CodeValue::Int(value) => usize::try_from(value).ok().and_then(|value| self.indices.get_mut(value)),
            CodeValue::Text(_) => None,
        };
        let known = known.ok_or_else(|| format!("a code that fits its field is needed, found {}", code.text))?;
        if *known != UNKNOWN {
            return Err(format!("code {} is taken by another message", code.text));
        }
        *known = u16::try_from(index).unwrap_or(UNKNOWN);
        Ok(())
    }

    /// Gives all values that are no code the index that is left, `unknown`.
    ///
    /// # Errors
    /// [`PlanError`] where there are more codes than can be numbered.
    pub fn seal(&mut self, unknown: usize) -> Result<(), PlanError> {
        let too_many =
            |_| PlanError::new("messages", format!("fewer than {UNKNOWN} codes are needed, found {unknown}"));
        self.unknown = u16::try_from(unknown).map_err(too_many)?;
        self.indices.iter_mut().for_each(|index| *index = (*index).min(self.unknown));
        Ok(())
    }

    /// Index of the code of the message that begins at `start`, if one does.
    ///
    /// # Safety
    /// [`SLACK_BYTES`] must be readable from `start` on in `slot`.
    #[inline(always)]
    pub unsafe fn at(&self, slot: &[u8], start: usize) -> u16 {
        // SAFETY: the field ends within the slack, and every value has an index (invariants).
        unsafe {
            let value = match self.place {
                Place::Nowhere => 0,
                Place::Byte { offset } => usize::from(*slot.get_unchecked(start + offset)),
                Place::Word { offset, is_big } => {
                    let word = slot.as_ptr().add(start + offset).cast::<[u8; 2]>().read();
                    usize::from(if is_big { u16::from_be_bytes(word) } else { u16::from_le_bytes(word) })
                }
            };
            *self.indices.get_unchecked(value)
        }
    }

    /// Index of the code of a message, where it is known and the message long enough to have one.
    pub fn find(&self, message: &[u8]) -> Option<u16> {
        let value = match &self.field {
            Some(field) => usize::try_from(field.load(message, 0)?).ok()?,
            None => 0,
        };
        self.indices.get(value).copied().filter(|index| *index != self.unknown)
    }

    /// The code of a message as people write it.
    pub fn text(&self, message: &[u8]) -> CodeText {
        match self.field.as_ref().and_then(|field| field.load(message, 0)) {
            Some(value @ 0x21..=0x7e) => CodeText::new(char::from(u8::try_from(value).unwrap_or_default())),
            Some(value) => CodeText::new(value),
            None => CodeText::new("empty"),
        }
    }
}
