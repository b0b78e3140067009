//! Batches whose rows and events are anything, given to books whose sums and order are checked after each.
//!
//! The values are often small, so that orders and instruments meet again; batches are made without a pipeline, so that they
//! may also say what no pipeline would.

use std::sync::Arc;

use feedhandler_core::Rows;
use feedhandler_core::batch::{Batch, ORDER_BYTES};
use feedhandler_core::book::{BookCounters, BookLimits, BookState, Books, NO_PRICE};
use feedhandler_core::event::{CAUSES, EVENT_BYTES, EVENT_KINDS, Event, NO_LINE};
use feedhandler_core::layout::{Column, RowLayout};
use feedhandler_core::spec::{BookColumnSpec, BookEventSpec, BookSpec, CodeValue};

use super::chance::Chance;
use super::protocols::Protocol;

const LIMITS: BookLimits = BookLimits { instruments: 8, orders: 12, levels: 3 };
/// Values below this are what most columns hold.
const SMALL: usize = 5;

/// Gives books the batches that `bytes` tell, and says what became of the messages; none where the protocol has no books.
pub fn batches(protocol: &Protocol, bytes: &[u8]) -> Option<BookCounters> {
    let spec = protocol.spec.book.as_ref()?;
    let mut books = Books::new(&protocol.plan, LIMITS).expect("a protocol with books");
    let mut chance = Chance::new(bytes);
    let mut number = 0;
    while !chance.is_over() {
        let batch = batch(protocol, spec, number, &mut chance);
        books.apply(&batch).expect("a batch of the protocol");
        check(&mut books);
        number = if chance.byte() < 8 { chance.number() } else { number.wrapping_add(1) };
    }
    Some(*books.counters())
}

fn batch(protocol: &Protocol, spec: &BookSpec, number: u64, chance: &mut Chance<'_>) -> Batch {
    let tables = &protocol.plan.tables;
    let rows_of = |row_bytes| Rows::new(Arc::default(), row_bytes);
    let mut rows: Vec<_> = tables.iter().map(|table| rows_of(table.layout.row_bytes)).collect();
    let (mut order, mut events) = (rows_of(ORDER_BYTES), rows_of(EVENT_BYTES));
    for _ in 0..chance.below(32) {
        let event = spec.events.get(chance.below(spec.events.len() + 1));
        let of_event = tables.iter().position(|table| event.is_some_and(|event| event.message == table.name));
        let table = of_event.unwrap_or_else(|| chance.below(tables.len()));
        order.push(&entry(table, rows[table].len()));
        rows[table].push(&row(&tables[table].layout, spec, event, chance));
    }
    (0..chance.below(4)).for_each(|_| events.push(&event(chance)));
    let shared = |rows: Rows| (!rows.is_empty()).then(|| Arc::new(rows));
    let tables = rows.into_iter().map(shared).collect();
    Batch { number, tables, order: Arc::new(order), events: Arc::new(events), queue_depth: 0 }
}

fn entry(table: usize, row: usize) -> [u8; ORDER_BYTES] {
    let number = |number: usize| u32::try_from(number).expect("few tables and rows");
    let mut entry = [0; ORDER_BYTES];
    entry[..4].copy_from_slice(&number(table).to_le_bytes());
    entry[4..].copy_from_slice(&number(row).to_le_bytes());
    entry
}

