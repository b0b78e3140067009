//! Messages that are msgpack objects: the plan is the tree of the declared paths, walked beside the object.

use super::{Decoded, Decoder, Payload};
use crate::batch::BatchBuilder;
use crate::framing::Delimiter;
use crate::layout::{LEADING_BYTES, RowLayout};
use crate::malformed::Reason;
use crate::msgpack::{Head, Kind, Reader, timestamp_ns};
use crate::plan::PlanError;
use crate::spec::{CodeValue, MsgpackFieldSpec, MsgpackKind, MsgpackMessageSpec, StepSpec};

/// Everything decode knows of a protocol of msgpack objects.
#[derive(Debug)]
pub struct MsgpackPlan {
    code: Option<Vec<StepSpec>>,
    codes: Codes,
    messages: Vec<Message>,
    layouts: Vec<RowLayout>,
}

/// Index and table of each code.
#[derive(Debug, Default)]
struct Codes {
    /// By the value of a small integer.
    small: Vec<u16>,
    other: Vec<(CodeValue, u16)>,
    table: Vec<u16>,
}

const NO_CODE: u16 = u16::MAX;
const SMALL_CODES: i64 = 4096;

/// One message type, compiled.
#[derive(Debug)]
struct Message {
    root: Node,
    /// A row whose every column is null, in pieces of [`PIECE`].
    template: Vec<[u8; PIECE]>,
    /// Fields that must be there.
    required: u32,
}

/// Bytes in which a template is copied.
const PIECE: usize = 16;

/// A place in the object.
#[derive(Debug)]
enum Node {
    /// Nothing that was declared: skip it.
    Skip,
    /// A field's value.
    Leaf(Leaf),
    /// Elements by position.
    Array(Vec<Node>),
    /// Elements by key.
    Map(Vec<(StepSpec, Node)>),
}

/// A field's value, and where it goes.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    to: usize,
    store: Store,
    is_required: bool,
    is_nullable: bool,
}

/// How a value becomes a column.
#[derive(Clone, Copy, Debug)]
enum Store {
    Uint { bytes: usize, bits: u32 },
    Int { bytes: usize, bits: u32 },
    Float32,
    Float64,
    Bool,
    Str { most: usize },
    Bin { most: usize },
    Timestamp,
}

impl MsgpackPlan {
    /// Compiles messages.
    ///
    /// # Errors
    /// [`PlanError`] where paths contradict each other or a column cannot have its width.
    pub fn new(code: Option<&[StepSpec]>, specs: &[MsgpackMessageSpec]) -> Result<Self, PlanError> {
        let mut plan =
            Self { code: code.map(<[_]>::to_vec), codes: Codes::default(), messages: Vec::new(), layouts: Vec::new() };
        for (spec, table) in specs.iter().zip(0_u16..) {
            if code.is_some() == spec.codes.is_empty() {
                let what = "a message has codes exactly where the protocol has a code path";
                return Err(PlanError::new(&spec.name, what));
            }
            let columns = spec.fields.iter().map(|f| Ok((f.name.as_str(), format(f, spec)?, f.width)));
            let layout = RowLayout::of_message(columns.collect::<Result<Vec<_>, PlanError>>()?);
            plan.codes.add(spec, table)?;
            plan.messages.push(Message::new(spec, &layout)?);
            plan.layouts.push(layout);
        }
        if code.is_none() && specs.len() > 1 {
            return Err(PlanError::new("messages", "several messages need a code that tells them apart"));
        }
        Ok(plan)
    }

    /// Row layouts, one a message.
    #[must_use]
    pub fn layouts(&self) -> &[RowLayout] {
        &self.layouts
    }

    /// Index of the code of the object at `reader`; `Err(None)` where its type is not known.
    #[inline]
    fn find(&self, mut reader: Reader<'_>) -> Result<Option<usize>, Reason> {
        let Some(path) = &self.code else { return Ok(Some(0)) };
        for step in path {
            if !enter(&mut reader, step)? {
                return Err(Reason::MissingField);
            }
        }
        let head = reader.head()?;
        match head.kind {
            Kind::Unsigned | Kind::Signed => Ok(self.codes.of_number(head.number.cast_signed())),
            Kind::Str => Ok(self.codes.of_text(reader.bytes(head.number)?)),
            _ => Err(Reason::WrongKind),
        }
    }

