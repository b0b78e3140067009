//! The market: what happens next, one message at a time, and the books that all of them so far make.
//!
//! After every message the books are exactly those of whoever has read all messages up to it. What takes several
//! messages (an order that takes from several others, say) is told over as many calls.

use super::book::{Order, Place, Side};
use super::instrument::{Instrument, LOT};
use super::message::{About, Message};
use crate::chance::Chance;

/// Orders that gather in a book: where there are fewer more come, and where there are more more go; never twice as
/// many.
const USUAL_ORDERS: u32 = 120;
/// Shares of actions, in thousandths; what is left over are orders that come and go.
const REPLACES: u32 = 225;
const REDUCES: u32 = 10;
const TAKES: u32 = 16;
const HIDDEN_TRADES: u32 = 4;
const ACTIONS: u32 = 1_000;
/// One action in so many changes what the instrument is worth.
const ACTIONS_A_TICK: u32 = 60;
/// One order in so many is added far from the best.
const FAR_ORDERS: u32 = 16;
const FAR_TICKS: u32 = 100;

/// What the messages of a protocol can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Orders are modified under their number: by a trade that was told before, and by who replaces them.
    pub modifies: bool,
    /// The best bid and offer are told whenever they change.
    pub quotes: bool,
    /// Sizes may be other than multiples of a lot.
    pub odd_lots: bool,
}

/// An order that takes from those that rest, while it does.
#[derive(Clone, Copy, Debug)]
struct Taking {
    side: Side,
    price_ticks: u32,
    size: u32,
    rests: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Market {
    rules: Rules,
    chance: Chance,
    instruments: Vec<Instrument>,
    /// The present one, from 0.
    at: usize,
    taking: Option<Taking>,
    /// A trade that was told, and not yet what it does to the first order of the other side.
    traded: Option<(Side, u32)>,
    /// Octaves of the instruments' numbers.
    octaves: u32,
    last_order_id: u64,
    last_trade_id: u64,
}

impl Market {
    /// A market of so many instruments, at least one, the first of them the busiest.
    #[must_use]
    pub fn new(rules: Rules, seed: u64, instruments: u32) -> Self {
        let mut chance = Chance::new(seed);
        let all = (0..instruments).map(|_| Instrument::new(&mut chance)).collect();
        let octaves = u32::BITS - instruments.leading_zeros();
        let (taking, traded) = (None, None);
        Self { rules, chance, instruments: all, at: 0, taking, traded, octaves, last_order_id: 0, last_trade_id: 0 }
    }

    /// The instruments; their numbers count from 1.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Whether the next message is about something new.
    #[inline]
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.traded.is_none() && self.taking.is_none() && !self.is_quote_due()
    }

    /// The next message; `time_ns` is when it happens.
    #[inline]
    pub fn next(&mut self, time_ns: u64) -> About {
        let message = self.continued(time_ns).unwrap_or_else(|| self.begin());
        About { instrument: u32::try_from(self.at + 1).unwrap_or(u32::MAX), message }
    }

    /// What is left to tell of what has begun.
    #[inline]
    fn continued(&mut self, time_ns: u64) -> Option<Message> {
        if let Some((side, size)) = self.traded.take() {
            return Some(self.fill(side, size));
        }
        if let Some(message) = self.taking.take().and_then(|taking| self.take(taking)) {
            return Some(message);
        }
        self.is_quote_due().then(|| self.quote(time_ns))
    }

    #[inline]
    fn is_quote_due(&self) -> bool {
        let instrument = &self.instruments[self.at];
        self.rules.quotes && instrument.quoted.best != instrument.best()
    }

    fn quote(&mut self, time_ns: u64) -> Message {
        let instrument = &mut self.instruments[self.at];
        instrument.quoted.best = instrument.best();
        instrument.quoted.time_ns = time_ns;
        let [bid, ask] = instrument.quoted.best;
        Message::Quote { bid, ask }
    }

    /// Something new happens, to the same instrument more often than not.
    fn begin(&mut self) -> Message {
        if !self.chance.is_one_in(2) {
            self.at = self.any_instrument();
        }
        if self.chance.is_one_in(ACTIONS_A_TICK) {
            self.instruments[self.at].walk(&mut self.chance);
        }
        let action = self.chance.below(ACTIONS);
        let Some(place) = self.instruments[self.at].book.pick(&mut self.chance) else { return self.add() };
        match action {
            action if action < REPLACES => self.replace(place),
            action if action < REPLACES + REDUCES => self.reduce(place),
            action if action < REPLACES + REDUCES + TAKES => self.arrive(),
            action if action < REPLACES + REDUCES + TAKES + HIDDEN_TRADES => self.trade_hidden(),
            _ if self.has_room() => self.add(),
            _ => Message::Delete(self.instruments[self.at].book.remove(place)),
        }
    }

    /// An instrument by its number: one of those from 2^n to 2^(n + 1) is as likely for every n.
    fn any_instrument(&mut self) -> usize {
        loop {
            let first = 1 << self.chance.below(self.octaves);
            let place = (first + self.chance.below(first)) as usize - 1;
            if place < self.instruments.len() {
                return place;
            }
        }
    }

    /// Whether an order comes rather than goes: the fewer there are, the more likely.
    fn has_room(&mut self) -> bool {
        let orders = u32::try_from(self.instruments[self.at].book.len()).unwrap_or(u32::MAX);
        self.chance.below(2 * USUAL_ORDERS) >= orders
    }

    fn add(&mut self) -> Message {
        let side = if self.chance.is_one_in(2) { Side::Buy } else { Side::Sell };
        let price_ticks = self.price(side);
        let size = self.size();
        let is_attributed = self.chance.is_one_in(40);
        self.rest(Order { id: 0, side, price_ticks, size }, is_attributed)
    }

