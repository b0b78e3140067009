//! What goes wrong with bytes.

use super::chance::Chance;

/// Spoils `bytes` in a way of chance.
pub fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance<'_>) {
    let at = chance.below(bytes.len().max(1));
    match chance.byte() % 8 {
        0 => bytes.truncate(at),
        1 => overwrite(bytes, at, &chance.number().to_be_bytes()),
        2 => overwrite(bytes, at, &chance.number().to_le_bytes()),
        3 => overwrite(bytes, at, &[0xff; 4][..=chance.below(4)]),
        4 => drop(bytes.splice(at..at, chance.bytes(8).iter().copied())),
        5 => drop(bytes.drain(at..(at + 1 + chance.below(8)).min(bytes.len()).max(at))),
        6 => {
            let piece = bytes[at..].to_vec();
            bytes.extend(piece);
        }
        _ => overwrite(bytes, at, &[chance.byte()]),
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, value) in bytes.iter_mut().skip(at).zip(with) {
        *byte = *value;
    }
}