fn row(layout: &RowLayout, spec: &BookSpec, event: Option<&BookEventSpec>, chance: &mut Chance<'_>) -> Vec<u8> {
    let is_in = |role: Option<&BookColumnSpec>, column: &Column| role.is_some_and(|role| role.column == column.name);
    let mut row = vec![0; layout.row_bytes];
    for column in &layout.columns {
        let is_side = event.is_some_and(|event| is_in(event.side.as_ref(), column));
        let value = if is_side { side(spec, chance) } else { value(column, chance) };
        let width = column.width.min(8);
        row[column.offset..column.offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
    row
}

/// A buy, a sell, or now and then anything.
fn side(spec: &BookSpec, chance: &mut Chance<'_>) -> u64 {
    let sides = if chance.byte() & 1 == 0 { &spec.buy } else { &spec.sell };
    match sides.first() {
        Some(CodeValue::Int(value)) if chance.byte() < 250 => value.cast_unsigned(),
        Some(CodeValue::Text(text)) if chance.byte() < 250 => u64::from(text.as_bytes()[0]),
        _ => chance.number(),
    }
}

/// Something small; now and then anything, but for channels, which are numbered from 0.
fn value(column: &Column, chance: &mut Chance<'_>) -> u64 {
    let number =
        if chance.byte() < 250 || column.name == "channel" { chance.below(SMALL) as u64 } else { chance.number() };
    match (column.format.as_bytes(), u32::try_from(number)) {
        ([b'f', ..], Ok(small)) if column.width == 8 => f64::from(small).to_bits(),
        _ => number,
    }
}

fn event(chance: &mut Chance<'_>) -> [u8; EVENT_BYTES] {
    if chance.byte() < 8 {
        return std::array::from_fn(|_| chance.byte());
    }
    let (kind, _) = EVENT_KINDS[chance.below(EVENT_KINDS.len())];
    let (cause, _) = CAUSES[chance.below(CAUSES.len())];
    let channel = u16::try_from(chance.below(3)).expect("few channels");
    let (first, position) = (chance.below(3) as u64, u64::from(chance.byte()));
    Event { kind, cause, line: NO_LINE, first, last: first, count: 1, ts_ns: 0 }.row(channel, position)
}

/// What must hold after every batch.
fn check(books: &mut Books) {
    assert!(books.counters().is_balanced(), "{:#?}", books.counters());
    let (rows, layout) = (books.bbo(), books.bbo_layout().clone());
    assert!(rows.len() <= LIMITS.instruments as usize, "{} instruments", rows.len());
    rows.bytes().chunks_exact(rows.row_bytes()).for_each(|row| check_bbo(&layout, row));
    let numbers = 0..u32::try_from(rows.len()).expect("few instruments");
    let orders: u64 = numbers.map(|number| check_depth(books, number)).sum();
    assert_eq!(orders, books.orders() as u64, "every order stands on a level");
    assert!(books.changed().len() <= rows.len());
    assert!(books.changed().is_empty(), "what changed is told once");
}

/// A side has a price and a size or neither, and a good book is not crossed.
fn check_bbo(layout: &RowLayout, row: &[u8]) {
    let [bid, ask] = ["bid_price", "ask_price"].map(|name| price(layout, name, row));
    for (price, size) in [(bid, "bid_size"), (ask, "ask_size")] {
        assert_eq!(price.is_some(), word(layout, size, row) > 0);
    }
    if let (Some(bid), Some(ask)) = (bid, ask) {
        assert!(word(layout, "state", row) != BookState::Good as u64 || bid <= ask, "a good book is crossed");
    }
}

/// Levels are in order and have sizes; returns the number of orders.
fn check_depth(books: &mut Books, number: u32) -> u64 {
    let layout = books.level_layout().clone();
    let depth = books.depth(number, usize::MAX).expect("instruments never go");
    let mut orders = 0;
    for (side, is_ask) in [(&depth.bids, false), (&depth.asks, true)] {
        let rows: Vec<_> = side.bytes().chunks_exact(side.row_bytes()).collect();
        assert!(rows.len() <= LIMITS.levels, "{} levels", rows.len());
        assert!(rows.iter().all(|row| word(&layout, "size", row) > 0), "a level without a size");
        assert!(rows.is_sorted_by(|a, b| {
            let [a, b] = [a, b].map(|row| price(&layout, "price", row).expect("a level has a price"));
            if is_ask { a < b } else { a > b }
        }));
        orders += rows.iter().map(|row| word(&layout, "orders", row)).sum::<u64>();
    }
    orders
}

/// A price, as a number that sorts as prices do where they are integers or floats that are not negative.
fn price(layout: &RowLayout, name: &str, row: &[u8]) -> Option<i64> {
    let price = word(layout, name, row).cast_signed();
    (price != NO_PRICE && !is_nan(layout, name, price)).then_some(price)
}

fn is_nan(layout: &RowLayout, name: &str, bits: i64) -> bool {
    column(layout, name).format == "f8" && f64::from_bits(bits.cast_unsigned()).is_nan()
}

fn word(layout: &RowLayout, name: &str, row: &[u8]) -> u64 {
    let column = column(layout, name);
    let mut word = [0; 8];
    word[..column.width].copy_from_slice(&row[column.offset..column.offset + column.width]);
    u64::from_le_bytes(word)
}

fn column<'a>(layout: &'a RowLayout, name: &str) -> &'a Column {
    layout.columns.iter().find(|column| column.name == name).expect("a column of books")
}
