//! Buy and sell.

/// A side of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Buyers: the highest price is the best.
    Bid = 0,
    /// Sellers: the lowest price is the best.
    Ask = 1,
}

impl Side {
    /// A price as a number that is greater where the price is better; given such a number, the price.
    #[inline]
    pub(super) fn rank(self, price: i64) -> i64 {
        match self {
            Self::Bid => price,
            Self::Ask => !price,
        }
    }
}
