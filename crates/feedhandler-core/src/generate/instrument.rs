//! An instrument: its name, its book, and the value that its orders gather around.

use super::book::{Book, Side};
use super::message::Best;
use crate::chance::Chance;

/// Ten-thousandths of the currency in a tick: a cent.
pub const TICK: u32 = 100;
/// Decimal places of prices on the wire.
pub const PRICE_SCALE: u32 = 4;
/// Shares in a round lot.
pub const LOT: u32 = 100;
/// Numbers that ITCH's stock locate can say.
pub const MOST_INSTRUMENTS: u32 = 65_535;

/// Names of instruments that no exchange lists; the second time around they have a number behind them.
const NAMES: [&str; 8] = ["ACME", "BOLT", "CRUX", "DUNE", "ECHO", "FLUX", "GRIT", "HALO"];
const LEAST_OPENING_TICKS: u32 = 2_000;
const OPENING_TICKS: u32 = 48_000;

/// See the module's documentation.
#[derive(Debug)]
pub struct Instrument {
    /// Its book.
    pub book: Book,
    /// The last quote that was told.
    pub quoted: Quoted,
    opening_ticks: u32,
    /// What it is worth: bids lie at it or below, offers above.
    pub fair_ticks: u32,
}

/// A quote that was told, and when; bid and offer in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quoted {
    /// Bid and offer.
    pub best: [Option<Best>; 2],
    /// When; 0 for never.
    pub time_ns: u64,
}

impl Instrument {
    /// An instrument without orders, worth 20 to 500 in its currency.
    pub fn new(chance: &mut Chance) -> Self {
        let opening_ticks = LEAST_OPENING_TICKS + chance.below(OPENING_TICKS);
        Self { book: Book::default(), quoted: Quoted::default(), opening_ticks, fair_ticks: opening_ticks }
    }

    /// It is worth a tick more or less, and never less than half nor more than twice what it was in the beginning.
    pub fn walk(&mut self, chance: &mut Chance) {
        let moved = if chance.is_one_in(2) { self.fair_ticks + 1 } else { self.fair_ticks - 1 };
        self.fair_ticks = moved.clamp(self.opening_ticks / 2, self.opening_ticks * 2);
    }

    /// The best bid and offer.
    #[inline]
    #[must_use]
    pub fn best(&self) -> [Option<Best>; 2] {
        [Side::Buy, Side::Sell].map(|side| self.book.best(side).map(|level| (level.price_ticks, level.size)))
    }
}

/// The symbol of the instrument of a number, at most 8 characters.
#[must_use]
pub fn symbol(number: u32) -> String {
    let place = number.saturating_sub(1);
    let name = NAMES[place as usize % NAMES.len()];
    match place as usize / NAMES.len() {
        0 => name.to_owned(),
        turn => format!("{name}{turn}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn symbols_are_unique_and_fit_a_stock_field() {
        let symbols: BTreeSet<_> = (1..=MOST_INSTRUMENTS).map(symbol).collect();
        assert_eq!(symbols.len(), MOST_INSTRUMENTS as usize);
        assert!(symbols.iter().all(|symbol| symbol.len() <= 8));
        assert_eq!([symbol(1), symbol(9)], ["ACME", "ACME1"]);
    }

    #[test]
    fn values_stay_between_half_and_twice_what_they_were() {
        let mut chance = Chance::new(1);
        let mut instrument = Instrument { opening_ticks: 10, fair_ticks: 10, ..Instrument::new(&mut chance) };
        let mut seen = BTreeSet::new();
        for _ in 0..10_000 {
            instrument.walk(&mut chance);
            seen.insert(instrument.fair_ticks);
        }
        assert!(seen.into_iter().eq(5..=20));
    }
}
