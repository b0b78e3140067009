//! A block of fixed fields, compiled: how it becomes a row, and what it holds by versions of the schema.

use crate::decode::fixed::message::{Message, check_field, column_of};
use crate::layout::{Column, LEADING_BYTES, PARENT_END, RowLayout};
use crate::padded::SLACK_BYTES;
use crate::plan::{MOST_MESSAGE_BYTES, PlanError};
use crate::spec::{BinaryKind, ByteOrder, SbeBlockSpec, SbeFieldSpec};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Block {
    /// How its known fields become a row.
    pub message: Message,
    /// Index of its table.
    pub table: u16,
    /// Where the last of its fields ends.
    known: u64,
    /// Length as the schema states it: one that is longer is of a newer version.
    pub declared: u64,
    /// The version that has all fields.
    pub complete_since: u64,
    fields: Vec<Versioned>,
    /// The block in which every field is null.
    nulls: Vec<u8>,
}

/// Where a field stands, and since when.
#[derive(Clone, Copy, Debug)]
struct Versioned {
    offset: usize,
    end: usize,
    since: u64,
}

impl Block {
    /// Compiles the fixed part of a block, and lays out its table.
    ///
    /// # Errors
    /// [`PlanError`] where a field stands outside of it or has a width that its kind cannot have.
    pub fn new(spec: &SbeBlockSpec, table: u16, is_entry: bool) -> Result<(Self, RowLayout), PlanError> {
        if spec.length > MOST_MESSAGE_BYTES {
            return Err(PlanError::new(&spec.name, format!("a block of {} bytes", spec.length)));
        }
        spec.fields.iter().try_for_each(|field| check_field(&field.field, &spec.name, spec.length))?;
        let layout = layout(spec, is_entry);
        let fields: Vec<_> = spec.fields.iter().map(|field| &field.field).collect();
        let start = if is_entry { PARENT_END } else { LEADING_BYTES };
        let message = Message::of_block(&fields, &layout, 2 * spec.data.len(), start, table);
        let block = Self {
            table,
            known: message.length as u64,
            declared: spec.length as u64,
            complete_since: spec.fields.iter().map(|field| field.since).max().unwrap_or(0),
            fields: spec.fields.iter().map(Versioned::new).collect(),
            nulls: nulls(&spec.fields, message.length),
            message,
        };
        Ok((block, layout))
    }

    /// Whether a block of so many bytes and of that version has all fields.
    #[inline(always)]
    pub fn is_whole(&self, bytes: u64, version: u64) -> bool {
        bytes >= self.known && version >= self.complete_since
    }

    /// Whether a block of so many bytes is of a newer version.
    #[inline(always)]
    pub fn is_longer(&self, bytes: u64) -> bool {
        bytes > self.declared
    }

    /// Whether a block of so many bytes has the fields that one of that version has at least.
    #[cold]
    pub fn is_long_enough(&self, bytes: usize, version: u64) -> bool {
        self.fields.iter().all(|field| field.since > version || field.end <= bytes)
    }

    /// Puts a block together of the fields that it has by its version, and nulls, with slack behind it.
    #[cold]
    pub fn complete(&self, bytes: &[u8], version: u64, to: &mut Vec<u8>) {
        to.clear();
        to.extend_from_slice(&self.nulls);
        for field in self.fields.iter().filter(|field| field.since <= version) {
            if let Some(value) = bytes.get(field.offset..field.end) {
                to[field.offset..field.end].copy_from_slice(value);
            }
        }
        to.resize(self.nulls.len() + SLACK_BYTES, 0);
    }
}

impl Versioned {
    fn new(spec: &SbeFieldSpec) -> Self {
        let offset = spec.field.offset;
        Self { offset, end: offset + spec.field.width, since: spec.since }
    }
}

/// The leading columns, the parent of an entry, the fields; for data its bytes and its length.
fn layout(spec: &SbeBlockSpec, is_entry: bool) -> RowLayout {
    let fields = spec.fields.iter().map(|field| column_of(&field.field));
    let data = spec.data.iter().flat_map(|data| {
        let kind = if data.is_text { 'S' } else { 'V' };
        let bytes = (data.name.as_str(), format!("{kind}{}", data.capacity), data.capacity);
        [bytes, (data.length_name.as_str(), "u4".to_owned(), 4)]
    });
    let columns = fields.chain(data);
    if is_entry { RowLayout::of_group(columns) } else { RowLayout::of_message(columns) }
}

/// The columns of data, in pairs.
pub(super) fn data_columns(spec: &SbeBlockSpec, layout: &RowLayout) -> Vec<[Column; 2]> {
    let columns = &layout.columns[layout.columns.len() - 2 * spec.data.len()..];
    columns.as_chunks().0.to_vec()
}

fn nulls(fields: &[SbeFieldSpec], known_bytes: usize) -> Vec<u8> {
    let mut block = vec![0; known_bytes];
    for SbeFieldSpec { field, null, .. } in fields {
        let place = &mut block[field.offset..field.offset + field.width];
        if matches!(field.kind, BinaryKind::Ascii | BinaryKind::Bytes) {
            continue;
        }
        match field.byte_order {
            ByteOrder::Big => place.copy_from_slice(&null.to_be_bytes()[8 - field.width..]),
            ByteOrder::Little => place.copy_from_slice(&null.to_le_bytes()[..field.width]),
        }
    }
    block
}
