//! Reads bare messages in the form in which a protocol stands in files: a length in front of each, which may be 0.
//!
//! Sans-I/O: takes bytes and says where the next message lies.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use crate::spec::{ByteOrder, CodeValue, FileSpec, IntSpec, MessagesSpec, ProtocolSpec};

/// Where a message lies in the bytes, and where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The message.
    pub message: Range<usize>,
    /// First byte behind it.
    pub end: usize,
}

/// What the bytes begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A whole message.
    Message(Block),
    /// The beginning of a message that needs this many bytes.
    NeedMore(usize),
    /// Nothing that could be framed.
    Malformed(MalformedBlock),
}

/// Why a message's end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedBlock {
    /// The length counts fewer bytes than stand in front of the message.
    Length(u64),
    /// The length is 0, and the type's length is not declared.
    UnknownType(u64),
}

impl fmt::Display for MalformedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "a length of {length} is less than what it counts"),
            Self::UnknownType(code) => {
                let character = u8::try_from(*code).ok().filter(u8::is_ascii_graphic).map(char::from);
                write!(f, "a message without a length is of the undeclared type {code:#04x}")?;
                character.map_or(Ok(()), |character| write!(f, " ({character})"))
            }
        }
    }
}

/// How one protocol's messages stand in a file.
#[derive(Clone, Debug)]
pub struct FileForm {
    block: FileSpec,
    by_type: Option<LengthsByType>,
}

#[derive(Clone, Debug)]
struct LengthsByType {
    code: IntSpec,
    lengths: HashMap<u64, usize>,
}

impl FileForm {
    /// The file form that `protocol` declares, if it has one.
    #[must_use]
    pub fn of(protocol: &ProtocolSpec) -> Option<Self> {
        let block = protocol.file?;
        Some(Self { block, by_type: LengthsByType::of(&protocol.messages).filter(|_| block.zero_length_by_type) })
    }

    /// What `bytes` begin with.
    #[must_use]
    pub fn next(&self, bytes: &[u8]) -> Next {
        let data = self.block.data_offset;
        let Some(length) = read_int(bytes, self.block.field) else {
            return Next::NeedMore(data.max(self.block.field.offset + self.block.field.width));
        };
        match (length, &self.by_type) {
            (0, Some(by_type)) => by_type.next(bytes, data),
            _ => self.next_of_length(bytes, length),
        }
    }

    fn next_of_length(&self, bytes: &[u8], length: u64) -> Next {
        let end = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(self.block.excludes);
        if end < self.block.data_offset.max(1) {
            return Next::Malformed(MalformedBlock::Length(length));
        }
        up_to(bytes, self.block.data_offset, end)
    }
}

impl LengthsByType {
    fn of(messages: &MessagesSpec) -> Option<Self> {
        let MessagesSpec::Binary { code: Some(code), messages } = messages else { return None };
        let lengths = messages.iter().flat_map(|message| {
            let codes = message.codes.iter().filter_map(|code| match code.value {
                CodeValue::Int(value) => u64::try_from(value).ok(),
                CodeValue::Text(_) => None,
            });
            codes.map(|value| (value, message.length))
        });
        Some(Self { code: *code, lengths: lengths.collect() })
    }

    fn next(&self, bytes: &[u8], data: usize) -> Next {
        let Some(code) = bytes.get(data..).and_then(|message| read_int(message, self.code)) else {
            return Next::NeedMore(data + self.code.offset + self.code.width);
        };
        match self.lengths.get(&code) {
            Some(length) => up_to(bytes, data, data + length),
            None => Next::Malformed(MalformedBlock::UnknownType(code)),
        }
    }
}

fn up_to(bytes: &[u8], start: usize, end: usize) -> Next {
    if bytes.len() < end { Next::NeedMore(end) } else { Next::Message(Block { message: start..end, end }) }
}

