//! Messages of a market in msgpack, as `docs/wire_format.md` lays them down: every integer in its shortest form.

use super::book::Side;
use super::instrument::{LOT, TICK, symbol};
use super::message::{About, Best, Message};

/// Appends a message that happened at `time_ns`.
#[inline]
pub fn write(about: About, time_ns: u64, out: &mut Vec<u8>) {
    match about.message {
        Message::Quote { bid, ask } => {
            begin(1, 7, about, out);
            quoted_price(bid, out);
            quoted_price(ask, out);
            unsigned(bid.map_or(0, |best| best.1), out);
            unsigned(ask.map_or(0, |best| best.1), out);
        }
        Message::Trade { price_ticks, size, aggressor, trade_id } => {
            begin(2, 7, about, out);
            price(price_ticks, out);
            unsigned(size.into(), out);
            out.push(aggressor.map_or(0, side));
            unsigned(trade_id, out);
        }
        Message::Add { order, .. } => {
            begin(3, 7, about, out);
            unsigned(order.id, out);
            out.push(side(order.side));
            price(order.price_ticks, out);
            unsigned(order.size.into(), out);
        }
        Message::Reduce { order, .. } | Message::Replace { order, .. } => {
            begin(4, 6, about, out);
            unsigned(order.id, out);
            price(order.price_ticks, out);
            unsigned(order.size.into(), out);
        }
        Message::Delete(order) => {
            begin(5, 4, about, out);
            unsigned(order.id, out);
        }
        Message::Directory => {
            begin(6, 7, about, out);
            text(&symbol(about.instrument), out);
            text("USD", out);
            unsigned(TICK.into(), out);
            unsigned(LOT.into(), out);
        }
        Message::SystemEvent(_) | Message::TradingAction | Message::Execute { .. } => {
            unreachable!("the format has no such message, and its rules say so")
        }
    }
    unsigned(time_ns, out);
}

/// Appends the head of an array of at most 15 elements.
#[inline]
pub fn array(elements: u8, out: &mut Vec<u8>) {
    out.push(0x90 | elements);
}

/// Appends an integer.
#[inline]
pub fn unsigned(number: u64, out: &mut Vec<u8>) {
    if number < 0x80 {
        out.extend_from_slice(&number.to_be_bytes()[7..]);
    } else if number <= 0xff {
        headed(0xcc, &number.to_be_bytes()[7..], out);
    } else if number <= 0xffff {
        headed(0xcd, &number.to_be_bytes()[6..], out);
    } else if number <= 0xffff_ffff {
        headed(0xce, &number.to_be_bytes()[4..], out);
    } else {
        headed(0xcf, &number.to_be_bytes(), out);
    }
}

/// Appends a text of at most 31 bytes.
pub fn text(text: &str, out: &mut Vec<u8>) {
    out.push(0xa0 | u8::try_from(text.len()).unwrap_or(0).min(31));
    out.extend(text.bytes().take(31));
}

#[inline]
fn headed(head: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(head);
    out.extend_from_slice(bytes);
}

#[inline]
fn begin(kind: u8, elements: u8, about: About, out: &mut Vec<u8>) {
    array(elements, out);
    out.push(kind);
    unsigned(about.instrument.into(), out);
}

#[inline]
fn price(ticks: u32, out: &mut Vec<u8>) {
    unsigned((ticks * TICK).into(), out);
}

fn quoted_price(best: Option<Best>, out: &mut Vec<u8>) {
    match best {
        Some((ticks, _)) => price(ticks, out),
        None => out.push(0xc0),
    }
}

fn side(side: Side) -> u8 {
    match side {
        Side::Buy => 1,
        Side::Sell => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_the_shortest_form() {
        let written = |number| {
            let mut out = Vec::new();
            unsigned(number, &mut out);
            out
        };
        assert_eq!(written(0x7f), [0x7f]);
        assert_eq!(written(0x80), [0xcc, 0x80]);
        assert_eq!(written(0x100), [0xcd, 1, 0]);
        assert_eq!(written(0xffff_ffff), [0xce, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(written(1 << 32), [0xcf, 0, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn a_quote_without_offers_says_nil() {
        let mut out = Vec::new();
        let message = Message::Quote { bid: Some((18_742, 300)), ask: None };
        write(About { instrument: 1207, message }, 0x1886_f203_6176_21cc, &mut out);
        let example =
            b"\x97\x01\xcd\x04\xb7\xce\x00\x1c\x99\x18\xc0\xcd\x01\x2c\x00\xcf\x18\x86\xf2\x03\x61\x76\x21\xcc";
        assert_eq!(out, example, "an example of docs/wire_format.md");
    }
}
