//! Makes good SBE messages of a schema: of its version, of one before it, and of the next.

use feedhandler_core::spec::{CodeValue, IntSpec, SbeBlockSpec, SbeDataSpec, SbeGroupSpec, SbeSpec};

use super::chance::Chance;
use super::encoder::put;

/// Entries that a group has at most.
const MOST_ENTRIES: usize = 4;
/// Bytes that data has at most: more than some columns hold.
const MOST_DATA_BYTES: usize = 24;

/// A message of the type at `index`, with fields of chance.
pub(super) fn message(spec: &SbeSpec, index: usize, chance: &mut Chance<'_>) -> Vec<u8> {
    let message = &spec.messages[index];
    let version = match chance.byte() % 8 {
        0 => chance.number() % (spec.version + 1),
        1 => spec.version + 1,
        _ => spec.version,
    };
    let bytes = block_bytes(&message.block, spec, version);
    let CodeValue::Int(id) = message.code.value else { return Vec::new() };
    let mut to = vec![0; spec.header.bytes];
    let numbers = [
        (Some(spec.header.block_length), bytes as u64),
        (Some(spec.header.template_id), id.cast_unsigned()),
        (spec.header.schema_id, spec.schema_id),
        (spec.header.version, version),
    ];
    for (field, number) in numbers {
        if let Some(field) = field {
            put(&mut to, field, number);
        }
    }
    block(&mut to, &message.block, spec, version, chance);
    to
}

/// What a block of some version has at least: its fields, and in a newer version some more.
fn block_bytes(block: &SbeBlockSpec, spec: &SbeSpec, version: u64) -> usize {
    if version > spec.version {
        return block.length + 3;
    }
    let fields = block.fields.iter().filter(|field| field.since <= version);
    fields.map(|field| field.field.offset + field.field.width).max().unwrap_or(0)
}

fn block(to: &mut Vec<u8>, block: &SbeBlockSpec, spec: &SbeSpec, version: u64, chance: &mut Chance<'_>) {
    to.extend((0..block_bytes(block, spec, version)).map(|_| chance.byte()));
    for group in block.groups.iter().filter(|group| group.since <= version) {
        entries(to, group, spec, version, chance);
    }
    for each in block.data.iter().filter(|data| data.since <= version) {
        data(to, each, chance);
    }
}

fn entries(to: &mut Vec<u8>, group: &SbeGroupSpec, spec: &SbeSpec, version: u64, chance: &mut Chance<'_>) {
    let count = chance.below(MOST_ENTRIES);
    prefix(
        to,
        group.dimension.bytes,
        &[
            (group.dimension.block_length, block_bytes(&group.block, spec, version)),
            (group.dimension.num_in_group, count),
        ],
    );
    (0..count).for_each(|_| block(to, &group.block, spec, version, chance));
}

fn data(to: &mut Vec<u8>, data: &SbeDataSpec, chance: &mut Chance<'_>) {
    let length = chance.below(MOST_DATA_BYTES);
    prefix(to, data.data_offset, &[(data.length, length)]);
    to.extend((0..length).map(|_| chance.byte()));
}

/// Appends numbers that stand in front of something.
fn prefix(to: &mut Vec<u8>, bytes: usize, numbers: &[(IntSpec, usize)]) {
    let mut prefix = vec![0; bytes];
    for (field, number) in numbers {
        put(&mut prefix, *field, *number as u64);
    }
    to.extend(prefix);
}