    /// A code as people write it, for the report of unknown ones.
    fn code_text(&self, mut reader: Reader<'_>) -> String {
        for step in self.code.iter().flatten() {
            if !enter(&mut reader, step).unwrap_or(false) {
                return "none".to_owned();
            }
        }
        match reader.head() {
            Ok(Head { kind: Kind::Unsigned, number, .. }) => number.to_string(),
            Ok(Head { kind: Kind::Signed, number, .. }) => number.cast_signed().to_string(),
            Ok(Head { kind: Kind::Str, number, .. }) => {
                let text = reader.bytes(number.min(MOST_CODE_TEXT)).unwrap_or_default();
                String::from_utf8_lossy(text).into_owned()
            }
            _ => "none".to_owned(),
        }
    }
}

/// Bytes of an unknown textual code that a report shows.
const MOST_CODE_TEXT: u64 = 32;

impl Codes {
    fn add(&mut self, spec: &MsgpackMessageSpec, table: u16) -> Result<(), PlanError> {
        if spec.codes.is_empty() {
            self.table.push(table);
        }
        for code in &spec.codes {
            let index = u16::try_from(self.table.len()).unwrap_or(NO_CODE);
            let is_taken = match &code.value {
                CodeValue::Int(value) => self.of_number(*value),
                CodeValue::Text(text) => self.of_text(text.as_bytes()),
            };
            if is_taken.is_some() {
                return Err(PlanError::new(&spec.name, format!("code {} is taken by another message", code.text)));
            }
            match code.value {
                CodeValue::Int(value @ 0..SMALL_CODES) => {
                    let value = usize::try_from(value).unwrap_or_default();
                    self.small.resize(self.small.len().max(value + 1), NO_CODE);
                    self.small[value] = index;
                }
                _ => self.other.push((code.value.clone(), index)),
            }
            self.table.push(table);
        }
        Ok(())
    }

    #[inline]
    fn of_number(&self, number: i64) -> Option<usize> {
        let small = usize::try_from(number).ok().and_then(|number| self.small.get(number));
        match small {
            Some(&index) if index != NO_CODE => Some(usize::from(index)),
            _ => self.of_other(|code| *code == CodeValue::Int(number)),
        }
    }

    fn of_text(&self, text: &[u8]) -> Option<usize> {
        self.of_other(|code| matches!(code, CodeValue::Text(known) if known.as_bytes() == text))
    }

    fn of_other(&self, is_it: impl Fn(&CodeValue) -> bool) -> Option<usize> {
        self.other.iter().find(|(code, _)| is_it(code)).map(|(_, index)| usize::from(*index))
    }
}

/// Moves to the element of the container at `reader` that `step` names; false where there is none.
#[inline]
fn enter(reader: &mut Reader<'_>, step: &StepSpec) -> Result<bool, Reason> {
    let head = reader.head()?;
    match (step, head.kind) {
        (StepSpec::Index(index), Kind::Array) => {
            if *index as u64 >= head.number {
                return Ok(false);
            }
            (0..*index).try_for_each(|_| reader.skip())?;
            Ok(true)
        }
        (StepSpec::Key(_) | StepSpec::IntKey { .. }, Kind::Map) => {
            for _ in 0..head.number {
                if read_key(reader)?.is(step) {
                    return Ok(true);
                }
                reader.skip()?;
            }
            Ok(false)
        }
        _ => Err(Reason::WrongKind),
    }
}

/// A map's key.
enum Key<'a> {
    Text(&'a [u8]),
    Number(i64),
    Other,
}

impl Key<'_> {
    fn is(&self, step: &StepSpec) -> bool {
        match (self, step) {
            (Key::Text(text), StepSpec::Key(key)) => *text == key.as_bytes(),
            (Key::Number(number), StepSpec::IntKey { key }) => number == key,
            _ => false,
        }
    }
}

#[inline]
fn read_key<'a>(reader: &mut Reader<'a>) -> Result<Key<'a>, Reason> {
    let before = *reader;
    let head = reader.head()?;
    match head.kind {
        Kind::Str => Ok(Key::Text(reader.bytes(head.number)?)),
        Kind::Signed => Ok(Key::Number(head.number.cast_signed())),
        Kind::Unsigned => Ok(i64::try_from(head.number).map_or(Key::Other, Key::Number)),
        _ => {
            *reader = before;
            reader.skip()?;
            Ok(Key::Other)
        }
    }
}

