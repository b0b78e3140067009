//! The hot path of feedhandler, without Python: what a datagram passes through from the socket or a capture file to
//! rows of columns.
//!
//! General layout, in the order data meets it: [`wire`] and [`ring`] (live) or [`capture`] (files) hand datagrams to
//! [`pipeline`], which drives [`framing`] → [`arbitrate`] → [`decode`] → [`batch`]; [`book`] makes books of batches. [`ledger`] gives every packet and
//! message a fate, [`latency`] every stage a stamp. [`plan`] is a protocol declaration, compiled. The middle is
//! sans-I/O: it takes bytes and `now_ns`, and returns results. [`send`] is the other end of the wire: what replays are
//! sent by; [`generate`] makes a synthetic feed.

#[cfg(target_endian = "big")]
compile_error!("rows are written in little-endian byte order; no big-endian machine was at hand to test on");

pub mod arbitrate;
pub mod batch;
pub mod bench;
pub mod book;
pub mod break_off;
pub mod cache_padded;
pub mod capture;
pub mod chance;
pub mod clock;
pub mod decode;
pub mod digest;
pub mod event;
pub mod event_fd;
pub mod faults;
pub mod feed;
mod field;
pub mod filter;
mod forks;
pub mod framing;
pub mod generate;
pub mod history;
pub mod latency;
pub mod layout;
pub mod ledger;
pub mod malformed;
pub mod msgpack;
pub mod padded;
pub mod pipeline;
pub mod plan;
pub mod receive;
pub mod report;
pub mod ring;
mod rows;
pub mod send;
pub mod spec;
pub mod wait;
pub mod wire;

pub use rows::Rows;
