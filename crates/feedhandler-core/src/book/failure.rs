//! Why an event could not be done to a book.

/// What an event says that does not fit the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is about an order that is not in the book.
    UnknownOrder,
    /// It adds an order that is in the book already. The newer one stays.
    DuplicateOrder,
    /// It takes more from an order than the order has. The order goes.
    SizeExceeded,
    /// Its side is neither buy nor sell.
    UnknownSide,
    /// A price is missing or [`NO_PRICE`](super::NO_PRICE), a size is negative, 0 where an order begins, or too large to
    /// add up.
    UnusableNumber,
}

/// What there was no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Orders of a channel.
    Orders,
    /// Instruments.
    Instruments,
    /// Price levels of a side.
    Levels,
}

/// Why an event could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Misfit(Misfit),
    Full(Limit),
}

impl Misfit {
    /// The misfit of an event about this instrument's orders or levels.
    pub(super) fn of(self, instrument: u32) -> Fault {
        Failure::Misfit(self).of(instrument)
    }
}

impl From<Misfit> for Failure {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

impl Failure {
    /// The failure of an event about this instrument's orders or levels.
    pub(super) fn of(self, instrument: u32) -> Fault {
        Fault { whose: Whose::Ladder(instrument), failure: self }
    }
}

/// What a failure casts doubt on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The orders or levels of an instrument.
    Ladder(u32),
    /// An instrument's quote.
    Quote(u32),
    /// Some book of the channel, and the message does not say which.
    Channel,
    /// An instrument that there was no room for.
    Nobody,
}

/// A failure, and what it casts doubt on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) whose: Whose,
    pub(super) failure: Failure,
}
