//! The type of a message, told by its first two bytes: what the short way begins with.

use super::codes::Codes;
use crate::spec::StepSpec;

/// What the first two bytes of a message stand for.
#[derive(Debug)]
pub(super) struct Heads {
    /// Code by the second byte.
    codes: Box<[u16; 256]>,
    /// Table of each code.
    tables: Vec<u16>,
    /// The bits of the two bytes that tell the type.
    mask: u16,
}

/// The first two bytes of the messages of one type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub code: u16,
    pub table: u16,
    word: u16,
    mask: u16,
}

impl Heads {
    /// Where the code is the first element of the message, or there is only one message.
    pub fn new(path: Option<&[StepSpec]>, codes: &Codes) -> Option<Self> {
        let tables = codes.table.clone();
        match path {
            None => Some(Self { codes: Box::new([0; 256]), tables, mask: 0x00ff }),
            Some([StepSpec::Index(0)]) => {
                let codes = std::array::from_fn(|second| codes.of_fixint(second));
                Some(Self { codes: Box::new(codes), tables, mask: 0xffff })
            }
            Some(_) => None,
        }
    }

    /// The head of the message at `at` of `slot`; none where its code is not known, or not in the shortest form.
    #[inline(always)]
    pub fn at(&self, slot: &[u8], at: usize) -> Option<Head> {
        let word = word(slot, at)? & self.mask;
        let code = self.codes[usize::from(word >> 8)];
        let table = *self.tables.get(usize::from(code))?;
        Some(Head { code, table, word, mask: self.mask })
    }
}

impl Head {
    /// The first byte.
    #[inline(always)]
    pub fn first(self) -> u8 {
        self.word.to_le_bytes()[0]
    }

    /// Whether the message at `at` of `slot` begins like this.
    #[inline(always)]
    pub fn is_at(self, slot: &[u8], at: usize) -> bool {
        word(slot, at).is_some_and(|word| word & self.mask == self.word)
    }
}

#[inline(always)]
fn word(slot: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(slot.get(at..at + 2)?.try_into().ok()?))
}
