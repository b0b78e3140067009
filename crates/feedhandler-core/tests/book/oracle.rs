//! Books kept the slow and obvious way: a list of orders, searched from one end to the other.

use std::collections::BTreeMap;

use feedhandler_core::book::BookState;

use crate::rig::Level;
use crate::venue::{Declared, Message, NO_PRICE, Side};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    instrument: u16,
    id: u64,
    side: Side,
    price: i32,
    size: u32,
}

/// What was heard of an instrument's orders or levels in the present session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Known {
    #[default]
    Nothing,
    NotFromTheBeginning,
    /// Everything, from the beginning of the session or since the book was cleared.
    All,
    NotWhatWasLost,
}

/// What was heard of an instrument in the present session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Heard {
    known: Known,
    /// Best bid and offer before the change that is going on.
    before: Option<[Option<Level>; 2]>,
    quote: Option<((i32, u32), (i32, u32))>,
    /// The quote is the last that was sent.
    quote_is_last: bool,
}

/// A channel's books, as told by a sequence of messages.
#[derive(Clone, Debug)]
pub struct Oracle {
    declared: Declared,
    orders: Vec<Order>,
    levels: BTreeMap<(u16, Side, i32), u32>,
    heard: BTreeMap<u16, Heard>,
    /// Everything of the session was heard so far.
    is_whole: bool,
    /// Something of the session was lost; otherwise its beginning was missed, or nothing.
    is_broken: bool,
}

impl Oracle {
    pub fn new(declared: Declared) -> Self {
        Self {
            declared,
            orders: Vec::new(),
            levels: BTreeMap::new(),
            heard: BTreeMap::new(),
            is_whole: false,
            is_broken: false,
        }
    }

    /// A session starts, of which everything was heard or only the later part.
    pub fn start_session(&mut self, from_first: bool) {
        self.orders.clear();
        self.levels.clear();
        self.heard.values_mut().for_each(|heard| *heard = Heard::default());
        (self.is_whole, self.is_broken) = (from_first, false);
    }

    /// Something was lost.
    pub fn lose(&mut self) {
        self.is_broken |= self.is_whole;
        self.is_whole = false;
        for heard in self.heard.values_mut() {
            heard.quote_is_last = false;
            if heard.known == Known::All {
                heard.known = Known::NotWhatWasLost;
            }
        }
    }

    /// A message comes.
    pub fn take(&mut self, message: &Message) {
        let instrument = message.instrument();
        match message {
            Message::Trade { .. } => return,
            Message::ClearAll => return self.clear_all(),
            Message::Directory { .. } if !self.declared.has_directory => return,
            _ => {}
        }
        let names_it = self.declared.orders_name_instruments
            || !matches!(
                message,
                Message::Reduce { .. } | Message::Modify { .. } | Message::Replace { .. } | Message::Delete { .. }
            );
        if names_it && !matches!(message, Message::Quote { .. }) {
            let is_introduced = !self.declared.has_directory || matches!(message, Message::Directory { .. });
            let heard = self.heard.entry(instrument).or_default();
            if heard.known == Known::Nothing {
                heard.known = match () {
                    () if self.is_broken => Known::NotWhatWasLost,
                    () if self.is_whole && is_introduced => Known::All,
                    () => Known::NotFromTheBeginning,
                };
            }
        }
        match *message {
            Message::Directory { .. } | Message::Trade { .. } | Message::ClearAll => {}
            Message::Add { id, side, price, size, .. } => self.add(Order { instrument, id, side, price, size }),
            Message::Reduce { id, size, .. } => {
                self.change(instrument, id, |order| order.size = order.size.saturating_sub(size));
            }
            Message::Modify { id, price, size, .. } => {
                self.change(instrument, id, |order| (order.price, order.size) = (price, size));
            }
            Message::Replace { id, new_id, price, size, .. } => {
                if let Some(old) = self.take_out(instrument, id) {
                    self.add(Order { id: new_id, price, size, ..old });
                }
            }
            Message::Delete { id, .. } => _ = self.take_out(instrument, id),
            Message::Level { side, price, size, complete, .. } => {
                let before = self.best(instrument);
                let heard = self.heard.entry(instrument).or_default();
                heard.before = if complete { None } else { Some(before) };
                self.levels.insert((instrument, side, price), size);
            }
            Message::Quote { bid, ask, .. } => {
                let heard = self.heard.entry(instrument).or_default();
                (heard.quote, heard.quote_is_last) = (Some((bid, ask)), true);
            }
            Message::Clear { .. } => self.clear(instrument),
        }
        self.levels.retain(|_, size| *size > 0);
        self.orders.retain(|order| order.size > 0);
    }