    fn rest(&mut self, mut order: Order, is_attributed: bool) -> Message {
        self.last_order_id += 1;
        order.id = self.last_order_id;
        self.instruments[self.at].book.add(order);
        Message::Add { order, is_attributed }
    }

    fn replace(&mut self, place: Place) -> Message {
        let old = self.instruments[self.at].book.remove(place);
        let price_ticks = self.price(old.side);
        let size = self.size();
        // Less at the same price would keep its place in msgpack, and is a reduction in ITCH.
        let size = if price_ticks == old.price_ticks && size <= old.size { old.size + LOT } else { size };
        self.last_order_id += u64::from(!self.rules.modifies);
        let id = if self.rules.modifies { old.id } else { self.last_order_id };
        let order = Order { id, side: old.side, price_ticks, size };
        self.instruments[self.at].book.add(order);
        Message::Replace { old_id: old.id, order }
    }

    fn reduce(&mut self, place: Place) -> Message {
        let order = self.instruments[self.at].book.order(place);
        let by = self.size();
        self.shrink(place, if by < order.size { by } else { order.size })
    }

    /// An order is less by `by`, and gone where nothing is left.
    fn shrink(&mut self, place: Place, by: u32) -> Message {
        let book = &mut self.instruments[self.at].book;
        if by == book.order(place).size {
            return Message::Delete(book.remove(place));
        }
        book.reduce(place, by);
        Message::Reduce { order: book.order(place), by }
    }

    /// An order arrives that takes what it can, one level deep; some of them rest with what they did not get.
    fn arrive(&mut self) -> Message {
        let side = self.taker();
        let Some(level) = self.instruments[self.at].book.best(side.opposite()) else { return self.add() };
        let price_ticks = level.price_ticks;
        let size = self.size() + self.size();
        let rests = self.chance.is_one_in(2);
        self.take(Taking { side, price_ticks, size, rests }).unwrap_or_else(|| self.add())
    }

    /// Who takes: whoever the present price favours, or anybody.
    fn taker(&mut self) -> Side {
        let Instrument { fair_ticks, book, .. } = &self.instruments[self.at];
        let best = |side| book.best(side).map(|level| level.price_ticks);
        match (best(Side::Buy), best(Side::Sell)) {
            (_, Some(ask)) if ask <= *fair_ticks => Side::Buy,
            (Some(bid), _) if bid > *fair_ticks => Side::Sell,
            _ if self.chance.is_one_in(2) => Side::Buy,
            _ => Side::Sell,
        }
    }

    /// An order takes from the next of the other side; with nothing more to take it rests, or is gone and nothing is
    /// told.
    fn take(&mut self, taking: Taking) -> Option<Message> {
        if taking.size == 0 {
            return None;
        }
        let book = &self.instruments[self.at].book;
        let other = taking.side.opposite();
        let front = book.front(other).map(|place| book.order(place));
        let Some(order) = front.filter(|front| front.price_ticks == taking.price_ticks) else {
            let Taking { side, price_ticks, size, rests } = taking;
            let rests = rests && book.len() < 2 * USUAL_ORDERS as usize;
            return rests.then(|| self.rest(Order { id: 0, side, price_ticks, size }, false));
        };
        let size = taking.size.min(order.size);
        self.taking = Some(Taking { size: taking.size - size, ..taking }).filter(|taking| taking.size > 0);
        self.last_trade_id += 1;
        let (price_ticks, trade_id) = (order.price_ticks, self.last_trade_id);
        if self.rules.modifies {
            self.traded = Some((other, size));
            return Some(Message::Trade { price_ticks, size, aggressor: Some(taking.side), trade_id });
        }
        self.fill(other, size);
        // Now and then at a price that was not displayed, and not always to be counted.
        let at_ticks = self.chance.is_one_in(50).then(|| (price_ticks + 1, self.chance.is_one_in(2)));
        Some(Message::Execute { order, size, at_ticks, trade_id })
    }

    /// The first order of a side gets `size`.
    fn fill(&mut self, side: Side, size: u32) -> Message {
        let place = self.instruments[self.at].book.front(side).expect("a trade is of an order that rests");
        self.shrink(place, size)
    }

    /// A trade with an order that nobody saw, between the best prices.
    fn trade_hidden(&mut self) -> Message {
        let price_ticks = self.instruments[self.at].fair_ticks;
        let size = self.size();
        self.last_trade_id += 1;
        Message::Trade { price_ticks, size, aggressor: None, trade_id: self.last_trade_id }
    }

    /// Where an order of a side rests: around what the instrument is worth, and never where it would trade.
    fn price(&mut self, side: Side) -> u32 {
        let away = self.chance.heads() + self.chance.heads() + self.chance.heads();
        let away = if self.chance.is_one_in(FAR_ORDERS) { self.chance.below(FAR_TICKS) } else { away };
        let Instrument { fair_ticks, book, .. } = &self.instruments[self.at];
        let limit = book.best(side.opposite()).map(|level| level.price_ticks);
        match side {
            Side::Buy => fair_ticks.saturating_sub(away).min(limit.map_or(u32::MAX, |ask| ask - 1)).max(1),
            Side::Sell => (fair_ticks + 1 + away).max(limit.map_or(0, |bid| bid + 1)),
        }
    }

    /// Mostly a lot or a few; with odd lots allowed, a quarter of sizes are none.
    fn size(&mut self) -> u32 {
        let heads = self.chance.heads();
        if self.rules.odd_lots && self.chance.is_one_in(4) {
            return 1 + self.chance.below(LOT - 1);
        }
        let lots = if heads >= 6 { 10 * (1 + self.chance.below(20)) } else { 1 + heads };
        LOT * lots
    }
}

#[cfg(test)]
mod tests;
