//! book: order events, levels and quotes become books, each with a state that says how far it can be trusted.
//!
//! Stands behind batch: [`Books`] walks a batch in the order of arrival, messages and events alike. It is sans-I/O, and
//! fails closed: a book is [`Good`](BookState::Good) only where
//!
//! - the channel's session was heard from its first number (a protocol without sequence numbers cannot show that),
//! - the instrument's directory message came before anything else about it, in protocols that have such messages,
//! - nothing was lost on the channel since, and no message contradicted the book.
//!
//! A quote needs none of this but the last: it is good when it comes, until something is lost or it is contradicted, and
//! again with the next. Orders and levels become good again when their session starts anew, or the venue says that the
//! instrument's book is empty. A session that starts anew empties all books of its channel, and takes the symbols away:
//! instruments are numbered by the day.

#![expect(clippy::similar_names, reason = "side and size are the words of every specification")]

mod column;
mod counters;
mod enact;
mod failure;
mod instruments;
mod ladder;
mod levels;
mod name;
mod number;
mod orders;
mod plan;
mod side;
mod state;
mod view;

use std::fmt;
use std::sync::Arc;

pub(crate) use column::NameColumn;
pub use counters::{BookCounters, MisfitCounters, OverflowCounters};
pub use ladder::Bbo;
pub use levels::Level;
pub use name::{NAME_BYTES, Name};
pub use number::NO_PRICE;
pub use plan::BookPlan;
pub use state::{BOOK_STATES, BookState};
pub use view::{Depth, level_layout};

use crate::batch::{Batch, ORDER_BYTES, OrderEntry};
use crate::event::{Cause, EVENT_BYTES, Event, EventKind};
use crate::plan::{Plan, PlanError};
use crate::rows::Rows;
use enact::Message;
use failure::{Failure, Fault, Whose};
use instruments::Instruments;
use orders::Orders;
use plan::EventPlan;
use state::{Completeness, Coverage, Trust};
use view::View;

/// What the books may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLimits {
    /// Instruments, over all channels.
    pub instruments: u32,
    /// Orders that rest in the books of a channel.
    pub orders: usize,
    /// Price levels of a side.
    pub levels: usize,
}

impl Default for BookLimits {
    fn default() -> Self {
        Self { instruments: 1 << 16, orders: 1 << 24, levels: 1 << 14 }
    }
}

/// A batch whose tables are those of another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherProtocol;

impl fmt::Display for OtherProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a batch of the books' protocol, found one with other tables")
    }
}

impl std::error::Error for OtherProtocol {}

/// A channel's orders, and what has been heard of its session.
#[derive(Debug)]
struct Channel {
    coverage: Coverage,
    orders: Orders,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Books {
    plan: Arc<BookPlan>,
    limits: BookLimits,
    channels: Vec<Channel>,
    instruments: Instruments,
    /// Instruments that something happened to since they were last asked for.
    changed: Vec<u32>,
    counters: BookCounters,
    /// Number of the batch that comes next.
    next_batch: Option<u64>,
    view: View,
}

impl Books {
    /// Books of a protocol.
    ///
    /// # Errors
    /// [`PlanError`] where the protocol does not say what its messages do to books.
    pub fn new(plan: &Plan, limits: BookLimits) -> Result<Self, PlanError> {
        let none = || PlanError::new(&plan.name, "expected a protocol whose messages make books, found none that do");
        let plan = Arc::clone(plan.book.as_ref().ok_or_else(none)?);
        Ok(Self {
            view: View::new(&plan),
            plan,
            limits,
            channels: Vec::new(),
            instruments: Instruments::new(limits.instruments),
            changed: Vec::new(),
            counters: BookCounters::default(),
            next_batch: None,
        })
    }

    /// Does to the books what a batch says, in the order of arrival.
    ///
    /// It must be the batch behind the last one: what a batch that was left out had to say is lost, on every channel.
    ///
    /// # Errors
    /// [`OtherProtocol`], and the books are as they were.
    pub fn apply(&mut self, batch: &Batch) -> Result<(), OtherProtocol> {
        let plan = Arc::clone(&self.plan);
        check(batch, &plan)?;
        self.follow(batch.number);
        let order = batch.order.bytes().as_chunks().0;
        let mut done = 0;
        for row in batch.events.bytes().chunks_exact(EVENT_BYTES) {
            let Some((channel, position, event)) = Event::read(row) else { continue };
            let position = usize::try_from(position).unwrap_or(order.len()).clamp(done, order.len());
            self.apply_messages(&plan, &batch.tables, &order[done..position]);
            self.apply_event(channel, &event);
            done = position;
        }
        self.apply_messages(&plan, &batch.tables, &order[done..]);
        Ok(())
    }

    /// What became of the messages.
    #[must_use]
    pub fn counters(&self) -> &BookCounters {
        &self.counters
    }

    /// Orders that rest in all books.
    #[must_use]
    pub fn orders(&self) -> usize {
        self.channels.iter().map(|channel| channel.orders.len()).sum()
    }

    /// Notes that this batch comes now.
    fn follow(&mut self, number: u64) {
        if self.next_batch.is_some_and(|next| next != number) {
            self.counters.batches_out_of_order += 1;
            (0..=u16::MAX).take(self.channels.len()).for_each(|channel| self.lose(channel, 0));
        }
        self.next_batch = Some(number.wrapping_add(1));
    }

    fn apply_messages(&mut self, plan: &BookPlan, tables: &[Option<Arc<Rows>>], order: &[[u8; ORDER_BYTES]]) {
        for entry in order {
            let OrderEntry { table, row, .. } = OrderEntry::read(*entry);
            let table = usize::from(table);
            self.counters.messages += 1;
            match (&plan.events[table], &tables[table]) {
                (Some(event), Some(rows)) => self.apply_message(plan, event, rows.row(row as usize)),
                _ => self.counters.without_part += 1,
            }
        }
    }