    fn clear_all(&mut self) {
        self.instruments().into_iter().for_each(|instrument| self.clear(instrument));
        (self.orders, self.levels) = (Vec::new(), BTreeMap::new());
        (self.is_whole, self.is_broken) = (true, false);
    }

    fn clear(&mut self, instrument: u16) {
        self.orders.retain(|order| order.instrument != instrument);
        self.levels.retain(|(of, _, _), _| *of != instrument);
        let heard = self.heard.entry(instrument).or_default();
        let nothing = ((NO_PRICE, 0), (NO_PRICE, 0));
        let (quote, quote_is_last) = (heard.quote.map(|_| nothing), heard.quote.is_some());
        *heard = Heard { known: Known::All, quote, quote_is_last, ..Heard::default() };
    }

    fn find(&self, instrument: u16, id: u64) -> Option<usize> {
        let is_it = |order: &Order| {
            order.id == id && (!self.declared.orders_name_instruments || order.instrument == instrument)
        };
        self.orders.iter().position(is_it)
    }

    fn add(&mut self, order: Order) {
        self.take_out(order.instrument, order.id);
        self.orders.push(order);
    }

    fn take_out(&mut self, instrument: u16, id: u64) -> Option<Order> {
        self.find(instrument, id).map(|at| self.orders.remove(at))
    }

    fn change(&mut self, instrument: u16, id: u64, change: impl Fn(&mut Order)) {
        if let Some(at) = self.find(instrument, id) {
            change(&mut self.orders[at]);
        }
    }

    pub fn instruments(&self) -> Vec<u16> {
        self.heard.keys().copied().collect()
    }

    /// The orders that rest: instrument and identity.
    pub fn resting(&self) -> Vec<(u16, u64, u32)> {
        self.orders.iter().map(|order| (order.instrument, order.id, order.size)).collect()
    }

    /// The levels of a side, best first.
    pub fn side(&self, instrument: u16, side: Side) -> Vec<Level> {
        let mut levels: BTreeMap<i64, (u64, u32)> = BTreeMap::new();
        for order in self.orders.iter().filter(|order| (order.instrument, order.side) == (instrument, side)) {
            let level = levels.entry(order.price.into()).or_default();
            *level = (level.0 + u64::from(order.size), level.1 + 1);
        }
        for ((of, on, price), size) in &self.levels {
            if (*of, *on) == (instrument, side) {
                levels.insert((*price).into(), ((*size).into(), 0));
            }
        }
        let mut levels: Vec<_> = levels.into_iter().map(|(price, (size, orders))| (price, size, orders)).collect();
        if side == Side::Buy {
            levels.reverse();
        }
        levels
    }

    /// State of the orders or levels.
    pub fn state(&self, instrument: u16) -> BookState {
        match self.heard[&instrument] {
            Heard { known: Known::All, before: Some(_), .. } => BookState::Changing,
            Heard { known: Known::All, .. } => crossed_or_good(&self.best(instrument)),
            Heard { known: Known::NotWhatWasLost, .. } => BookState::Stale,
            _ => BookState::Building,
        }
    }

    /// Best bid and offer of the orders or levels, from before the change that is going on.
    pub fn best(&self, instrument: u16) -> [Option<Level>; 2] {
        let before = self.heard.get(&instrument).and_then(|heard| heard.before);
        before.unwrap_or_else(|| [Side::Buy, Side::Sell].map(|side| self.side(instrument, side).first().copied()))
    }

    /// Best bid and offer as the venue quotes them, and the quote's state; none where there is no quote.
    pub fn quote(&self, instrument: u16) -> Option<([Option<Level>; 2], BookState)> {
        let heard = self.heard[&instrument];
        let (bid, ask) = heard.quote?;
        let sides = [bid, ask]
            .map(|(price, size)| (price != NO_PRICE && size > 0).then_some((i64::from(price), u64::from(size), 0)));
        let state = if heard.quote_is_last { crossed_or_good(&sides) } else { BookState::Stale };
        Some((sides, state))
    }
}

fn crossed_or_good(best: &[Option<Level>; 2]) -> BookState {
    match best {
        [Some(bid), Some(ask)] if bid.0 > ask.0 => BookState::Crossed,
        _ => BookState::Good,
    }
}