impl Message {
    fn new(spec: &MsgpackMessageSpec, layout: &RowLayout) -> Result<Self, PlanError> {
        let columns = &layout.columns[layout.columns.len() - spec.fields.len()..];
        let mut root = Node::Skip;
        let mut row = vec![0; layout.row_bytes.next_multiple_of(PIECE)];
        let mut required = 0;
        for (field, column) in spec.fields.iter().zip(columns) {
            let leaf = Leaf {
                to: column.offset,
                store: store(field),
                is_required: !field.optional,
                is_nullable: field.nullable,
            };
            required += u32::from(leaf.is_required);
            row[column.offset..column.offset + column.width].copy_from_slice(&null(field));
            root.insert(&field.path, leaf)
                .map_err(|what| PlanError::new(format!("{}.{}", spec.name, field.name), what))?;
        }
        let template = row.chunks_exact(PIECE).map(|piece| piece.try_into().unwrap_or([0; PIECE])).collect();
        Ok(Self { root, template, required })
    }

    /// Fills `row` from the object at `reader`.
    #[inline(always)]
    fn write(&self, reader: &mut Reader<'_>, row: &mut [u8]) -> Result<(), Reason> {
        let mut found = 0;
        self.root.write(reader, row, &mut found)?;
        if found == self.required { Ok(()) } else { Err(Reason::MissingField) }
    }
}

/// Positions beyond this are refused in a declaration: the plan has an entry for each.
const MOST_POSITION: usize = 65_535;

impl Node {
    /// Adds a field at the end of `path`.
    fn insert(&mut self, path: &[StepSpec], leaf: Leaf) -> Result<(), &'static str> {
        let Some((step, rest)) = path.split_first() else {
            if !matches!(self, Self::Skip) {
                return Err("two fields have this path, or one stands inside the other");
            }
            *self = Self::Leaf(leaf);
            return Ok(());
        };
        if let (Self::Skip, StepSpec::Index(_)) = (&self, step) {
            *self = Self::Array(Vec::new());
        } else if matches!(self, Self::Skip) {
            *self = Self::Map(Vec::new());
        }
        self.child(step)?.insert(rest, leaf)
    }

    fn child(&mut self, step: &StepSpec) -> Result<&mut Self, &'static str> {
        match (self, step) {
            (Self::Array(elements), StepSpec::Index(index)) if *index <= MOST_POSITION => {
                let needed = elements.len().max(index + 1);
                elements.resize_with(needed, || Self::Skip);
                Ok(&mut elements[*index])
            }
            (Self::Map(entries), StepSpec::Key(_) | StepSpec::IntKey { .. }) => {
                let known = entries.iter().position(|(key, _)| key == step);
                let at = known.unwrap_or(entries.len());
                if known.is_none() {
                    entries.push((step.clone(), Self::Skip));
                }
                Ok(&mut entries[at].1)
            }
            _ => Err("one path goes by position where another goes by key, or ends"),
        }
    }

    #[inline(always)]
    fn write(&self, reader: &mut Reader<'_>, row: &mut [u8], found: &mut u32) -> Result<(), Reason> {
        match self {
            Self::Leaf(leaf) => leaf.write(reader, row, found),
            Self::Array(elements) => write_array(elements, reader, row, found),
            Self::Map(entries) => write_map(entries, reader, row, found),
            Self::Skip => reader.skip(),
        }
    }
}

#[inline]
fn write_array(elements: &[Node], reader: &mut Reader<'_>, row: &mut [u8], found: &mut u32) -> Result<(), Reason> {
    let head = reader.head()?;
    if head.kind != Kind::Array {
        return Err(Reason::WrongKind);
    }
    let declared = elements.iter().take(usize::try_from(head.number).unwrap_or(usize::MAX));
    for element in declared {
        match element {
            Node::Leaf(leaf) => leaf.write(reader, row, found)?,
            other => write_nested(other, reader, row, found)?,
        }
    }
    for _ in elements.len() as u64..head.number {
        reader.skip()?;
    }
    Ok(())
}

/// Containers inside containers: recursion no deeper than the declaration's paths are long.
fn write_nested(node: &Node, reader: &mut Reader<'_>, row: &mut [u8], found: &mut u32) -> Result<(), Reason> {
    node.write(reader, row, found)
}

