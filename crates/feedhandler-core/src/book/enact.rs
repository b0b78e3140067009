//! What each action does to the books.
//!
//! An event is done as far as it makes sense even where it does not fit: what remains is the best guess, and the state
//! says that it is one.

use hashbrown::hash_table::OccupiedEntry;

use super::Books;
use super::column::{NameColumn, NumberColumn};
use super::failure::{Failure, Fault, Misfit, Whose};
use super::ladder::{Bbo, Quote};
use super::levels::Level;
use super::orders::{Order, Orders};
use super::plan::{BookPlan, EventPlan, LevelColumns, OrderColumns, QuoteColumns};
use super::side::Side;
use super::state::{Completeness, Coverage, Trust};

/// A message that has a part in a book.
pub(super) struct Message<'a> {
    plan: &'a BookPlan,
    row: &'a [u8],
    pub(super) seq: u64,
    pub(super) ts_recv_ns: u64,
    pub(super) channel: u16,
}

impl<'a> Message<'a> {
    #[inline]
    pub(super) fn new(plan: &'a BookPlan, row: &'a [u8]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&row[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let channel = u16::from_le_bytes([row[16], row[17]]);
        Self { plan, row, seq: word(0), ts_recv_ns: word(8), channel }
    }
}

/// The instrument that an event was done to.
type Done = Result<u32, Fault>;

/// What was done, and to which instrument, where it was to one.
pub(super) type Enacted = Result<Option<u32>, Fault>;

impl Books {
    #[inline]
    pub(super) fn enact(&mut self, event: &EventPlan, message: &Message<'_>) -> Enacted {
        let row = message.row;
        let done = match event {
            EventPlan::Add { instrument, id, side, price, size } => {
                let index = self.ladder(message, instrument, false)?;
                let side = side.read(row).map_err(|misfit| misfit.of(index))?;
                self.rest(message, || Ok((id.read(row), price.some_price(row)?, some_size(size, row)?)), index, side)
            }
            EventPlan::Reduce { order, size } => self.reduce(message, order, size),
            EventPlan::Modify { order, price, size } => self.modify(message, order, price.as_ref(), size),
            EventPlan::Replace { order, id, price, size } => {
                let old = self.take_out(message, order)?;
                let new = || Ok((id.read(row), price.some_price(row)?, some_size(size, row)?));
                self.rest(message, new, old.instrument, old.side())
            }
            EventPlan::Delete { order } => Ok(self.take_out(message, order)?.instrument),
            EventPlan::Level(columns) => self.set_level(message, columns),
            EventPlan::Quote { instrument, bid, ask } => self.set_quote(message, instrument, bid, ask),
            EventPlan::Directory { instrument, symbol } => {
                let index = self.ladder(message, instrument, true)?;
                self.instruments.introduce(index, symbol.read(row));
                Ok(index)
            }
            EventPlan::Clear { instrument } => self.clear(message, instrument),
            EventPlan::ClearAll => {
                self.clear_all(message);
                return Ok(None);
            }
        };
        done.map(Some)
    }

    /// The instrument whose orders or levels a message is about. Its first message in a session says whether its book
    /// can be whole.
    #[inline]
    fn ladder(&mut self, message: &Message<'_>, instrument: &NameColumn, is_directory: bool) -> Done {
        let index = self.instruments.meet(message.channel, instrument.read(message.row))?;
        let trust = &mut self.instruments[index].ladder.trust;
        if trust.completeness == Completeness::Awaited {
            let coverage = self.channels[usize::from(message.channel)].coverage;
            *trust = Trust::at_first(coverage, is_directory || !message.plan.has_directory, message.seq);
        }
        Ok(index)
    }

    /// The instrument that a message about an order names, where it names one.
    #[inline]
    fn named(&mut self, message: &Message<'_>, order: &OrderColumns) -> Result<Option<u32>, Fault> {
        order.instrument.map(|instrument| self.ladder(message, &instrument, false)).transpose()
    }

