//! One value becomes one column.

use crate::malformed::Reason;
use crate::msgpack::{Head, Kind, Reader, timestamp_ns};
use crate::plan::PlanError;
use crate::spec::{MsgpackFieldSpec, MsgpackKind, MsgpackMessageSpec};

/// A field's value, and where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    /// Where the column stands in the row.
    pub to: usize,
    /// How it is written.
    pub store: Store,
    is_required: bool,
    is_nullable: bool,
}

/// How a value becomes a column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Store {
    Uint { bytes: usize, bits: u32 },
    Int { bytes: usize, bits: u32 },
    Float32,
    Float64,
    Bool,
    Str { most: usize },
    Bin { most: usize },
    Timestamp,
}

impl Leaf {
    /// A field whose column stands at `to` of the row.
    pub fn new(field: &MsgpackFieldSpec, to: usize) -> Self {
        Self { to, store: store(field), is_required: !field.optional, is_nullable: field.nullable }
    }

    /// The same with the column at `to`.
    pub fn at(self, to: usize) -> Self {
        Self { to, ..self }
    }

    /// Reads the value and writes the column; counts it in `found` where it must be there.
    #[inline(always)]
    pub fn write(&self, reader: &mut Reader<'_>, row: &mut [u8], found: &mut u32) -> Result<(), Reason> {
        let head = reader.head()?;
        *found += u32::from(self.is_required);
        match (self.store, head.kind) {
            (Store::Uint { bytes, bits }, Kind::Unsigned) => put_unsigned(row, self.to, bytes, bits, head.number),
            (Store::Uint { bytes, bits }, Kind::Signed) if head.number.cast_signed() >= 0 => {
                put_unsigned(row, self.to, bytes, bits, head.number)
            }
            (Store::Uint { .. }, Kind::Signed) => Err(Reason::OutOfRange),
            (Store::Int { bytes, bits }, Kind::Unsigned) => {
                // One bit fewer is left for an unsigned number; it is refused where it would look negative.
                put_unsigned(row, self.to, bytes, bits - 1, head.number)
            }
            (Store::Int { bytes, bits }, Kind::Signed) => put_signed(row, self.to, bytes, bits, head.number),
            (_, Kind::Nil) if self.is_nullable => Ok(()),
            (_, Kind::Reserved) => Err(Reason::ReservedByte),
            _ => self.write_other(head, reader, row),
        }
    }

    fn write_other(&self, head: Head, reader: &mut Reader<'_>, row: &mut [u8]) -> Result<(), Reason> {
        match (self.store, head.kind) {
            (Store::Float32, Kind::Float | Kind::Unsigned | Kind::Signed) => {
                #[expect(clippy::cast_possible_truncation, reason = "the declaration asks for 32 bits")]
                let value = float(head) as f32;
                put(row, self.to, &value.to_ne_bytes());
            }
            (Store::Float64, Kind::Float | Kind::Unsigned | Kind::Signed) => {
                put(row, self.to, &float(head).to_ne_bytes());
            }
            (Store::Bool, Kind::Bool) => put(row, self.to, &[u8::from(head.number != 0)]),
            (Store::Str { most }, Kind::Str) | (Store::Bin { most }, Kind::Bin) => {
                let bytes = reader.bytes(head.number)?;
                if bytes.len() > most {
                    return Err(Reason::TooLong);
                }
                put(row, self.to, bytes);
                row[self.to + bytes.len()..self.to + most].fill(0);
            }
            (Store::Timestamp, Kind::Ext) => {
                let (kind, data) = reader.ext(head)?;
                put(row, self.to, &timestamp_ns(kind, data)?.to_ne_bytes());
            }
            _ => return Err(Reason::WrongKind),
        }
        Ok(())
    }
}