fn write_map(
    entries: &[(StepSpec, Node)],
    reader: &mut Reader<'_>,
    row: &mut [u8],
    found: &mut u32,
) -> Result<(), Reason> {
    let head = reader.head()?;
    if head.kind != Kind::Map {
        return Err(Reason::WrongKind);
    }
    // Senders write their keys in one order: the entry behind the last one is the likeliest.
    let mut likely = 0;
    for _ in 0..head.number {
        let key = read_key(reader)?;
        let (behind, front) = (entries[likely..].iter(), entries[..likely].iter());
        let place = behind.chain(front).position(|(step, _)| key.is(step));
        match place.map(|place| (likely + place) % entries.len()) {
            Some(at) => {
                write_nested(&entries[at].1, reader, row, found)?;
                likely = (at + 1) % entries.len();
            }
            None => reader.skip()?,
        }
    }
    Ok(())
}

impl Leaf {
    #[inline(always)]
    fn write(&self, reader: &mut Reader<'_>, row: &mut [u8], found: &mut u32) -> Result<(), Reason> {
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

fn format(field: &MsgpackFieldSpec, spec: &MsgpackMessageSpec) -> Result<String, PlanError> {
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
fn null(field: &MsgpackFieldSpec) -> Vec<u8> {
    match (field.kind, field.width) {
        (MsgpackKind::Float, 4) => f32::NAN.to_ne_bytes().to_vec(),
        (MsgpackKind::Float, _) => f64::NAN.to_ne_bytes().to_vec(),
        (MsgpackKind::Uint | MsgpackKind::Int | MsgpackKind::Timestamp, width) => {
            field.null.to_le_bytes()[..width].to_vec()
        }
        (_, width) => vec![0; width],
    }
}

/// Decodes a packet.
pub(super) fn packet(
    plan: &MsgpackPlan,
    delimiter: &Delimiter,
    payload: &Payload<'_>,
    decoder: &mut Decoder,
    out: &mut BatchBuilder,
) -> Result<Decoded, Reason> {
    let (slot, end) = (payload.bytes.slot(), payload.bytes.len());
    let mut decoded = Decoded::default();
    let (mut at, mut place) = (0, 0);
    while payload.messages.map_or(at < end, |messages| place < messages) {
        if at >= end {
            return Err(Reason::CountTooLarge);
        }
        at = if place < payload.skip {
            skip_at(slot, at, end)?
        } else {
            message(plan, payload, place, at, decoder, &mut decoded, out)?
        };
        place += 1;
        if matches!(delimiter, Delimiter::Whole) {
            break;
        }
    }
    decoded.messages = place;
    decoded.trailing_bytes = (end - at) as u64;
    Ok(decoded)
}

pub(super) fn skip_at(slot: &[u8], at: usize, end: usize) -> Result<usize, Reason> {
    let mut reader = Reader::new(slot, at, end);
    reader.skip()?;
    Ok(reader.at)
}

/// Decodes the object at `at`, counts its fate, and says where the next begins.
#[inline(always)]
fn message(
    plan: &MsgpackPlan,
    payload: &Payload<'_>,
    place: u64,
    at: usize,
    decoder: &mut Decoder,
    decoded: &mut Decoded,
    out: &mut BatchBuilder,
) -> Result<usize, Reason> {
    let (slot, end) = (payload.bytes.slot(), payload.bytes.len());
    let leading = payload.leading_of(place);
    let mut reader = Reader::new(slot, at, end);
    let written = match plan.find(reader) {
        Ok(Some(code)) => {
            let table = plan.codes.table[code];
            let message = &plan.messages[usize::from(table)];
            let row = out.blank_row(table, &message.template);
            leading.write(&mut row[..LEADING_BYTES]);
            message.write(&mut reader, row).map(|()| Some((table, code)))
        }
        Ok(None) => Ok(None),
        Err(reason) => Err(reason),
    };
    match written {
        Ok(Some((table, code))) => {
            // SAFETY: `blank_row` has written the whole row.
            unsafe { out.commit(table, u16::try_from(code).unwrap_or(NO_CODE)) };
            decoded.rows += 1;
            decoder.counts[code] += 1;
        }
        Ok(None) => {
            reader = Reader::new(slot, skip_at(slot, at, end)?, end);
            decoded.unknown += 1;
            decoder.note_unknown(plan.code_text(Reader::new(slot, at, end)));
        }
        Err(reason) => {
            // The object does not fit the declaration; where it does not even end, the whole packet is of no use.
            reader = Reader::new(slot, skip_at(slot, at, end)?, end);
            decoded.note_fault(place, reason);
        }
    }
    decoded.digest.add(leading.seq, payload.digest_place(place), &slot[at..reader.at]);
    Ok(reader.at)
}
