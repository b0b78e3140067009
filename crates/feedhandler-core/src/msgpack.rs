//! Reading msgpack values: the specification's formats by table, with every length checked against what is there.
//!
//! Used by framing (a header that is a msgpack array) and by decode (messages). Source: the msgpack specification,
//! "Formats" and "Timestamp extension type".

use crate::malformed::Reason;

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Unsigned integer (positive fixint, uint 8 to 64).
    Unsigned,
    /// Signed integer (negative fixint, int 8 to 64).
    Signed,
    /// nil.
    Nil,
    /// true or false.
    Bool,
    /// float 32 or float 64.
    Float,
    /// str.
    Str,
    /// bin.
    Bin,
    /// array.
    Array,
    /// map.
    Map,
    /// ext, timestamps among them.
    Ext,
    /// 0xc1, which the specification never uses.
    Reserved,
}

/// How a value that begins with some byte is laid out.
#[derive(Clone, Copy, Debug)]
struct Format {
    kind: Kind,
    /// Bytes of the head: the first byte, and the length or number behind it.
    head: u8,
    /// Where in the head the number or length begins: 0 where it is part of the first byte.
    number_at: u8,
    /// Right shift that leaves the number alone in eight bytes loaded at `number_at`.
    shift: u8,
    /// Bits of the shifted number that count.
    mask: u64,
}

const fn format(first: u8) -> Format {
    match first {
        0x00..=0x7f => inside(Kind::Unsigned, 0x7f),
        0x80..=0x8f => inside(Kind::Map, 0x0f),
        0x90..=0x9f => inside(Kind::Array, 0x0f),
        0xa0..=0xbf => inside(Kind::Str, 0x1f),
        0xc0 => inside(Kind::Nil, 0),
        0xc1 => inside(Kind::Reserved, 0),
        0xc2 | 0xc3 => inside(Kind::Bool, 1),
        0xc4 => behind(Kind::Bin, 1),
        0xc5 => behind(Kind::Bin, 2),
        0xc6 => behind(Kind::Bin, 4),
        0xc7 => behind(Kind::Ext, 1),
        0xc8 => behind(Kind::Ext, 2),
        0xc9 => behind(Kind::Ext, 4),
        0xca => behind(Kind::Float, 4),
        0xcb => behind(Kind::Float, 8),
        0xcc => behind(Kind::Unsigned, 1),
        0xcd => behind(Kind::Unsigned, 2),
        0xce => behind(Kind::Unsigned, 4),
        0xcf => behind(Kind::Unsigned, 8),
        0xd0 => behind(Kind::Signed, 1),
        0xd1 => behind(Kind::Signed, 2),
        0xd2 => behind(Kind::Signed, 4),
        0xd3 => behind(Kind::Signed, 8),
        0xd4..=0xd8 => inside(Kind::Ext, 0),
        0xd9 => behind(Kind::Str, 1),
        0xda => behind(Kind::Str, 2),
        0xdb => behind(Kind::Str, 4),
        0xdc => behind(Kind::Array, 2),
        0xdd => behind(Kind::Array, 4),
        0xde => behind(Kind::Map, 2),
        0xdf => behind(Kind::Map, 4),
        0xe0..=0xff => Format { kind: Kind::Signed, head: 1, number_at: 0, shift: 56, mask: u64::MAX },
    }
}

/// The number is part of the first byte.
const fn inside(kind: Kind, mask: u64) -> Format {
    Format { kind, head: 1, number_at: 0, shift: 56, mask }
}

/// The number stands in the `bytes` behind the first byte.
const fn behind(kind: Kind, bytes: u8) -> Format {
    Format { kind, head: 1 + bytes, number_at: 1, shift: 64 - 8 * bytes, mask: u64::MAX }
}

static FORMATS: [Format; 256] = {
    let mut formats = [format(0); 256];
    let mut first = 0_u8;
    while first < 255 {
        first += 1;
        formats[first as usize] = format(first);
    }
    formats
};

/// The head of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it is.
    pub kind: Kind,
    /// The integer (its bits), the bits of the float, the length of text, binary or ext, the number of elements.
    pub number: u64,
    /// Where the head ends: there the next value begins, or the bytes of this one.
    pub end: usize,
    /// Bytes of the head.
    pub bytes: usize,
}

/// A cursor over msgpack values.
///
/// Invariant: `at <= end <= slot.len()`. Bytes of `slot` behind `end` are slack and never part of a value.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    slot: &'a [u8],
    /// Position of the next value.
    pub at: usize,
    end: usize,
}

/// A value's first eight bytes.
const WORD_BYTES: usize = 8;

impl<'a> Reader<'a> {
    /// A cursor at `at` of the first `end` bytes of `slot`.
    #[inline]
    #[must_use]
    pub fn new(slot: &'a [u8], at: usize, end: usize) -> Self {
        let end = end.min(slot.len());
        Self { slot, at: at.min(end), end }
    }

    /// Reads a value's head and moves behind it.
    ///
    /// # Errors
    /// [`Reason::Incomplete`] where the bytes end first, [`Reason::ReservedByte`] for 0xc1.
    #[inline(always)]
    pub fn head(&mut self) -> Result<Head, Reason> {
        if self.at >= self.end {
            return Err(Reason::Incomplete);
        }
        let format = &FORMATS[usize::from(self.slot[self.at])];
        let word = self.word(self.at + usize::from(format.number_at));
        let number = match format.kind {
            Kind::Signed => (word.cast_signed() >> format.shift).cast_unsigned(),
            _ => (word >> format.shift) & format.mask,
        };
        let end = self.at + usize::from(format.head);
        if end > self.end {
            return Err(Reason::Incomplete);
        }
        self.at = end;
        Ok(Head { kind: format.kind, number, end, bytes: usize::from(format.head) })
    }

