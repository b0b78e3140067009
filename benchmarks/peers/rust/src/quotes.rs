//! Packets of quotes of the msgpack feed (`docs/wire_format.md`), decoded with `rmp`.

use rmp::Marker;
use rmp::decode::{ValueReadError, read_array_len, read_int, read_str_from_slice};

/// A best bid and offer.
pub struct Quote {
    pub instrument_id: u32,
    pub bid_price: Option<i64>,
    pub ask_price: Option<i64>,
    pub bid_size: u64,
    pub ask_size: u64,
    pub exchange_time_ns: u64,
}

/// The header of a packet.
pub struct Header {
    pub kind: u8,
    pub sequence: u64,
    pub count: u32,
    pub send_time_ns: u64,
}

/// What is no packet of quotes.
#[derive(Debug)]
pub struct Malformed;

impl<E: rmp::decode::RmpReadErr> From<rmp::decode::NumValueReadError<E>> for Malformed {
    fn from(_: rmp::decode::NumValueReadError<E>) -> Self {
        Self
    }
}

impl<E: rmp::decode::RmpReadErr> From<ValueReadError<E>> for Malformed {
    fn from(_: ValueReadError<E>) -> Self {
        Self
    }
}

/// Decodes a packet into `quotes`, in place of what was in there.
///
/// # Errors
/// It is malformed.
pub fn decode(mut packet: &[u8], quotes: &mut Vec<Quote>) -> Result<Header, Malformed> {
    let header = read_header(&mut packet)?;
    quotes.clear();
    for _ in 0..header.count {
        quotes.push(read_quote(&mut packet)?);
    }
    Ok(header)
}

fn read_header(from: &mut &[u8]) -> Result<Header, Malformed> {
    expect_elements(from, 5)?;
    let kind = read_int(from)?;
    let (_session, rest) = read_str_from_slice(*from).map_err(|_| Malformed)?;
    *from = rest;
    Ok(Header { kind, sequence: read_int(from)?, count: read_int(from)?, send_time_ns: read_int(from)? })
}

#[inline]
fn read_quote(from: &mut &[u8]) -> Result<Quote, Malformed> {
    expect_elements(from, 7)?;
    if read_int::<u8, _>(from)? != 1 {
        return Err(Malformed);
    }
    Ok(Quote {
        instrument_id: read_int(from)?,
        bid_price: read_price(from)?,
        ask_price: read_price(from)?,
        bid_size: read_int(from)?,
        ask_size: read_int(from)?,
        exchange_time_ns: read_int(from)?,
    })
}

#[inline]
fn read_price(from: &mut &[u8]) -> Result<Option<i64>, Malformed> {
    if from.first() == Some(&Marker::Null.to_u8()) {
        *from = &from[1..];
        return Ok(None);
    }
    Ok(Some(read_int(from)?))
}

#[inline]
fn expect_elements(from: &mut &[u8], elements: u32) -> Result<(), Malformed> {
    if read_array_len(from)? == elements { Ok(()) } else { Err(Malformed) }
}
