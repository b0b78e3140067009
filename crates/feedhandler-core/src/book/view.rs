//! Books as rows: best bid and offer of each instrument, and the price levels of one.

use std::sync::Arc;

use super::Books;
use super::instruments::Instrument;
use super::levels::{Level, Levels};
use super::name::Name;
use super::number::Number;
use super::plan::BookPlan;
use super::state::BookState;
use crate::layout::RowLayout;
use crate::rows::{Pool, Rows};

/// The price levels of an instrument.
#[derive(Debug)]
pub struct Depth {
    /// State of the orders or levels they are made of.
    pub state: BookState,
    /// Sequence number of what brought the state.
    pub since_seq: u64,
    /// Bids by [`level_layout`], best first.
    pub bids: Rows,
    /// Offers by [`level_layout`], best first.
    pub asks: Rows,
}

/// How the rows look, and the memory they are made in.
#[derive(Debug)]
pub(super) struct View {
    layout: RowLayout,
    rows: Rows,
    row: Vec<u8>,
    level_layout: RowLayout,
    levels: Rows,
    price: Number,
    /// Instruments are named by text, which is their symbol where nothing else is.
    names_are_text: bool,
}

/// Columns of [`Books::bbo`] for the books of `plan`.
fn bbo_layout(plan: &BookPlan) -> RowLayout {
    let (price, size) = (plan.price.price_format(), plan.size.size_format());
    let (instrument, instrument_bytes) = plan.instrument.clone();
    let columns = [
        ("channel", "u2".to_owned(), 2),
        ("state", "u1".to_owned(), 1),
        ("instrument", instrument, instrument_bytes),
        ("symbol", format!("S{}", plan.symbol_bytes), plan.symbol_bytes),
        ("bid_price", price.to_owned(), 8),
        ("bid_size", size.to_owned(), 8),
        ("bid_orders", "u4".to_owned(), 4),
        ("ask_price", price.to_owned(), 8),
        ("ask_size", size.to_owned(), 8),
        ("ask_orders", "u4".to_owned(), 4),
        ("seq", "u8".to_owned(), 8),
        ("ts_recv_ns", "u8".to_owned(), 8),
        ("since_seq", "u8".to_owned(), 8),
    ];
    RowLayout::new(columns)
}

/// Columns of [`Depth`] for the books of `plan`.
#[must_use]
pub fn level_layout(plan: &BookPlan) -> RowLayout {
    let (price, size) = (plan.price.price_format(), plan.size.size_format());
    RowLayout::new([("price", price.to_owned(), 8), ("size", size.to_owned(), 8), ("orders", "u4".to_owned(), 4)])
}

impl View {
    pub(super) fn new(plan: &BookPlan) -> Self {
        let rows = |layout: &RowLayout| Rows::new(Arc::new(Pool::default()), layout.row_bytes);
        let (layout, level_layout) = (bbo_layout(plan), level_layout(plan));
        Self {
            rows: rows(&layout),
            row: vec![0; layout.row_bytes],
            levels: rows(&level_layout),
            layout,
            level_layout,
            price: plan.price,
            names_are_text: plan.instruments_are_text(),
        }
    }

    /// Best bid and offer of an instrument, as a row in the columns of [`bbo_layout`].
    fn bbo_row(&mut self, instrument: &Instrument) -> &[u8] {
        let (bbo, state, since_seq) = instrument.bbo();
        let named = Some(instrument.name).filter(|_| self.names_are_text);
        let (name, symbol) = (instrument.name.bytes(), instrument.symbol.or(named).unwrap_or_default().bytes());
        let [bid, ask] = [bbo.bid, bbo.ask].map(|best| level_values(self.price, best.as_ref()));
        let words = [instrument.seq, instrument.ts_recv_ns, since_seq].map(u64::to_ne_bytes);
        let values: [&[u8]; 13] = [
            &instrument.channel.to_ne_bytes(),
            &[state as u8],
            &name,
            &symbol,
            &bid.0,
            &bid.1,
            &bid.2,
            &ask.0,
            &ask.1,
            &ask.2,
            &words[0],
            &words[1],
            &words[2],
        ];
        write(&self.layout, &values, &mut self.row);
        &self.row
    }

