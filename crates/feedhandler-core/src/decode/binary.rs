//! Messages with fixed fields: a type code, a length, and a byte permutation.

use super::shuffle::{self, Move, Portable, Shuffle};
use super::{Decoded, Decoder, Payload};
use crate::batch::BatchBuilder;
use crate::field::IntField;
use crate::framing::Delimiter;
use crate::layout::{Column, LEADING_BYTES, RowLayout};
use crate::malformed::Reason;
use crate::padded::SLACK_BYTES;
use crate::plan::{MOST_MESSAGE_BYTES, PlanError};
use crate::spec::{BinaryFieldSpec, BinaryKind, BinaryMessageSpec, ByteOrder, CodeSpec, CodeValue, IntSpec};

/// Everything decode knows of a protocol with fixed fields.
#[derive(Debug)]
pub struct BinaryPlan {
    code: Option<IntField>,
    /// Index of the code by its value; [`NO_CODE`] where there is none.
    code_index: Vec<u16>,
    /// Table of each code.
    code_table: Vec<u16>,
    messages: Vec<Message>,
    layouts: Vec<RowLayout>,
    has_ssse3: bool,
}

const NO_CODE: u16 = u16::MAX;
/// Largest code value: type codes are of one or two bytes.
const MOST_CODE: i64 = 0xffff;

/// One message type, compiled.
#[derive(Debug)]
struct Message {
    length: usize,
    min_length: usize,
    /// First byte behind each field, in order: a message that ends within a field ends before it.
    field_ends: Vec<usize>,
    moves: Vec<Move>,
    fixups: Vec<Fixup>,
}

/// What moving bytes cannot do.
#[derive(Clone, Copy, Debug)]
enum Fixup {
    /// The column at `at` holds a two's complement number of fewer bits than the column.
    ExtendSign { at: usize, width: usize, used_bytes: usize },
    /// Spaces at the right end of the text at `at` are padding.
    StripSpaces { at: usize, width: usize },
}

impl BinaryPlan {
    /// Compiles messages.
    ///
    /// # Errors
    /// [`PlanError`] where a field stands outside its message or has a width that its kind cannot have.
    pub fn new(code: Option<IntSpec>, specs: &[BinaryMessageSpec]) -> Result<Self, PlanError> {
        let mut plan = Self {
            code: code.map(IntField::new),
            code_index: Vec::new(),
            code_table: Vec::new(),
            messages: Vec::new(),
            layouts: Vec::new(),
            has_ssse3: has_ssse3(),
        };
        for (spec, table) in specs.iter().zip(0_u16..) {
            check_message(spec, code)?;
            let layout =
                RowLayout::of_message(spec.fields.iter().map(|f| (f.name.as_str(), format(f), column_width(f))));
            plan.add_codes(&spec.codes, table, &spec.name)?;
            plan.messages.push(Message::new(spec, &layout));
            plan.layouts.push(layout);
        }
        if plan.code.is_none() && specs.len() > 1 {
            return Err(PlanError::new("messages", "several messages need a code that tells them apart"));
        }
        Ok(plan)
    }

    fn add_codes(&mut self, codes: &[CodeSpec], table: u16, name: &str) -> Result<(), PlanError> {
        if codes.is_empty() {
            self.code_table.push(table);
        }
        for code in codes {
            let CodeValue::Int(value @ 0..=MOST_CODE) = code.value else {
                return Err(PlanError::new(name, format!("a code of one or two bytes is needed, found {}", code.text)));
            };
            let value = usize::try_from(value).unwrap_or_default();
            self.code_index.resize(self.code_index.len().max(value + 1), NO_CODE);
            if self.code_index[value] != NO_CODE {
                return Err(PlanError::new(name, format!("code {} is taken by another message", code.text)));
            }
            self.code_index[value] = u16::try_from(self.code_table.len()).unwrap_or(NO_CODE);
            self.code_table.push(table);
        }
        Ok(())
    }

    /// Row layouts, one a message.
    #[must_use]
    pub fn layouts(&self) -> &[RowLayout] {
        &self.layouts
    }

    /// Declared length of the message that begins `bytes`, where its type is known.
    #[must_use]
    pub fn length_by_type(&self, bytes: &[u8]) -> Option<usize> {
        let index = self.find(bytes, 0, bytes.len())?;
        Some(self.messages[usize::from(self.code_table[index])].length)
    }

    /// Index of the code of the message at `start..end` of `slot`.
    #[inline(always)]
    fn find(&self, slot: &[u8], start: usize, end: usize) -> Option<usize> {
        let Some(code) = &self.code else { return Some(0) };
        if start + code.end() > end {
            return None;
        }
        let value = usize::try_from(code.load(slot, start)?).ok()?;
        self.code_index.get(value).filter(|index| **index != NO_CODE).map(|index| usize::from(*index))
    }