#[inline(always)]
fn put(row: &mut [u8], at: usize, bytes: &[u8]) {
    row[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Stores the low `bytes` of a number that must fit `bits`.
#[inline(always)]
fn put_unsigned(row: &mut [u8], at: usize, bytes: usize, bits: u32, number: u64) -> Result<(), Reason> {
    if bits < u64::BITS && number >> bits != 0 {
        return Err(Reason::OutOfRange);
    }
    put_low(row, at, bytes, number);
    Ok(())
}

#[inline(always)]
fn put_signed(row: &mut [u8], at: usize, bytes: usize, bits: u32, number: u64) -> Result<(), Reason> {
    let unused = u64::BITS - bits;
    if ((number << unused).cast_signed() >> unused).cast_unsigned() != number {
        return Err(Reason::OutOfRange);
    }
    put_low(row, at, bytes, number);
    Ok(())
}

#[inline(always)]
fn put_low(row: &mut [u8], at: usize, bytes: usize, number: u64) {
    let word = number.to_le_bytes();
    match bytes {
        8 => put(row, at, &word),
        4 => put(row, at, &word[..4]),
        2 => put(row, at, &word[..2]),
        _ => put(row, at, &word[..1]),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a float column asks for the nearest float")]
fn float(head: Head) -> f64 {
    match (head.kind, head.bytes) {
        (Kind::Unsigned, _) => head.number as f64,
        (Kind::Signed, _) => head.number.cast_signed() as f64,
        (_, FLOAT_32_BYTES) => f64::from(f32::from_bits(u32::try_from(head.number).unwrap_or_default())),
        _ => f64::from_bits(head.number),
    }
}

/// Bytes of a float 32, its first byte included.
const FLOAT_32_BYTES: usize = 5;

fn store(field: &MsgpackFieldSpec) -> Store {
    let (bytes, bits) = (field.width, u32::try_from(field.width * 8).unwrap_or(0));
    match field.kind {
        MsgpackKind::Uint => Store::Uint { bytes, bits },
        MsgpackKind::Int => Store::Int { bytes, bits },
        MsgpackKind::Float if bytes == 4 => Store::Float32,
        MsgpackKind::Float => Store::Float64,
        MsgpackKind::Bool => Store::Bool,
        MsgpackKind::Str => Store::Str { most: bytes },
        MsgpackKind::Bin => Store::Bin { most: bytes },
        MsgpackKind::Timestamp => Store::Timestamp,
    }
}

/// The column's numpy format.
pub(super) fn format(field: &MsgpackFieldSpec, spec: &MsgpackMessageSpec) -> Result<String, PlanError> {
    let (letter, is_possible) = match field.kind {
        MsgpackKind::Uint => ('u', matches!(field.width, 1 | 2 | 4 | 8)),
        MsgpackKind::Int => ('i', matches!(field.width, 1 | 2 | 4 | 8)),
        MsgpackKind::Float => ('f', matches!(field.width, 4 | 8)),
        MsgpackKind::Bool => ('?', field.width == 1),
        MsgpackKind::Str => ('S', (1..=65_535).contains(&field.width)),
        MsgpackKind::Bin => ('V', (1..=65_535).contains(&field.width)),
        MsgpackKind::Timestamp => ('i', field.width == 8),
    };
    if is_possible {
        return Ok(if letter == '?' { "?".to_owned() } else { format!("{letter}{}", field.width) });
    }
    let what = format!("a column of kind {:?} cannot have {} bytes", field.kind, field.width);
    Err(PlanError::new(format!("{}.{}", spec.name, field.name), what))
}

/// What a column holds where there is no value.
pub(super) fn null(field: &MsgpackFieldSpec) -> Vec<u8> {
    match (field.kind, field.width) {
        (MsgpackKind::Float, 4) => f32::NAN.to_ne_bytes().to_vec(),
        (MsgpackKind::Float, _) => f64::NAN.to_ne_bytes().to_vec(),
        (MsgpackKind::Uint | MsgpackKind::Int | MsgpackKind::Timestamp, width) => {
            field.null.to_le_bytes()[..width].to_vec()
        }
        (_, width) => vec![0; width],
    }
}
