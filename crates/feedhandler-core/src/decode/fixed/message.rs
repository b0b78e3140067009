//! One message type, compiled: what moves from the message into its row, and what moving cannot do.

use super::kernel::Kernel;
use super::shuffle::{self, LANES, Move};
use super::wide::WideRow;
use crate::layout::{Column, LEADING_BYTES, RowLayout};
use crate::padded::SLACK_BYTES;
use crate::plan::{MOST_MESSAGE_BYTES, PlanError};
use crate::spec::{BinaryFieldSpec, BinaryKind, BinaryMessageSpec, ByteOrder, IntSpec};

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(in crate::decode) struct Message {
    /// Declared length.
    pub length: usize,
    /// Length without the optional fields.
    pub min_length: usize,
    /// Index of its table.
    pub table: u16,
    /// First byte behind each field, in order: a message that ends within a field ends before it.
    field_ends: Vec<usize>,
    /// The row but for its leading columns, in pieces of sixteen bytes.
    pub moves: Vec<Move<LANES>>,
    /// What is to be done to the row then.
    pub mends: Vec<Mend>,
    /// The same row in pieces of 64.
    pub wide: WideRow,
}

/// What is done to a column in its place.
#[derive(Clone, Copy, Debug)]
pub(in crate::decode) enum Mend {
    /// The column at `at` holds a two's complement number of fewer bits than the column.
    ExtendSign { at: usize, width: usize, used_bytes: usize },
    /// Spaces at the right end of the text at `at` are padding.
    Strip { at: usize, width: usize },
}

impl Message {
    /// Compiles a message.
    ///
    /// # Errors
    /// [`PlanError`] where a field stands outside the message or has a width that its kind cannot have.
    pub fn new(spec: &BinaryMessageSpec, code: Option<IntSpec>, table: u16) -> Result<(Self, RowLayout), PlanError> {
        check_message(spec, code)?;
        let fields: Vec<_> = spec.fields.iter().collect();
        let layout = RowLayout::of_message(fields.iter().map(|field| column_of(field)));
        let message = Self::of_row(&fields, &layout, LEADING_BYTES, spec.length);
        Ok((Self { min_length: spec.min_length, table, ..message }, layout))
    }

    /// How the fields of a block become a row of `table`: those of the last columns of `layout` but for `tail` ones, which are
    /// left empty. The row's first `start` bytes are left to the leading columns. Its length is where the last field ends.
    ///
    /// Every field must have been checked by [`check_field`].
    pub fn of_block(fields: &[&BinaryFieldSpec], layout: &RowLayout, tail: usize, start: usize, table: u16) -> Self {
        let mut without_tail = layout.clone();
        without_tail.columns.truncate(layout.columns.len() - tail);
        let length = fields.iter().map(|field| field.offset + field.width).max().unwrap_or(0);
        Self { table, ..Self::of_row(fields, &without_tail, start, length) }
    }

    fn of_row(fields: &[&BinaryFieldSpec], layout: &RowLayout, start: usize, length: usize) -> Self {
        let columns = &layout.columns[layout.columns.len() - fields.len()..];
        let mut sources = vec![None; layout.row_bytes];
        for (field, column) in fields.iter().zip(columns) {
            place_bytes(field, column, &mut sources);
        }
        let mends: Vec<_> = fields.iter().zip(columns).filter_map(|(field, column)| mend(field, column)).collect();
        let mut field_ends: Vec<_> = fields.iter().map(|field| field.offset + field.width).collect();
        field_ends.sort_unstable();
        Self {
            length,
            min_length: length,
            table: 0,
            field_ends,
            moves: shuffle::plan(&sources, start),
            wide: WideRow::new(&sources, &mends),
            mends,
        }
    }

    /// What stands for all that the declaration does not know: no message is as long.
    pub fn unknown() -> Self {
        Self {
            length: usize::MAX,
            min_length: usize::MAX,
            table: 0,
            field_ends: Vec::new(),
            moves: Vec::new(),
            mends: Vec::new(),
            wide: WideRow::new(&[None; LEADING_BYTES], &[]),
        }
    }

    /// Whether its row is one move of 64 bytes, and nothing besides.
    pub fn is_one_move(&self) -> bool {
        self.wide.is_one_move()
    }

    /// Writes the row of a message, perhaps without its optional fields: what is missing reads as zeros.
    ///
    /// # Safety
    /// `to` must be a row of the message's table with its slack; the CPU must have what `K` uses.
    pub unsafe fn write_any<K: Kernel>(&self, bytes: &[u8], leading: K::Leading, to: *mut u8, full: &mut Vec<u8>) {
        let known = self.field_ends.partition_point(|end| *end <= bytes.len());
        let whole = known.checked_sub(1).map_or(0, |last| self.field_ends[last]);
        full.clear();
        full.extend_from_slice(&bytes[..whole]);
        full.resize(self.length + SLACK_BYTES, 0);
        // SAFETY: `full` is as long as declared, and slack; the caller vouches for the rest.
        unsafe { K::write_row(self, leading, full.as_ptr(), to) };
    }
}

