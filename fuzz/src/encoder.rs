//! Makes good packets of any protocol, from its declaration alone: what a fuzzer then spoils.

use feedhandler_core::spec::{
    BinaryHeaderSpec, BinaryMessageSpec, ByteOrder, CodeValue, DelimiterSpec, HeaderSpec, IntSpec, MessagesSpec,
    MsgpackFieldSpec, MsgpackHeaderSpec, MsgpackKind, MsgpackMessageSpec, ProtocolSpec, SessionKind, SessionSpec,
    StepSpec,
};

use super::chance::Chance;
use super::value;

/// What a packet header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Which session.
    pub session: u8,
    /// Sequence number of the first unit.
    pub sequence: u64,
    /// Number of messages.
    pub count: u64,
}

/// Number of message types that the protocol has.
#[must_use]
pub fn types(spec: &ProtocolSpec) -> usize {
    match &spec.messages {
        MessagesSpec::Binary { messages, .. } => messages.len(),
        MessagesSpec::Msgpack { messages, .. } => messages.len(),
        MessagesSpec::Sbe(spec) => spec.messages.len(),
    }
}

/// A message of the type at `index`, with fields of chance.
#[must_use]
pub fn message(spec: &ProtocolSpec, index: usize, chance: &mut Chance<'_>) -> Vec<u8> {
    match &spec.messages {
        MessagesSpec::Binary { code, messages } => binary_message(*code, &messages[index], chance),
        MessagesSpec::Msgpack { code, messages } => msgpack_message(code.as_deref(), &messages[index], chance),
        MessagesSpec::Sbe(spec) => super::sbe::message(spec, index, chance),
    }
}

fn binary_message(code: Option<IntSpec>, message: &BinaryMessageSpec, chance: &mut Chance<'_>) -> Vec<u8> {
    let mut bytes: Vec<_> = (0..message.length).map(|_| chance.byte()).collect();
    if let (Some(field), Some(code)) = (code, message.codes.first())
        && let CodeValue::Int(value) = code.value
    {
        put(&mut bytes, field, value.cast_unsigned());
    }
    bytes
}

fn msgpack_message(code: Option<&[StepSpec]>, message: &MsgpackMessageSpec, chance: &mut Chance<'_>) -> Vec<u8> {
    let mut places: Vec<_> = message.fields.iter().map(|field| (&field.path[..], field_value(field, chance))).collect();
    if let (Some(path), Some(code)) = (code, message.codes.first()) {
        let mut value = Vec::new();
        match &code.value {
            CodeValue::Int(number) => value::signed(&mut value, *number, chance),
            CodeValue::Text(text) => value::text(&mut value, text),
        }
        places.retain(|(place, _)| *place != path);
        places.push((path, value));
    }
    let mut bytes = Vec::new();
    object(&mut bytes, &places);
    bytes
}

fn field_value(field: &MsgpackFieldSpec, chance: &mut Chance<'_>) -> Vec<u8> {
    let mut to = Vec::new();
    let number = chance.number();
    match field.kind {
        _ if field.nullable && number == 0 => value::nil(&mut to),
        MsgpackKind::Uint => value::unsigned(&mut to, number >> (64 - 8 * field.width), chance),
        MsgpackKind::Int => value::signed(&mut to, number.cast_signed() >> (64 - 8 * field.width), chance),
        MsgpackKind::Float => {
            to.push(0xcb);
            to.extend(number.to_be_bytes());
        }
        MsgpackKind::Bool => to.push(0xc2 + (chance.byte() & 1)),
        MsgpackKind::Str => value::text(&mut to, &"x".repeat(chance.below(field.width + 1))),
        MsgpackKind::Bin => value::binary(&mut to, &vec![chance.byte(); chance.below(field.width + 1)]),
        MsgpackKind::Timestamp => {
            to.extend([0xd7, 0xff]);
            to.extend((number & 0x3_ffff_ffff).to_be_bytes());
        }
    }
    to
}

/// Appends the object in which the values stand at their places.
fn object(to: &mut Vec<u8>, places: &[(&[StepSpec], Vec<u8>)]) {
    let Some((first, _)) = places.first() else { return value::nil(to) };
    match first.first() {
        None => to.extend(&places[0].1),
        Some(StepSpec::Index(_)) => {
            let index = |place: &[StepSpec]| if let Some(StepSpec::Index(index)) = place.first() { *index } else { 0 };
            let length = places.iter().map(|(place, _)| index(place) + 1).max().unwrap_or(0);
            value::array(to, length);
            (0..length).for_each(|at| object(to, &within(places, |step| *step == StepSpec::Index(at))));
        }
        Some(StepSpec::Key(_) | StepSpec::IntKey { .. }) => map(to, places),
    }
}

fn map(to: &mut Vec<u8>, places: &[(&[StepSpec], Vec<u8>)]) {
    let mut keys: Vec<_> = places.iter().filter_map(|(place, _)| place.first()).collect();
    let mut seen = Vec::new();
    keys.retain(|key| {
        !seen.contains(key) && {
            seen.push(key);
            true
        }
    });
    value::map(to, keys.len());
    for key in keys {
        match key {
            StepSpec::Key(key) => value::text(to, key),
            StepSpec::IntKey { key } => value::signed(to, *key, &mut Chance::new(&[])),
            StepSpec::Index(_) => value::nil(to),
        }
        object(to, &within(places, |step| step == key));
    }
}

