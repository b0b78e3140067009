//! A pipeline of several channels whose batches go to the books, and what the books say.

use std::sync::Arc;

use feedhandler_core::arbitrate::ArbiterOptions;
use feedhandler_core::book::{BOOK_STATES, BookCounters, BookLimits, BookState, Books};
use feedhandler_core::layout::RowLayout;
use feedhandler_core::padded::Padded;
use feedhandler_core::pipeline::{Datagram, Pipeline, PipelineOptions};
use feedhandler_core::{Rows, event::Cause};

use crate::venue::{Declared, Message};

/// Price, size and number of orders.
pub type Level = (i64, u64, u32);

/// The price levels of an instrument, best first, and how far to trust them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    pub state: BookState,
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
}

/// Best bid and offer of an instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bbo {
    pub channel: u16,
    pub instrument: u16,
    pub symbol: String,
    pub state: BookState,
    pub bid: Option<Level>,
    pub ask: Option<Level>,
    pub seq: u64,
    pub since_seq: u64,
}

/// A packet of a session, with messages from `first` on.
pub fn packet_of(session: &str, first: u64, messages: &[Message]) -> Vec<u8> {
    let mut bytes = format!("{session:<10}").into_bytes();
    bytes.extend(first.to_be_bytes());
    bytes.extend(u16::try_from(messages.len()).expect("few messages").to_be_bytes());
    for message in messages.iter().map(Message::bytes) {
        bytes.extend(u16::try_from(message.len()).expect("a short message").to_be_bytes());
        bytes.extend(message);
    }
    bytes
}

/// See the module's documentation.
pub struct Rig {
    pub pipeline: Pipeline,
    pub books: Books,
    now_ns: u64,
    /// The session that each channel has come to.
    sessions: [Option<String>; 2],
}

impl Rig {
    pub fn new(declared: Declared) -> Self {
        Self::with_limits(declared, BookLimits::default())
    }

    pub fn with_limits(declared: Declared, limits: BookLimits) -> Self {
        let plan = declared.plan();
        let books = Books::new(&plan, limits).expect("the plan makes books");
        let arbiter = ArbiterOptions { grace_ns: 1, ..ArbiterOptions::default() };
        let mut pipeline = Pipeline::new(Arc::new(plan), PipelineOptions { arbiter, ..PipelineOptions::default() });
        for channel in ["first", "second"] {
            pipeline.add_channel(channel, ["A".to_owned()]);
        }
        Self { pipeline, books, now_ns: 1_000, sessions: [None, None] }
    }

    /// A packet of a session comes, with messages from `first` on; a hole in front of it is a loss.
    ///
    /// Where it begins a session, a heartbeat behind it says the same: one packet alone would be waited for.
    pub fn packet(&mut self, channel: usize, session: &str, first: u64, messages: &[Message]) -> &mut Self {
        self.bytes(channel, &packet_of(session, first, messages));
        if self.sessions[channel].replace(session.to_owned()).is_some_and(|before| before != session) {
            self.bytes(channel, &packet_of(session, first + messages.len() as u64, &[]));
        }
        self
    }

    /// A datagram comes.
    pub fn bytes(&mut self, channel: usize, bytes: &[u8]) -> &mut Self {
        self.now_ns += 10;
        let payload = Padded::from(bytes);
        let datagram = Datagram { channel, line: 0, ts_recv_ns: self.now_ns, is_cut_off: false, payload };
        self.pipeline.on_datagram(&datagram);
        self.now_ns += 10;
        self.pipeline.advance(self.now_ns);
        self
    }

    /// A datagram was dropped on this machine.
    pub fn drop(&mut self, channel: usize) -> &mut Self {
        self.pipeline.on_drop(channel, 0, Cause::SocketBuffer, 1, self.now_ns);
        self
    }

    /// The books are given what there is.
    pub fn apply(&mut self) -> &mut Self {
        let batch = self.pipeline.take_batch();
        self.books.apply(&batch).expect("a batch of the same protocol");
        assert!(self.books.counters().is_balanced(), "{:#?}", self.books.counters());
        self
    }

    pub fn counters(&self) -> &BookCounters {
        self.books.counters()
    }

    /// Best bids and offers of all instruments.
    pub fn all(&mut self) -> Vec<Bbo> {
        let rows = self.books.bbo();
        bbos(&rows, self.books.bbo_layout())
    }

    /// Best bids and offers of the instruments that changed.
    pub fn changed(&mut self) -> Vec<Bbo> {
        let rows = self.books.changed();
        bbos(&rows, self.books.bbo_layout())
    }

    /// Best bid and offer of an instrument.
    pub fn bbo(&mut self, channel: u16, instrument: u16) -> Option<Bbo> {
        self.all().into_iter().find(|bbo| (bbo.channel, bbo.instrument) == (channel, instrument))
    }

    /// State of an instrument's best bid and offer.
    pub fn state(&mut self, channel: u16, instrument: u16) -> Option<BookState> {
        self.bbo(channel, instrument).map(|bbo| bbo.state)
    }

    /// Price levels of an instrument.
    pub fn depth(&mut self, channel: u16, instrument: u16) -> Option<Depth> {
        let at = self.all().iter().position(|bbo| (bbo.channel, bbo.instrument) == (channel, instrument))?;
        let depth = self.books.depth(u32::try_from(at).expect("few instruments"), usize::MAX)?;
        let levels =
            |rows: &Rows| read(rows, self.books.level_layout(), |row| level(row, "").expect("a level has a size"));
        Some(Depth { state: depth.state, bids: levels(&depth.bids), asks: levels(&depth.asks) })
    }
}

fn bbos(rows: &Rows, layout: &RowLayout) -> Vec<Bbo> {
    read(rows, layout, |row| {
        let number = row("state");
        let state = BOOK_STATES.iter().find(|(state, _)| u64::from(*state as u8) == number).expect("a known state").0;
        Bbo {
            channel: u16::try_from(row("channel")).expect("a channel"),
            instrument: u16::try_from(row("instrument")).expect("an instrument of two bytes"),
            symbol: String::from_utf8(row("symbol").to_le_bytes().to_vec()).expect("ASCII").replace('\0', ""),
            state,
            bid: level(row, "bid_"),
            ask: level(row, "ask_"),
            seq: row("seq"),
            since_seq: row("since_seq"),
        }
    })
}

fn level(row: &dyn Fn(&str) -> u64, side: &str) -> Option<Level> {
    let [price, size, orders] = ["price", "size", "orders"].map(|name| row(&format!("{side}{name}")));
    let level = (price.cast_signed(), size, u32::try_from(orders).expect("a number of orders"));
    assert_eq!(size == 0, level.0 == feedhandler_core::book::NO_PRICE, "a side has a price and a size or neither");
    (size > 0).then_some(level)
}

/// Reads each row by a function that is given the value of a column by its name.
fn read<T>(rows: &Rows, layout: &RowLayout, read: impl Fn(&dyn Fn(&str) -> u64) -> T) -> Vec<T> {
    let of_row = |row: &[u8]| {
        read(&|name| {
            let column = layout.columns.iter().find(|column| column.name == name).expect("a column");
            let mut word = [0; 8];
            word[..column.width].copy_from_slice(&row[column.offset..column.offset + column.width]);
            u64::from_le_bytes(word)
        })
    };
    rows.bytes().chunks_exact(rows.row_bytes()).map(of_row).collect()
}