    #[inline]
    fn apply_message(&mut self, plan: &BookPlan, event: &EventPlan, row: &[u8]) {
        let message = Message::new(plan, row);
        if usize::from(message.channel) >= self.channels.len() {
            self.add_channels(message.channel);
        }
        match self.enact(event, &message) {
            Ok(instrument) => {
                self.counters.applied += 1;
                if let Some(instrument) = instrument {
                    self.touch(instrument, &message);
                }
            }
            Err(fault) => self.fail(fault, &message),
        }
    }

    #[cold]
    fn add_channels(&mut self, channel: u16) {
        let orders = || Orders::new(self.plan.orders_are_of_instruments, self.limits.orders);
        let new = || Channel { coverage: Coverage::default(), orders: orders() };
        self.channels.resize_with(usize::from(channel) + 1, new);
    }

    /// Takes the trust from what a message contradicted.
    #[cold]
    fn fail(&mut self, fault: Fault, at: &Message<'_>) {
        let reason = match fault.failure {
            Failure::Misfit(_) => Completeness::Inconsistent,
            Failure::Full(_) => Completeness::Overflow,
        };
        let was_whole = match fault.whose {
            Whose::Ladder(index) => {
                self.touch(index, at);
                self.instruments[index].ladder.trust.lose(reason, at.seq)
            }
            Whose::Quote(index) => {
                self.touch(index, at);
                let quote = self.instruments[index].quote.as_mut();
                quote.is_some_and(|quote| quote.trust.lose(reason, at.seq))
            }
            Whose::Channel => self.doubt_orders(at),
            Whose::Nobody => false,
        };
        self.counters.count_failure(fault.failure, was_whole);
    }

    /// A message about an unknown order does not say whose it is. Where everything was heard, some book of the channel is
    /// wrong, and it may be any; where something is missing, that explains it.
    fn doubt_orders(&mut self, at: &Message<'_>) -> bool {
        let coverage = &mut self.channels[usize::from(at.channel)].coverage;
        if *coverage != Coverage::Whole {
            return false;
        }
        *coverage = Coverage::Broken { since_seq: at.seq };
        for index in self.instruments.of_channel(at.channel) {
            if self.instruments[index].ladder.trust.lose(Completeness::Inconsistent, at.seq) {
                self.note_change(index);
            }
        }
        true
    }

    #[cold]
    fn apply_event(&mut self, channel: u16, event: &Event) {
        if usize::from(channel) >= self.channels.len() {
            self.add_channels(channel);
        }
        match (event.kind, event.cause) {
            (EventKind::SessionStart, _) => self.start_session(channel, event.first),
            (EventKind::Gap, _) | (EventKind::Malformed, Cause::Malformed) => self.lose(channel, event.first),
            (EventKind::Drop, _) if self.plan.first_sequence.is_none() => self.lose(channel, event.first),
            _ => {}
        }
    }

    /// All books of the channel begin anew, empty.
    fn start_session(&mut self, channel: u16, first_seq: u64) {
        self.counters.sessions += 1;
        let is_whole = self.plan.first_sequence == Some(first_seq);
        let heard = &mut self.channels[usize::from(channel)];
        heard.coverage = if is_whole { Coverage::Whole } else { Coverage::Partial };
        heard.orders.clear();
        for index in self.instruments.of_channel(channel) {
            self.instruments.forget_symbol(index);
            let instrument = &mut self.instruments[index];
            instrument.ladder.begin_anew(Trust::default());
            instrument.quote = None;
            (instrument.seq, instrument.ts_recv_ns) = (0, 0);
            self.note_change(index);
        }
    }

    /// Messages of the channel were lost: of which instruments, nobody knows.
    fn lose(&mut self, channel: u16, seq: u64) {
        self.counters.losses += 1;
        let coverage = &mut self.channels[usize::from(channel)].coverage;
        if *coverage == Coverage::Whole {
            *coverage = Coverage::Broken { since_seq: seq };
        }
        for index in self.instruments.of_channel(channel) {
            let instrument = &mut self.instruments[index];
            let ladder = instrument.ladder.trust.lose(Completeness::Stale, seq);
            let quote = instrument.quote.as_mut().is_some_and(|quote| quote.trust.lose(Completeness::Stale, seq));
            if ladder || quote {
                self.note_change(index);
            }
        }
    }

    #[inline]
    fn touch(&mut self, index: u32, at: &Message<'_>) {
        let instrument = &mut self.instruments[index];
        (instrument.seq, instrument.ts_recv_ns) = (at.seq, at.ts_recv_ns);
        self.note_change(index);
    }

    #[inline]
    fn note_change(&mut self, index: u32) {
        let instrument = &mut self.instruments[index];
        if !instrument.is_changed {
            instrument.is_changed = true;
            self.changed.push(index);
        }
    }
}

/// Whether the tables have the shape that the plan says.
fn check(batch: &Batch, plan: &BookPlan) -> Result<(), OtherProtocol> {
    let is_as_planned = |(rows, row_bytes): (&Option<Arc<Rows>>, &usize)| {
        rows.as_ref().is_none_or(|rows| rows.row_bytes() == *row_bytes)
    };
    let is_as_long = batch.tables.len() == plan.row_bytes.len();
    let is_ours = is_as_long && batch.tables.iter().zip(&plan.row_bytes).all(is_as_planned);
    if is_ours { Ok(()) } else { Err(OtherProtocol) }
}