    /// An order rests from now on: its identity, price and size are what `new` says.
    #[inline]
    fn rest(
        &mut self,
        message: &Message<'_>,
        new: impl FnOnce() -> Result<(u64, i64, u64), Misfit>,
        instrument: u32,
        side: Side,
    ) -> Done {
        let (id, price, size) = new().map_err(|misfit| misfit.of(instrument))?;
        let (orders, levels) = (self.channels[usize::from(message.channel)].orders.make_room(), self.limits.levels);
        let ladder = &mut self.instruments[instrument].ladder;
        let joined = orders.and_then(|orders| ladder.side(side).join(price, size, levels).map(|()| orders));
        let orders = joined.map_err(|failure| failure.of(instrument))?;
        match orders.insert(Order::new(id, instrument, side, price, size)) {
            None => Ok(instrument),
            Some(old) => Err(self.displace(message, &old, instrument)),
        }
    }

    /// An order loses its place to a newer one of the same identity.
    #[cold]
    fn displace(&mut self, message: &Message<'_>, old: &Order, instrument: u32) -> Fault {
        let ladder = &mut self.instruments[old.instrument].ladder;
        ladder.side(old.side()).leave(old.price, old.size);
        if old.instrument != instrument {
            ladder.trust.lose(Completeness::Inconsistent, message.seq);
            self.note_change(old.instrument);
        }
        Misfit::DuplicateOrder.of(instrument)
    }

    fn reduce(&mut self, message: &Message<'_>, columns: &OrderColumns, size: &NumberColumn) -> Done {
        let named = self.named(message, columns)?;
        let mut found = find(&mut self.channels[usize::from(message.channel)].orders, message, columns, named)?;
        let order = *found.get();
        let size = size.size(message.row).map_err(|misfit| misfit.of(order.instrument))?;
        let levels = self.instruments[order.instrument].ladder.side(order.side());
        if size < order.size {
            found.get_mut().size -= size;
            levels.reduce(order.price, size);
            return Ok(order.instrument);
        }
        found.remove();
        levels.leave(order.price, order.size);
        if size > order.size { Err(Misfit::SizeExceeded.of(order.instrument)) } else { Ok(order.instrument) }
    }

    fn modify(
        &mut self,
        message: &Message<'_>,
        columns: &OrderColumns,
        price: Option<&NumberColumn>,
        size: &NumberColumn,
    ) -> Done {
        let named = self.named(message, columns)?;
        let mut found = find(&mut self.channels[usize::from(message.channel)].orders, message, columns, named)?;
        let old = *found.get();
        let price = price.map_or(Ok(old.price), |price| price.some_price(message.row));
        let new = price.and_then(|price| Ok((price, size.size(message.row)?)));
        let (price, size) = new.map_err(|misfit| misfit.of(old.instrument))?;
        let levels = self.instruments[old.instrument].ladder.side(old.side());
        // The new joins before the old leaves, so that a level which stays is not moved.
        let joined = if size == 0 { Ok(()) } else { levels.join(price, size, self.limits.levels) };
        levels.leave(old.price, old.size);
        if size == 0 || joined.is_err() {
            found.remove();
        } else {
            let order = found.get_mut();
            (order.price, order.size) = (price, size);
        }
        joined.map(|()| old.instrument).map_err(|failure| failure.of(old.instrument))
    }

    /// An order goes.
    fn take_out(&mut self, message: &Message<'_>, columns: &OrderColumns) -> Result<Order, Fault> {
        let named = self.named(message, columns)?;
        let found = find(&mut self.channels[usize::from(message.channel)].orders, message, columns, named)?;
        let (order, _) = found.remove();
        self.instruments[order.instrument].ladder.side(order.side()).leave(order.price, order.size);
        Ok(order)
    }