fn within<'a>(
    places: &[(&'a [StepSpec], Vec<u8>)],
    is_wanted: impl Fn(&StepSpec) -> bool,
) -> Vec<(&'a [StepSpec], Vec<u8>)> {
    let inside = places.iter().filter(|(place, _)| place.first().is_some_and(&is_wanted));
    inside.map(|(place, value)| (&place[1..], value.clone())).collect()
}

/// A packet with these messages.
#[must_use]
pub fn packet(spec: &ProtocolSpec, header: Header, messages: &[Vec<u8>]) -> Vec<u8> {
    let payload = payload(&spec.framing.delimiter, messages);
    let mut packet = match &spec.framing.header {
        HeaderSpec::None {} => Vec::new(),
        HeaderSpec::Binary(_) => binary_header(&spec.framing.header, header, payload.len()),
        HeaderSpec::Msgpack(_) => msgpack_header(&spec.framing.header, header),
    };
    packet.extend(payload);
    packet
}

fn payload(delimiter: &DelimiterSpec, messages: &[Vec<u8>]) -> Vec<u8> {
    match delimiter {
        DelimiterSpec::Whole {} => messages.first().cloned().unwrap_or_default(),
        DelimiterSpec::Msgpack {} | DelimiterSpec::Sbe {} => messages.concat(),
        DelimiterSpec::MsgpackArray {} => {
            let mut payload = Vec::new();
            value::array(&mut payload, messages.len());
            payload.extend(messages.concat());
            payload
        }
        DelimiterSpec::Length { field, excludes, data_offset } => {
            messages.iter().flat_map(|message| block(*field, *excludes, *data_offset, message)).collect()
        }
    }
}

fn block(length: IntSpec, excludes: usize, data_offset: usize, message: &[u8]) -> Vec<u8> {
    let mut block = [&vec![0; data_offset], message].concat();
    let bytes = (data_offset + message.len()).saturating_sub(excludes);
    put(&mut block, length, bytes as u64);
    block
}

/// Messages as they stand in a file without packets, where the protocol has such a form.
#[must_use]
pub fn file(spec: &ProtocolSpec, messages: &[Vec<u8>]) -> Vec<u8> {
    let Some(file) = spec.file else { return Vec::new() };
    messages.iter().flat_map(|message| block(file.field, file.excludes, file.data_offset, message)).collect()
}

fn binary_header(spec: &HeaderSpec, header: Header, payload_bytes: usize) -> Vec<u8> {
    let HeaderSpec::Binary(spec) = spec else { return Vec::new() };
    let BinaryHeaderSpec { bytes, session, sequence, count, payload_length, expect, .. } = &**spec;
    let mut to = vec![0; *bytes];
    for expected in expect {
        let plain = expected.values.iter().find(|value| !is_mark(spec, expected.field, **value));
        put(&mut to, expected.field, plain.copied().unwrap_or(0));
    }
    if let (Some(reset), RESET_SESSION..) = (&spec.session_reset, header.session) {
        put(&mut to, reset.field, reset.values.first().copied().unwrap_or(0));
    }
    if let Some(session) = session {
        put_session(&mut to, *session, header.session);
    }
    let length =
        payload_length.map(|length| (length.field, (bytes + payload_bytes).saturating_sub(length.excludes) as u64));
    let numbers = [
        sequence.map(|field| (field, header.sequence)),
        count.map(|field| (field, header.count.min(most(field)))),
        length,
    ];
    for (field, number) in numbers.into_iter().flatten() {
        put(&mut to, field, number);
    }
    to
}

/// The greatest number that a field holds.
fn most(field: IntSpec) -> u64 {
    u64::MAX >> (u64::BITS as usize - 8 * field.width)
}

/// Sessions from this one on begin with a packet that says so, where the protocol has such packets.
const RESET_SESSION: u8 = 2;

/// Whether a value of a header field means that the packet is a special one.
fn is_mark(spec: &BinaryHeaderSpec, field: IntSpec, value: u64) -> bool {
    let marks = [&spec.heartbeat, &spec.end_of_session, &spec.session_reset, &spec.unsequenced];
    marks.into_iter().flatten().any(|mark| mark.field.offset == field.offset && mark.values.contains(&value))
}

fn put_session(to: &mut [u8], field: SessionSpec, session: u8) {
    match field.kind {
        SessionKind::Ascii => {
            let text = format!("S{session:<0$}", field.width);
            to[field.offset..field.offset + field.width].copy_from_slice(&text.as_bytes()[..field.width]);
        }
        SessionKind::UintBig => to[field.offset + field.width - 1] = session,
        SessionKind::UintLittle => to[field.offset] = session,
    }
}

fn msgpack_header(spec: &HeaderSpec, header: Header) -> Vec<u8> {
    let HeaderSpec::Msgpack(MsgpackHeaderSpec { length, session, sequence, count, .. }) = spec else {
        return Vec::new();
    };
    let (mut to, mut shortest) = (Vec::new(), Chance::new(&[]));
    value::array(&mut to, *length);
    for position in 0..*length {
        match Some(position) {
            here if here == *session => value::text(&mut to, &format!("S{}", header.session)),
            here if here == *sequence => value::unsigned(&mut to, header.sequence, &mut shortest),
            here if here == *count => value::unsigned(&mut to, header.count, &mut shortest),
            _ => value::unsigned(&mut to, 0, &mut shortest),
        }
    }
    to
}

/// Writes the low bytes of a number at a fixed place.
pub(super) fn put(to: &mut [u8], field: IntSpec, number: u64) {
    let place = &mut to[field.offset..field.offset + field.width];
    match field.byte_order {
        ByteOrder::Big => place.copy_from_slice(&number.to_be_bytes()[8 - field.width..]),
        ByteOrder::Little => place.copy_from_slice(&number.to_le_bytes()[..field.width]),
    }
}
