//! A synthetic market and its feed, from a seed: what tests, demonstrations and benchmarks receive, and the true books
//! that they must end with.
//!
//! In the order of the data's way: [`Chance`](crate::chance::Chance) decides, [`Market`] says what happens, a [`Wire`]
//! writes it down, a [`Generator`] makes packets of it, and [`write_file`] a capture of two lines. Sans-I/O but for the
//! last; the same seed gives the same bytes on every machine.

mod book;
mod eastern;
mod file;
mod generator;
mod instrument;
mod itch;
mod lines;
mod market;
mod message;
mod msgpack;
mod options;
mod packet;
mod pcapng;
mod pulse;
mod snapshot;
mod truth;

pub use book::{Book, Level, Order, Side};
pub use eastern::midnight_ns;
pub use file::{Limit, Progress, Written, write_file};
pub use generator::{Generator, HEARTBEAT_NS, Made};
pub use instrument::{Instrument, PRICE_SCALE, Quoted, symbol};
pub use lines::Line;
pub use market::{Market, Rules};
pub use message::{About, Best, Message};
pub use options::{Options, OptionsError};
pub use packet::{Kind, Protocol, Wire};
pub use truth::{TrueBook, TrueBooks, TrueLevel, TrueQuote};