    fn set_level(&mut self, message: &Message<'_>, columns: &LevelColumns) -> Done {
        let index = self.ladder(message, &columns.instrument, false)?;
        let is_last = columns.complete.is_none_or(|complete| complete.read(message.row) != 0);
        let ladder = &mut self.instruments[index].ladder;
        let (side, level) = columns.read(message.row).map_err(|misfit| misfit.of(index))?;
        let set = ladder.set(side, level, is_last, self.limits.levels);
        set.map(|()| index).map_err(|failure| failure.of(index))
    }

    fn set_quote(
        &mut self,
        message: &Message<'_>,
        instrument: &NameColumn,
        bid: &QuoteColumns,
        ask: &QuoteColumns,
    ) -> Done {
        let index = self.instruments.meet(message.channel, instrument.read(message.row))?;
        let quote = &mut self.instruments[index].quote;
        match bid.read(message.row).and_then(|bid| Ok(Bbo { bid, ask: ask.read(message.row)? })) {
            Ok(bbo) => {
                *quote = Some(Quote::new(bbo, message.seq));
                Ok(index)
            }
            Err(misfit) => {
                quote.get_or_insert_with(|| Quote::new(Bbo::default(), message.seq));
                Err(Fault { whose: Whose::Quote(index), failure: misfit.into() })
            }
        }
    }

    /// The venue says that an instrument's book is empty: that much is known, whatever was lost before. Where a loss need not
    /// show, what comes behind is none the better known for it.
    fn clear(&mut self, message: &Message<'_>, instrument: &NameColumn) -> Done {
        let index = self.instruments.meet(message.channel, instrument.read(message.row))?;
        let orders = self.instruments[index].ladder.orders();
        self.channels[usize::from(message.channel)].orders.forget(index, orders);
        self.empty(index, message);
        Ok(index)
    }

    /// The venue says that every book of the channel is empty: whatever comes is then all there is.
    #[cold]
    fn clear_all(&mut self, message: &Message<'_>) {
        let channel = &mut self.channels[usize::from(message.channel)];
        if self.plan.first_sequence.is_some() {
            channel.coverage = Coverage::Whole;
        }
        channel.orders.clear();
        for index in self.instruments.of_channel(message.channel) {
            self.empty(index, message);
            self.touch(index, message);
        }
    }

    /// An instrument's book is known to be empty.
    fn empty(&mut self, index: u32, message: &Message<'_>) {
        let instrument = &mut self.instruments[index];
        let is_numbered = self.plan.first_sequence.is_some();
        let completeness = if is_numbered { Completeness::Whole } else { Completeness::Building };
        instrument.ladder.begin_anew(Trust::new(completeness, message.seq));
        if instrument.quote.is_some() {
            instrument.quote = Some(Quote::new(Bbo::default(), message.seq));
        }
    }
}

/// The order that a message is about.
#[inline]
fn find<'a>(
    orders: &'a mut Orders,
    message: &Message<'_>,
    columns: &OrderColumns,
    named: Option<u32>,
) -> Result<OccupiedEntry<'a, Order>, Fault> {
    orders.find(named, columns.id.read(message.row)).ok_or_else(|| match named {
        Some(instrument) => Misfit::UnknownOrder.of(instrument),
        None => Fault { whose: Whose::Channel, failure: Failure::Misfit(Misfit::UnknownOrder) },
    })
}

/// An order has a size.
#[inline]
fn some_size(size: &NumberColumn, row: &[u8]) -> Result<u64, Misfit> {
    match size.size(row)? {
        0 => Err(Misfit::UnusableNumber),
        size => Ok(size),
    }
}

impl QuoteColumns {
    /// The best of a side; none where it has no price or no size.
    fn read(&self, row: &[u8]) -> Result<Option<Level>, Misfit> {
        let size = self.size.size(row)?;
        let price = if size == 0 { None } else { self.price.price(row)? };
        Ok(price.map(|price| Level { price, size, orders: 0 }))
    }
}

impl LevelColumns {
    /// The side, and the price and size there.
    fn read(&self, row: &[u8]) -> Result<(Side, (i64, u64)), Misfit> {
        Ok((self.side.read(row)?, (self.price.some_price(row)?, self.size.size(row)?)))
    }
}
