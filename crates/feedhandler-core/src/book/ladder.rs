//! An instrument's two sides of price levels, made of orders or told level by level; and its quote, told whole.

use super::failure::Failure;
use super::levels::{Level, Levels};
use super::side::Side;
use super::state::{BookState, Completeness, Trust};

/// Best bid and offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bbo {
    /// Best bid.
    pub bid: Option<Level>,
    /// Best offer.
    pub ask: Option<Level>,
}

impl Bbo {
    fn is_crossed(&self) -> bool {
        matches!((self.bid, self.ask), (Some(bid), Some(ask)) if bid.price > ask.price)
    }
}

/// Two sides of price levels.
#[derive(Debug)]
pub(super) struct Ladder {
    pub(super) trust: Trust,
    sides: [Levels; 2],
    /// Best bid and offer from before the change that is going on.
    before: Option<Bbo>,
}

impl Ladder {
    pub(super) fn new() -> Self {
        Self { trust: Trust::default(), sides: [Levels::new(Side::Bid), Levels::new(Side::Ask)], before: None }
    }

    #[inline]
    pub(super) fn side(&mut self, side: Side) -> &mut Levels {
        &mut self.sides[side as usize]
    }

    pub(super) fn bids(&self) -> &Levels {
        &self.sides[Side::Bid as usize]
    }

    pub(super) fn asks(&self) -> &Levels {
        &self.sides[Side::Ask as usize]
    }

    /// Orders on both sides.
    pub(super) fn orders(&self) -> usize {
        self.sides.iter().map(Levels::orders).sum()
    }

    /// A price gets a size, as one of the messages of a change or as the last.
    pub(super) fn set(
        &mut self,
        side: Side,
        (price, size): (i64, u64),
        is_last: bool,
        most: usize,
    ) -> Result<(), Failure> {
        if !is_last {
            self.before = Some(self.bbo());
        }
        let done = self.side(side).set(price, size, most);
        if is_last {
            self.before = None;
        }
        done
    }

    /// Best bid and offer; while a change is going on, those from before it.
    pub(super) fn bbo(&self) -> Bbo {
        self.before.unwrap_or_else(|| Bbo { bid: self.bids().best(), ask: self.asks().best() })
    }

    pub(super) fn state(&self) -> BookState {
        self.trust.state(self.before.is_some(), self.bbo().is_crossed())
    }

    /// Empties it.
    pub(super) fn begin_anew(&mut self, trust: Trust) {
        self.sides.iter_mut().for_each(Levels::clear);
        self.before = None;
        self.trust = trust;
    }
}

/// A quote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quote {
    pub(super) trust: Trust,
    pub(super) bbo: Bbo,
}

impl Quote {
    pub(super) fn new(bbo: Bbo, seq: u64) -> Self {
        Self { trust: Trust::new(Completeness::Whole, seq), bbo }
    }

    pub(super) fn state(&self) -> BookState {
        self.trust.state(false, self.bbo.is_crossed())
    }
}
