//! What a market tells its feed, one message at a time, before anybody says it in bytes.

use super::book::{Order, Side};

/// A price in ticks and the size there.
pub type Best = (u32, u64);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// The day came to another hour: the event's code in ITCH.
    SystemEvent(u8),
    /// What the instrument is.
    Directory,
    /// The instrument trades.
    TradingAction,
    /// An order rests; `is_attributed` says whose it is.
    Add {
        /// The order.
        order: Order,
        /// Whether the feed says who sent it.
        is_attributed: bool,
    },
    /// An order that rests is less, and some of it is left.
    Reduce {
        /// The order as it is now.
        order: Order,
        /// By how much it is less.
        by: u32,
    },
    /// An order is gone.
    Delete(Order),
    /// An order gave way to another, which stands behind those of its price.
    Replace {
        /// Number of the old one.
        old_id: u64,
        /// The new one.
        order: Order,
    },
    /// An order that rests was executed, at its price unless `at_ticks` is another.
    Execute {
        /// The order as it was before.
        order: Order,
        /// How much of it.
        size: u32,
        /// Another price, and then whether the execution is to be counted as volume.
        at_ticks: Option<(u32, bool)>,
        /// Number of the trade.
        trade_id: u64,
    },
    /// A trade; by itself it changes no book.
    Trade {
        /// Its price.
        price_ticks: u32,
        /// Its size.
        size: u32,
        /// Who took; nobody knows of an order that was not displayed.
        aggressor: Option<Side>,
        /// Its number.
        trade_id: u64,
    },
    /// The best of both sides.
    Quote {
        /// The best bid.
        bid: Option<Best>,
        /// The best offer.
        ask: Option<Best>,
    },
}

/// A message and the instrument it is about; 0 where it is about none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Number of the instrument, from 1.
    pub instrument: u32,
    /// The message.
    pub message: Message,
}