/// The number that `field` says stands in `bytes`, where they reach so far.
pub(super) fn read_int(bytes: &[u8], field: IntSpec) -> Option<u64> {
    let digits = bytes.get(field.offset..field.offset.checked_add(field.width)?)?;
    let add = |value, digit: &u8| value << 8 | u64::from(*digit);
    Some(match field.byte_order {
        ByteOrder::Big => digits.iter().fold(0, add),
        ByteOrder::Little => digits.iter().rev().fold(0, add),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::pack::tests::moldudp64;
    use super::*;

    /// A protocol of two messages, `A` of 5 bytes and `B` of 3, with a time at offset 1, framed as `MoldUDP64`.
    pub fn protocol() -> ProtocolSpec {
        let message = |name: &str, code: u8, length: usize| {
            serde_json::json!({
                "name": name, "codes": [{"value": code, "text": char::from(code).to_string()}],
                "length": length, "min_length": length, "fields": [],
            })
        };
        let mut json = serde_json::json!({
            "name": "two",
            "file": {"field": {"offset": 0, "width": 2, "byte_order": "big"}, "excludes": 2, "data_offset": 2, "zero_length_by_type": true},
            "messages": {
                "encoding": "binary", "code": {"offset": 0, "width": 1, "byte_order": "big"},
                "messages": [message("a", b'A', 5), message("b", b'B', 3)],
            },
        });
        json["framing"] = serde_json::to_value(moldudp64()).expect("a framing");
        serde_json::from_value(json).expect("a protocol")
    }

    fn form() -> FileForm {
        FileForm::of(&protocol()).expect("a file form")
    }

    /// Every message of `bytes`, and what stood behind the last.
    fn read_all<'a>(form: &FileForm, mut bytes: &'a [u8]) -> (Vec<&'a [u8]>, Next) {
        let mut messages = Vec::new();
        loop {
            match form.next(bytes) {
                Next::Message(block) => {
                    messages.push(&bytes[block.message]);
                    bytes = &bytes[block.end..];
                }
                other => return (messages, other),
            }
        }
    }

    #[test]
    fn a_length_of_zero_is_that_of_the_type() {
        let bytes = b"\0\0A1234\0\0B12\0\x03B34\0\x01X";
        let (messages, rest) = read_all(&form(), bytes);
        assert_eq!(messages, [&b"A1234"[..], b"B12", b"B34", b"X"]);
        assert_eq!(rest, Next::NeedMore(2));
    }

    #[test]
    fn without_that_rule_a_length_of_zero_is_an_empty_message() {
        let mut protocol = protocol();
        protocol.file.as_mut().expect("a file form").zero_length_by_type = false;
        let form = FileForm::of(&protocol).expect("a file form");
        assert_eq!(read_all(&form, b"\0\0\0\x01B").0, [&b""[..], b"B"]);
    }

    #[test]
    fn what_cannot_be_framed_says_why() {
        let Next::Malformed(unknown) = form().next(b"\0\0Z") else { panic!("an unknown type was framed") };
        assert_eq!(unknown.to_string(), "a message without a length is of the undeclared type 0x5a (Z)");
        let mut protocol = protocol();
        protocol.file.as_mut().expect("a file form").excludes = 0;
        let whole = FileForm::of(&protocol).expect("a file form");
        assert_eq!(whole.next(b"\0\x01"), Next::Malformed(MalformedBlock::Length(1)));
    }

    proptest! {
        #[test]
        fn every_cut_asks_for_more_than_there_is(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..20), cut in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            for message in &messages {
                bytes.extend(u16::try_from(message.len()).expect("short").to_be_bytes());
                bytes.extend(message);
            }
            let cut = cut.index(bytes.len());
            let (read, rest) = read_all(&form(), &bytes[..cut]);
            prop_assert!(read.iter().zip(&messages).all(|(read, message)| read == message));
            let used: usize = read.iter().map(|message| 2 + message.len()).sum();
            prop_assert!(matches!(rest, Next::NeedMore(bytes) if bytes > cut - used));
        }

        #[test]
        fn hostile_bytes_end_somewhere(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let (messages, _) = read_all(&form(), &bytes);
            prop_assert!(messages.len() <= bytes.len());
        }
    }
}
