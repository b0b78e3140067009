//! msgpack written in any format that holds the value, so that every format is read.

use super::chance::Chance;

/// Appends an integer in a format of chance that can hold it.
pub fn unsigned(to: &mut Vec<u8>, number: u64, chance: &mut Chance<'_>) {
    let least = match number {
        0..=0x7f => 0,
        0x80..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 3,
        _ => 4,
    };
    let format = least + chance.below(5 - least);
    let bytes = number.to_be_bytes();
    match format {
        0 => to.push(bytes[7]),
        format => {
            to.push(0xcb + u8::try_from(format).unwrap_or(0));
            to.extend(&bytes[8 - (1 << (format - 1))..]);
        }
    }
}

/// Appends an integer that may be negative.
pub fn signed(to: &mut Vec<u8>, number: i64, chance: &mut Chance<'_>) {
    match number {
        0.. => unsigned(to, number.unsigned_abs(), chance),
        -32..0 => to.push(number.to_le_bytes()[0]),
        _ => {
            to.push(0xd3);
            to.extend(number.to_be_bytes());
        }
    }
}

/// Appends text, in the shortest format.
pub fn text(to: &mut Vec<u8>, text: &str) {
    sized(to, text.as_bytes(), 0xd9);
}

/// Appends binary, in the shortest format.
pub fn binary(to: &mut Vec<u8>, bytes: &[u8]) {
    sized(to, bytes, 0xc4);
}

fn sized(to: &mut Vec<u8>, bytes: &[u8], format: u8) {
    if let Ok(length) = u8::try_from(bytes.len()) {
        to.extend([format, length]);
    } else {
        to.push(format + 1);
        to.extend(u16::try_from(bytes.len()).expect("a short value").to_be_bytes());
    }
    to.extend(bytes);
}

/// Appends the head of an array.
pub fn array(to: &mut Vec<u8>, elements: usize) {
    to.push(0xdc);
    to.extend(u16::try_from(elements).expect("few elements").to_be_bytes());
}

/// Appends the head of a map.
pub fn map(to: &mut Vec<u8>, entries: usize) {
    to.push(0xde);
    to.extend(u16::try_from(entries).expect("few entries").to_be_bytes());
}

/// Appends nil.
pub fn nil(to: &mut Vec<u8>) {
    to.push(0xc0);
}
