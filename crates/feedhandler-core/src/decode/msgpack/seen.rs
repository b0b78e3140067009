//! Which of a map's declared keys have come: a key that comes twice makes its message malformed.

use crate::malformed::Reason;

/// Declared keys of most maps at most: for these the set is two words.
pub(super) const FEW_KEYS: usize = 128;
/// Declared keys of one map; more are refused when the plan is made.
pub(super) const MOST_KEYS: usize = 4096;

const WORD_BITS: usize = u64::BITS as usize;

/// A set of places among a map's declared keys. It lives on the stack: no message allocates.
pub(super) struct Seen<const WORDS: usize>([u64; WORDS]);

impl Seen<{ FEW_KEYS / WORD_BITS }> {
    #[inline(always)]
    pub fn few() -> Self {
        Self([0; FEW_KEYS / WORD_BITS])
    }
}

impl Seen<{ MOST_KEYS / WORD_BITS }> {
    pub fn most() -> Self {
        Self([0; MOST_KEYS / WORD_BITS])
    }
}

impl<const WORDS: usize> Seen<WORDS> {
    /// Notes the key at a place; refuses one that comes a second time, as nobody can say which of its values is meant.
    #[inline(always)]
    pub fn note(&mut self, at: usize) -> Result<(), Reason> {
        let (word, bit) = (&mut self.0[at / WORD_BITS], 1 << (at % WORD_BITS));
        if *word & bit != 0 {
            return Err(Reason::RepeatedKey);
        }
        *word |= bit;
        Ok(())
    }
}