    /// Eight bytes from `at` on, as a big-endian number; zeros where there is no memory.
    #[inline(always)]
    fn word(&self, at: usize) -> u64 {
        match self.slot.get(at..at + WORD_BYTES) {
            Some(bytes) => u64::from_be_bytes(bytes.try_into().unwrap_or_default()),
            None => self.word_at_end(at),
        }
    }

    #[cold]
    fn word_at_end(&self, at: usize) -> u64 {
        let mut word = [0; WORD_BYTES];
        let rest = self.slot.get(at..).unwrap_or_default();
        let known = rest.len().min(WORD_BYTES);
        word[..known].copy_from_slice(&rest[..known]);
        u64::from_be_bytes(word)
    }

    /// Takes the `length` bytes behind a head.
    ///
    /// # Errors
    /// [`Reason::Incomplete`] where there are fewer.
    #[inline]
    pub fn bytes(&mut self, length: u64) -> Result<&'a [u8], Reason> {
        let left = self.end - self.at;
        let length = usize::try_from(length).ok().filter(|length| *length <= left).ok_or(Reason::Incomplete)?;
        let bytes = &self.slot[self.at..self.at + length];
        self.at += length;
        Ok(bytes)
    }

    /// Takes the `length` bytes behind a head, and zeros behind them: at most sixteen in all.
    ///
    /// # Errors
    /// [`Reason::Incomplete`] where there are fewer, [`Reason::TooLong`] where they are more than sixteen.
    #[inline]
    pub fn sixteen_bytes(&mut self, length: u64) -> Result<[u8; 16], Reason> {
        let at = self.at;
        let bytes = self.bytes(length)?;
        let unused_bits = 16_usize.checked_sub(bytes.len()).ok_or(Reason::TooLong)? * 8;
        Ok(match self.slot[at..].first_chunk() {
            // One load and one mask: a copy of so many bytes would be a call.
            Some(sixteen) if unused_bits < 128 => {
                (u128::from_le_bytes(*sixteen) << unused_bits >> unused_bits).to_le_bytes()
            }
            _ => {
                let mut sixteen = [0; 16];
                sixteen[..bytes.len()].copy_from_slice(bytes);
                sixteen
            }
        })
    }

    /// The type and the data of the ext whose head was just read.
    ///
    /// # Errors
    /// [`Reason::Incomplete`] where the bytes end first.
    pub fn ext(&mut self, head: Head) -> Result<(i8, &'a [u8]), Reason> {
        let first = self.slot[head.end - 1];
        // fixext 1, 2, 4, 8 and 16 say their length by their first byte; the other formats have told it as a number.
        let is_fixext = matches!(first, 0xd4..=0xd8) && head.number == 0;
        let length = if is_fixext { 1 << (first - 0xd4) } else { head.number };
        let kind = self.bytes(1)?[0].cast_signed();
        Ok((kind, self.bytes(length)?))
    }

    /// Moves behind the next value, whatever it is.
    ///
    /// Nested values are counted, not recursed into, and a count larger than the bytes that are left is refused at once:
    /// the time is bounded by the bytes, and the memory is constant.
    ///
    /// # Errors
    /// [`Reason::Incomplete`] or [`Reason::ReservedByte`].
    pub fn skip(&mut self) -> Result<(), Reason> {
        let mut pending: u64 = 1;
        while pending > 0 {
            pending -= 1;
            pending += self.skip_one()?;
            if pending > (self.end - self.at) as u64 {
                return Err(Reason::Incomplete);
            }
        }
        Ok(())
    }

    /// Moves behind one value that is not a container, or behind a container's head; returns its number of elements.
    fn skip_one(&mut self) -> Result<u64, Reason> {
        let head = self.head()?;
        match head.kind {
            Kind::Str | Kind::Bin => self.bytes(head.number).map(|_| 0),
            Kind::Ext => self.ext(head).map(|_| 0),
            Kind::Array => Ok(head.number),
            Kind::Map => Ok(head.number * 2),
            Kind::Reserved => Err(Reason::ReservedByte),
            Kind::Unsigned | Kind::Signed | Kind::Nil | Kind::Bool | Kind::Float => Ok(0),
        }
    }
}

/// Extension type of timestamps.
const TIMESTAMP: i8 = -1;
const NS_PER_S: i128 = 1_000_000_000;

/// A timestamp extension as nanoseconds since 1970.
///
/// # Errors
/// [`Reason::WrongKind`] where it is another extension, [`Reason::OutOfRange`] where 64 bits cannot hold it or its
/// nanoseconds are more than a second.
pub fn timestamp_ns(kind: i8, data: &[u8]) -> Result<i64, Reason> {
    if kind != TIMESTAMP {
        return Err(Reason::WrongKind);
    }
    let (seconds, nanoseconds) = match data.len() {
        4 => (i128::from(be(data)), 0),
        8 => (i128::from(be(data) & 0x3_ffff_ffff), be(data) >> 34),
        12 => (i128::from(be(&data[4..]).cast_signed()), be(&data[..4])),
        _ => return Err(Reason::WrongKind),
    };
    if i128::from(nanoseconds) >= NS_PER_S {
        return Err(Reason::OutOfRange);
    }
    i64::try_from(seconds * NS_PER_S + i128::from(nanoseconds)).map_err(|_| Reason::OutOfRange)
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}