    fn levels(&mut self, levels: &Levels, most: usize) -> Rows {
        let mut rows = self.levels.successor();
        let mut row = [0; LEVEL_ROW_BYTES];
        for level in levels.best_first().take(most) {
            let (price, size, orders) = level_values(self.price, Some(level));
            write(&self.level_layout, &[&price, &size, &orders], &mut row);
            rows.push(&row);
        }
        rows
    }
}

/// Bytes of a row of [`level_layout`].
const LEVEL_ROW_BYTES: usize = 24;

/// Price, size and orders as they stand in columns.
fn level_values(price: Number, level: Option<&Level>) -> ([u8; 8], [u8; 8], [u8; 4]) {
    let (size, orders) = level.map_or((0, 0), |level| (level.size, level.orders));
    (price.price_bits(level.map(|level| level.price)).to_ne_bytes(), size.to_ne_bytes(), orders.to_ne_bytes())
}

/// Writes each value to its column; what is longer than the column is cut off.
fn write(layout: &RowLayout, values: &[&[u8]], row: &mut [u8]) {
    for (column, value) in layout.columns.iter().zip(values) {
        row[column.offset..column.offset + column.width].copy_from_slice(&value[..column.width]);
    }
}

impl Books {
    /// Columns of [`Books::bbo`].
    #[must_use]
    pub fn bbo_layout(&self) -> &RowLayout {
        &self.view.layout
    }

    /// Columns of [`Depth`].
    #[must_use]
    pub fn level_layout(&self) -> &RowLayout {
        &self.view.level_layout
    }

    /// Best bid and offer of every instrument, in the order of appearance: a row's index is the instrument's number.
    #[must_use]
    pub fn bbo(&mut self) -> Rows {
        let mut rows = self.view.rows.successor();
        for instrument in self.instruments.iter() {
            rows.push(self.view.bbo_row(instrument));
        }
        rows
    }

    /// Best bid and offer of every instrument that a message or a change of its state concerned since the last call.
    #[must_use]
    pub fn changed(&mut self) -> Rows {
        let mut rows = self.view.rows.successor();
        for index in self.changed.drain(..) {
            let instrument = &mut self.instruments[index];
            instrument.is_changed = false;
            rows.push(self.view.bbo_row(instrument));
        }
        rows
    }

    /// Best bid and offer of one instrument, given its number.
    #[must_use]
    pub fn bbo_of(&mut self, index: u32) -> Option<Rows> {
        let mut rows = self.view.rows.successor();
        rows.push(self.view.bbo_row(self.instruments.get(index)?));
        Some(rows)
    }

    /// At most `most` price levels a side of one instrument, given its number.
    #[must_use]
    pub fn depth(&mut self, index: u32, most: usize) -> Option<Depth> {
        let ladder = &self.instruments.get(index)?.ladder;
        Some(Depth {
            state: ladder.state(),
            since_seq: ladder.trust.since_seq,
            bids: self.view.levels(ladder.bids(), most),
            asks: self.view.levels(ladder.asks(), most),
        })
    }

    /// The numbers of the instruments with this symbol, or this text as their name: one a channel at most.
    #[must_use]
    pub fn find_text(&self, text: &[u8]) -> Vec<u32> {
        let Some(text) = Name::text(text) else { return Vec::new() };
        let by_name = |channel| self.instruments.find_name(channel, text).filter(|_| self.plan.instruments_are_text());
        self.find(|channel| self.instruments.find_symbol(channel, text).or_else(|| by_name(channel)))
    }

    /// The numbers of the instruments that have this number for a name: one a channel at most.
    #[must_use]
    pub fn find_number(&self, number: u64) -> Vec<u32> {
        let by_name = |channel| self.instruments.find_name(channel, Name::number(number));
        self.find(|channel| by_name(channel).filter(|_| !self.plan.instruments_are_text()))
    }

    fn find(&self, in_channel: impl Fn(u16) -> Option<u32>) -> Vec<u32> {
        (0..=u16::MAX).take(self.channels.len()).filter_map(in_channel).collect()
    }
}
