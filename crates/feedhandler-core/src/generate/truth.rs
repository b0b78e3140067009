//! The true books of a session as they are now, for whoever compares.

use serde::Serialize;

use super::book::{Level, Side};
use super::generator::Generator;
use super::instrument::{Instrument, PRICE_SCALE, Quoted, TICK, symbol};
use super::message::Best;

/// All books, and what they are of.
#[derive(Debug, Serialize)]
pub struct TrueBooks<'a> {
    /// Name of the protocol.
    pub protocol: &'static str,
    /// What the market was made of.
    pub seed: u64,
    /// Name of the session.
    pub session: &'a str,
    /// The first number that is not in the books.
    pub next_sequence: u64,
    /// Decimal places of prices.
    pub price_scale: u32,
    /// A book of each instrument, in the order of their numbers.
    pub books: Vec<TrueBook>,
}

/// The book of an instrument.
#[derive(Debug, Serialize)]
pub struct TrueBook {
    /// Its number.
    pub instrument: u32,
    /// Its name.
    pub symbol: String,
    /// Levels to buy, the best first.
    pub bids: Vec<TrueLevel>,
    /// Levels to sell, the best first.
    pub asks: Vec<TrueLevel>,
    /// The last quote that was told, in protocols with quotes.
    pub quote: Option<TrueQuote>,
}

/// The orders of a side at a price.
#[derive(Debug, Serialize)]
pub struct TrueLevel {
    /// The price, scaled.
    pub price: u32,
    /// All sizes together.
    pub size: u64,
    /// Number and size of each order, the earliest first.
    pub orders: Vec<(u64, u32)>,
}

/// A quote; a side without orders has neither price nor size.
#[derive(Debug, Serialize)]
pub struct TrueQuote {
    /// Best bid, scaled.
    pub bid_price: Option<u32>,
    /// Best offer, scaled.
    pub ask_price: Option<u32>,
    /// Size of the best bid.
    pub bid_size: u64,
    /// Size of the best offer.
    pub ask_size: u64,
    /// When.
    pub exchange_time_ns: u64,
}

impl Generator {
    /// The books that all messages so far make.
    #[must_use]
    pub fn true_books(&self) -> TrueBooks<'_> {
        let options = self.options();
        TrueBooks {
            protocol: options.protocol.name(),
            seed: options.seed,
            session: &options.session,
            next_sequence: self.next_sequence(),
            price_scale: PRICE_SCALE,
            books: self.instruments().iter().zip(1..).map(true_book).collect(),
        }
    }
}

fn true_book((instrument, number): (&Instrument, u32)) -> TrueBook {
    let levels = |side| instrument.book.levels(side).map(|level| true_level(instrument, level)).collect();
    TrueBook {
        instrument: number,
        symbol: symbol(number),
        bids: levels(Side::Buy),
        asks: levels(Side::Sell),
        quote: (instrument.quoted.time_ns > 0).then(|| true_quote(instrument.quoted)),
    }
}

fn true_level(instrument: &Instrument, level: &Level) -> TrueLevel {
    let orders = instrument.book.orders(level).map(|order| (order.id, order.size)).collect();
    TrueLevel { price: level.price_ticks * TICK, size: level.size, orders }
}

fn true_quote(quoted: Quoted) -> TrueQuote {
    let [bid, ask] = quoted.best;
    let price = |best: Option<Best>| best.map(|(ticks, _)| ticks * TICK);
    let size = |best: Option<Best>| best.map_or(0, |(_, size)| size);
    TrueQuote {
        bid_price: price(bid),
        ask_price: price(ask),
        bid_size: size(bid),
        ask_size: size(ask),
        exchange_time_ns: quoted.time_ns,
    }
}