    fn code_text(&self, slot: &[u8], start: usize, end: usize) -> String {
        let code = self.code.as_ref().filter(|code| start + code.end() <= end);
        match code.and_then(|code| code.load(slot, start)) {
            Some(value @ 0x21..=0x7e) => char::from(u8::try_from(value).unwrap_or_default()).to_string(),
            Some(value) => value.to_string(),
            None => "empty".to_owned(),
        }
    }
}

impl Message {
    fn new(spec: &BinaryMessageSpec, layout: &RowLayout) -> Self {
        let columns = &layout.columns[layout.columns.len() - spec.fields.len()..];
        let mut sources = vec![None; layout.row_bytes];
        for (field, column) in spec.fields.iter().zip(columns) {
            place_bytes(field, column, &mut sources);
        }
        let mut field_ends: Vec<_> = spec.fields.iter().map(|field| field.offset + field.width).collect();
        field_ends.sort_unstable();
        Self {
            length: spec.length,
            min_length: spec.min_length,
            field_ends,
            moves: shuffle::plan(&sources, LEADING_BYTES),
            fixups: spec.fields.iter().zip(columns).filter_map(|(field, column)| fixup(field, column)).collect(),
        }
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

fn fixup(field: &BinaryFieldSpec, column: &Column) -> Option<Fixup> {
    match field.kind {
        BinaryKind::Int if column.width > field.width => {
            Some(Fixup::ExtendSign { at: column.offset, width: column.width, used_bytes: field.width })
        }
        BinaryKind::Ascii => Some(Fixup::StripSpaces { at: column.offset, width: column.width }),
        _ => None,
    }
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
    spec.fields.iter().try_for_each(|field| check_field(field, spec))
}

fn check_field(field: &BinaryFieldSpec, spec: &BinaryMessageSpec) -> Result<(), PlanError> {
    let is_width_possible = match field.kind {
        BinaryKind::Uint | BinaryKind::Int => (1..=8).contains(&field.width),
        BinaryKind::Float => matches!(field.width, 4 | 8),
        BinaryKind::Char => field.width == 1,
        BinaryKind::Ascii | BinaryKind::Bytes => field.width > 0,
    };
    let is_inside = field.offset.checked_add(field.width).is_some_and(|end| end <= spec.length);
    if is_width_possible && is_inside {
        return Ok(());
    }
    let what = format!("{:?} of {} bytes at {} of {}", field.kind, field.width, field.offset, spec.length);
    Err(PlanError::new(format!("{}.{}", spec.name, field.name), what))
}

fn has_ssse3() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("ssse3");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Decodes a packet with the best implementation that the CPU has.
pub(super) fn packet(
    plan: &BinaryPlan,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    decoder: &mut Decoder,
    out: &mut BatchBuilder,
) -> Result<Decoded, Reason> {
    #[cfg(target_arch = "x86_64")]
    if plan.has_ssse3 {
        // SAFETY: the CPU was asked for SSSE3 when the plan was made.
        return unsafe { packet_ssse3(plan, delimiter, payload, decoder, out) };
    }
    packet_by::<Portable>(plan, delimiter, payload, decoder, out)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "ssse3")]
fn packet_ssse3(
    plan: &BinaryPlan,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    decoder: &mut Decoder,
    out: &mut BatchBuilder,
) -> Result<Decoded, Reason> {
    packet_by::<shuffle::Ssse3>(plan, delimiter, payload, decoder, out)
}

#[inline(always)]
fn packet_by<S: Shuffle>(
    plan: &BinaryPlan,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    decoder: &mut Decoder,
    out: &mut BatchBuilder,
) -> Result<Decoded, Reason> {
    let (slot, end) = (payload.bytes.slot(), payload.bytes.len());
    let mut decoded = Decoded::default();
    let (mut at, mut place) = (0, 0);
    while payload.messages.map_or(at < end, |messages| place < messages) {
        let block = delimiter.next(slot, at, end, plan)?;
        if place >= payload.skip {
            message::<S>(plan, payload, place, block.start..block.end, decoder, &mut decoded, out);
        }
        (at, place) = (block.next, place + 1);
    }
    decoded.messages = place;
    decoded.trailing_bytes = (end - at) as u64;
    Ok(decoded)
}

/// Decodes the message at `place` of the packet, which stands at `bytes` of its slot, and counts its fate.
#[inline(always)]
fn message<S: Shuffle>(
    plan: &BinaryPlan,
    payload: &Payload<'_>,
    place: u64,
    bytes: std::ops::Range<usize>,
    decoder: &mut Decoder,
    decoded: &mut Decoded,
    out: &mut BatchBuilder,
) {
    let slot = payload.bytes.slot();
    let leading = payload.leading_of(place);
    decoded.digest.add(leading.seq, payload.digest_place(place), &slot[bytes.clone()]);
    let Some(code) = plan.find(slot, bytes.start, bytes.end) else {
        decoded.unknown += 1;
        return decoder.note_unknown(plan.code_text(slot, bytes.start, bytes.end));
    };
    let table = plan.code_table[code];
    let message = &plan.messages[usize::from(table)];
    if bytes.len() < message.min_length {
        return decoded.note_fault(place, Reason::MessageTooShort);
    }
    decoded.longer += u64::from(bytes.len() > message.length);
    let row = out.row(table);
    // SAFETY: `row` has room for the leading columns, which every layout begins with.
    leading.write(unsafe { std::slice::from_raw_parts_mut(row, LEADING_BYTES) });
    if bytes.len() >= message.length {
        // SAFETY: the message is as long as declared and has slack behind it; `row` is a row of its table.
        unsafe { write_row::<S>(message, slot.as_ptr().add(bytes.start), row) };
    } else {
        write_short_row::<S>(message, &slot[bytes], row, &mut decoder.short);
    }
    // SAFETY: the leading columns and the moves cover the whole row.
    unsafe { out.commit(table, u16::try_from(code).unwrap_or(NO_CODE)) };
    decoded.rows += 1;
    decoder.counts[code] += 1;
}

/// Carries out a message's moves and fixups.
///
/// # Safety
/// `message.length + 16` bytes must be readable at `from`; `to` must be a row of the message's table with its slack.
#[inline(always)]
unsafe fn write_row<S: Shuffle>(message: &Message, from: *const u8, to: *mut u8) {
    for step in &message.moves {
        // SAFETY: every move loads from within the message and stores into the row; both have sixteen bytes of slack.
        unsafe { S::shuffle(from.add(step.from), to.add(step.to), &step.mask) };
    }
    for fixup in &message.fixups {
        // SAFETY: a fixup's column lies within the row that the moves have just written.
        unsafe { mend(*fixup, to) };
    }
}

/// A message without its optional fields: what is missing reads as zeros.
#[cold]
fn write_short_row<S: Shuffle>(message: &Message, bytes: &[u8], to: *mut u8, full: &mut Vec<u8>) {
    let known = message.field_ends.partition_point(|end| *end <= bytes.len());
    let whole = known.checked_sub(1).map_or(0, |last| message.field_ends[last]);
    full.clear();
    full.extend_from_slice(&bytes[..whole]);
    full.resize(message.length + SLACK_BYTES, 0);
    // SAFETY: `full` is as long as declared, and slack; `to` is the caller's row.
    unsafe { write_row::<S>(message, full.as_ptr(), to) };
}

/// # Safety
/// The fixup's column must lie within the row at `row`, and its bytes must be initialised.
#[inline(always)]
unsafe fn mend(fixup: Fixup, row: *mut u8) {
    match fixup {
        Fixup::StripSpaces { at, width: 8 } => {
            // SAFETY: the column is eight bytes of the row.
            unsafe { strip_eight(row.add(at).cast::<[u8; 8]>()) };
        }
        Fixup::StripSpaces { at, width } => {
            // SAFETY: the column is `width` bytes of the row.
            strip(unsafe { std::slice::from_raw_parts_mut(row.add(at), width) });
        }
        Fixup::ExtendSign { at, width, used_bytes } => {
            // SAFETY: the column is `width` bytes of the row.
            extend_sign(unsafe { std::slice::from_raw_parts_mut(row.add(at), width) }, used_bytes);
        }
    }
}

const EIGHT_SPACES: u64 = u64::from_le_bytes([b' '; 8]);

/// Spaces at the right end of eight characters become zeros; the branch is for text padded with zeros.
///
/// # Safety
/// `text` must point to eight initialised bytes that may be written.
#[inline(always)]
unsafe fn strip_eight(text: *mut [u8; 8]) {
    // SAFETY: the caller vouches for the eight bytes.
    let word = u64::from_le_bytes(unsafe { text.read() });
    let spaces = (word ^ EIGHT_SPACES).leading_zeros() / 8;
    let kept = u64::MAX.checked_shr(spaces * 8).unwrap_or(0);
    let mut stripped = (word & kept).to_le_bytes();
    if stripped[7] == 0 && spaces == 0 {
        strip(&mut stripped);
    }
    // SAFETY: the caller vouches for the eight bytes.
    unsafe { text.write(stripped) };
}

fn strip(text: &mut [u8]) {
    for byte in text.iter_mut().rev() {
        match *byte {
            b' ' | 0 => *byte = 0,
            _ => break,
        }
    }
}

/// Two's complement of fewer bits, widened in place.
fn extend_sign(column: &mut [u8], used_bytes: usize) {
    if column[used_bytes - 1] & 0x80 != 0 {
        column[used_bytes..].fill(0xff);
    }
}