impl Mend {
    /// # Safety
    /// The column must lie within the row at `row`, and its bytes must be initialised.
    #[inline(always)]
    pub unsafe fn column(self, row: *mut u8) {
        let (Self::Strip { at, width } | Self::ExtendSign { at, width, .. }) = self;
        // SAFETY: the column is `width` bytes of the row.
        let column = unsafe { std::slice::from_raw_parts_mut(row.add(at), width) };
        match self {
            Self::Strip { .. } => strip(column),
            Self::ExtendSign { used_bytes, .. } => extend_sign(column, used_bytes),
        }
    }
}

/// Spaces and zeros at the right end become zeros.
fn strip(text: &mut [u8]) {
    for byte in text.iter_mut().rev() {
        match *byte {
            b' ' | 0 => *byte = 0,
            _ => break,
        }
    }
}

/// Two's complement of fewer bits, widened in place to four or eight bytes.
fn extend_sign(column: &mut [u8], used_bytes: usize) {
    let unused_bits = (column.len() - used_bytes) * 8;
    if let Some(eight) = column.first_chunk_mut::<8>() {
        *eight = (i64::from_le_bytes(*eight) << unused_bits >> unused_bits).to_le_bytes();
    } else if let Some(four) = column.first_chunk_mut::<4>() {
        *four = (i32::from_le_bytes(*four) << unused_bits >> unused_bits).to_le_bytes();
    }
}

/// Notes for each byte of a column which byte of the message it is.
fn place_bytes(field: &BinaryFieldSpec, column: &Column, sources: &mut [Option<usize>]) {
    let is_number = matches!(field.kind, BinaryKind::Uint | BinaryKind::Int | BinaryKind::Float);
    let is_wire_order = !is_number || field.byte_order == ByteOrder::Little;
    for byte in 0..field.width {
        let source = if is_wire_order { byte } else { field.width - 1 - byte };
        sources[column.offset + byte] = Some(field.offset + source);
    }
}

fn mend(field: &BinaryFieldSpec, column: &Column) -> Option<Mend> {
    let (at, width) = (column.offset, column.width);
    match field.kind {
        BinaryKind::Int if width > field.width => Some(Mend::ExtendSign { at, width, used_bytes: field.width }),
        BinaryKind::Ascii => Some(Mend::Strip { at, width }),
        _ => None,
    }
}

/// Name, format and width of a field's column.
pub(in crate::decode) fn column_of(field: &BinaryFieldSpec) -> (&str, String, usize) {
    (&field.name, format(field), column_width(field))
}

fn column_width(field: &BinaryFieldSpec) -> usize {
    match field.kind {
        BinaryKind::Uint | BinaryKind::Int => field.width.next_power_of_two(),
        _ => field.width,
    }
}

fn format(field: &BinaryFieldSpec) -> String {
    let letter = match field.kind {
        BinaryKind::Uint => 'u',
        BinaryKind::Int => 'i',
        BinaryKind::Float => 'f',
        BinaryKind::Char | BinaryKind::Ascii => 'S',
        BinaryKind::Bytes => 'V',
    };
    format!("{letter}{}", column_width(field))
}

fn check_message(spec: &BinaryMessageSpec, code: Option<IntSpec>) -> Result<(), PlanError> {
    let code_end = code.map_or(0, |code| code.offset + code.width);
    if spec.length > MOST_MESSAGE_BYTES || spec.min_length > spec.length || spec.length < code_end {
        let what =
            format!("lengths do not fit: full {}, least {}, code ends at {code_end}", spec.length, spec.min_length);
        return Err(PlanError::new(&spec.name, what));
    }
    if code.is_some() == spec.codes.is_empty() {
        return Err(PlanError::new(&spec.name, "a message has codes exactly where the protocol has a code field"));
    }
    spec.fields.iter().try_for_each(|field| check_field(field, &spec.name, spec.length))
}

/// Checks that a field is of a width that its kind can have, and stands within the `length` bytes of what is called `name`.
///
/// # Errors
/// [`PlanError`] where it is not so.
pub(in crate::decode) fn check_field(field: &BinaryFieldSpec, name: &str, length: usize) -> Result<(), PlanError> {
    let is_width_possible = match field.kind {
        BinaryKind::Uint | BinaryKind::Int => (1..=8).contains(&field.width),
        BinaryKind::Float => matches!(field.width, 4 | 8),
        BinaryKind::Char => field.width == 1,
        BinaryKind::Ascii | BinaryKind::Bytes => field.width > 0,
    };
    let is_inside = field.offset.checked_add(field.width).is_some_and(|end| end <= length);
    if is_width_possible && is_inside {
        return Ok(());
    }
    let what = format!("{:?} of {} bytes at {} of {}", field.kind, field.width, field.offset, length);
    Err(PlanError::new(format!("{name}.{}", field.name), what))
}
