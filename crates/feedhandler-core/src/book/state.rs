//! How far a book can be trusted, and why not further.

use serde::Serialize;

/// State of a book as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum BookState {
    /// The book may lack what was there before: its session was not heard from the first number, or its instrument
    /// never introduced, or nothing has come yet.
    Building = 0,
    /// The book is what the messages so far say, and none is missing.
    Good = 1,
    /// More messages of the same change are to come. Best bid and offer are those from before it.
    Changing = 2,
    /// Nothing is missing, but the best bid is above the best offer, as in a halt.
    Crossed = 3,
    /// Messages were lost. Orders and levels stay so until the session starts again or the book is cleared, a quote
    /// until the next.
    Stale = 4,
    /// A message contradicted the book. It stays so for as long as a stale one does.
    Inconsistent = 5,
    /// There was no room for a part of the book. It stays so for as long as a stale one does.
    Overflow = 6,
}

/// All states, with their names.
pub const BOOK_STATES: [(BookState, &str); 7] = [
    (BookState::Building, "building"),
    (BookState::Good, "good"),
    (BookState::Changing, "changing"),
    (BookState::Crossed, "crossed"),
    (BookState::Stale, "stale"),
    (BookState::Inconsistent, "inconsistent"),
    (BookState::Overflow, "overflow"),
];

/// What has been heard of a channel's session: how complete a book can be at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coverage {
    /// Not from its first number.
    #[default]
    Partial,
    /// Everything.
    Whole,
    /// Not what is at this number.
    Broken { since_seq: u64 },
}

/// Whether what a book is made of is all there.
///
/// Only a whole book loses its trust, and for one reason: the first. It comes back when the book begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Completeness {
    /// Nothing of this session has come that the book would begin with.
    #[default]
    Awaited,
    Building,
    Whole,
    Stale,
    Inconsistent,
    Overflow,
}

/// A book's completeness, and since when it is so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trust {
    pub(super) completeness: Completeness,
    /// Sequence number of the message or loss that brought it; 0 where a batch was left out.
    pub(super) since_seq: u64,
}

impl Trust {
    pub(super) fn new(completeness: Completeness, since_seq: u64) -> Self {
        Self { completeness, since_seq }
    }

    /// The trust in a book whose first message in the session comes at `seq`; `is_introduced` where that message is the
    /// one that a book has to begin with.
    pub(super) fn at_first(coverage: Coverage, is_introduced: bool, seq: u64) -> Self {
        match coverage {
            Coverage::Whole if is_introduced => Self::new(Completeness::Whole, seq),
            Coverage::Whole | Coverage::Partial => Self::new(Completeness::Building, seq),
            Coverage::Broken { since_seq } => Self::new(Completeness::Stale, since_seq),
        }
    }

    pub(super) fn is_whole(self) -> bool {
        self.completeness == Completeness::Whole
    }

    /// Takes the trust away; false where there was none.
    pub(super) fn lose(&mut self, reason: Completeness, seq: u64) -> bool {
        let was_whole = self.is_whole();
        if was_whole {
            *self = Self::new(reason, seq);
        }
        was_whole
    }

    /// The state of a book with this trust.
    pub(super) fn state(self, is_changing: bool, is_crossed: bool) -> BookState {
        match self.completeness {
            Completeness::Awaited | Completeness::Building => BookState::Building,
            Completeness::Whole if is_changing => BookState::Changing,
            Completeness::Whole if is_crossed => BookState::Crossed,
            Completeness::Whole => BookState::Good,
            Completeness::Stale => BookState::Stale,
            Completeness::Inconsistent => BookState::Inconsistent,
            Completeness::Overflow => BookState::Overflow,
        }
    }
}
