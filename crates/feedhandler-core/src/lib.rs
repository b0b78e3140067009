//! The hot path of feedhandler, without Python: what a datagram passes through from the socket or a capture file to
//! rows of columns.
//!
//! General layout, in the order data meets it: [`wire`] and [`ring`] (live) or [`capture`] (files) hand datagrams to
//! [`pipeline`], which drives [`framing`] → [`arbitrate`] → [`decode`] → [`batch`]. [`ledger`] gives every packet and
//! message a fate, [`latency`] every stage a stamp. [`plan`] is a protocol declaration, compiled. The middle is
//! sans-I/O: it takes bytes and `now_ns`, and returns results.

pub mod padded;
pub mod plan;
pub mod spec;
