//! A file of bare messages as a source of packets, packed as the venue would have sent them.

use super::pack::Packer;
use super::source::{DatagramSource, Outgoing, SourceError};
use crate::capture::Source;
use crate::decode::BinaryPlan;
use crate::field::IntField;
use crate::framing::{Block, Delimiter};
use crate::malformed::Reason;
use crate::spec::{BinaryKind, IntSpec, MessagesSpec};

/// Bytes that are made readable for one message: more than a datagram can carry.
const WINDOW_BYTES: usize = 80 << 10;

/// The messages of a file and how they stand there.
pub struct MessageFile {
    /// The file, of which nothing has been consumed.
    pub source: Source,
    /// How messages are told apart.
    pub delimiter: Delimiter,
    /// What the messages are.
    pub messages: BinaryPlan,
    /// Where in each message its time stands, in nanoseconds.
    pub time: Option<IntSpec>,
}

/// Which messages may share a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// Those stamped within this many nanoseconds of the packet's first; 0 for the same time only.
    Within(u64),
    /// As many as fit.
    Full,
}

/// Packs the messages of a file, then ends the session.
///
/// A packet is stamped with the latest time of its messages: none is sent before it happened.
pub struct MessagePackets {
    file: MessageFile,
    time: Option<IntField>,
    together: Together,
    packer: Packer,
    packet: Vec<u8>,
    latest_ns: u64,
    truncated: Option<String>,
    has_ended: bool,
}

impl MessagePackets {
    /// The messages of `file` in the packets of `packer`.
    #[must_use]
    pub fn new(file: MessageFile, packer: Packer, together: Together) -> Self {
        let time = file.time.map(IntField::new);
        Self { file, time, together, packer, packet: Vec::new(), latest_ns: 0, truncated: None, has_ended: false }
    }

    /// Puts messages into the packet until the next belongs into another one.
    fn gather(&mut self) -> Result<(), SourceError> {
        let mut first_ns = None;
        while let Some(block) = self.peek()? {
            let message = self.file.source.unread().get(block.start..block.end).unwrap_or_default();
            let stamped_ns = self.time.and_then(|field| field.load(message, 0)).unwrap_or(self.latest_ns);
            let apart_ns = stamped_ns.saturating_sub(*first_ns.get_or_insert(stamped_ns));
            let is_apart = matches!(self.together, Together::Within(window_ns) if apart_ns > window_ns);
            if self.packer.count() > 0 && (is_apart || !self.packer.has_room(message.len())) {
                break;
            }
            self.packer.push(message)?;
            self.latest_ns = self.latest_ns.max(stamped_ns);
            self.file.source.consume(block.next);
        }
        Ok(())
    }

    /// Where the next message lies in what is readable; `None` at the end of what can be framed.
    fn peek(&mut self) -> Result<Option<Block>, SourceError> {
        if let Ok(block) = self.file.next() {
            return Ok(Some(block));
        }
        let is_over = self.file.source.fill(WINDOW_BYTES)?.is_empty();
        let next = self.file.next();
        self.truncated = match next {
            Ok(_) => None,
            Err(_) if is_over => self.file.source.failure().map(str::to_owned),
            Err(_) => Some(self.file.truncation()),
        };
        Ok(next.ok())
    }
}

impl MessageFile {
    fn next(&self) -> Result<Block, Reason> {
        let unread = self.source.unread();
        self.delimiter.next(unread, 0, unread.len(), &self.messages)
    }

    fn truncation(&self) -> String {
        let unread = self.source.unread();
        let head = unread.get(..8).unwrap_or(unread).escape_ascii();
        let offset_bytes = self.source.offset_bytes();
        format!("expected a whole message at byte {offset_bytes}, found \"{head}\" among {} bytes", unread.len())
    }
}

impl DatagramSource for MessagePackets {
    fn next_datagram(&mut self) -> Result<Option<Outgoing<'_>>, SourceError> {
        self.gather()?;
        if self.packer.count() > 0 {
            self.packer.take(&mut self.packet);
        } else if self.has_ended || !self.packer.end_of_session(&mut self.packet) {
            return Ok(None);
        } else {
            self.has_ended = true;
        }
        Ok(Some(Outgoing { ts_ns: self.latest_ns, destination: None, payload: &self.packet }))
    }

    fn truncated(&self) -> Option<String> {
        self.truncated.clone()
    }

    fn position(&self) -> (u64, u64) {
        (self.file.source.position_bytes(), self.file.source.total_bytes())
    }
}

/// Where the field called `name` stands, if every message has it at the same place as an unsigned integer.
#[must_use]
pub fn common_field(messages: &MessagesSpec, name: &str) -> Option<IntSpec> {
    let MessagesSpec::Binary { messages, .. } = messages else { return None };
    let mut places = messages.iter().map(|message| {
        let field = message.fields.iter().find(|field| field.name == name && field.kind == BinaryKind::Uint)?;
        Some((field.offset, field.width, field.byte_order))
    });
    let place = places.next()??;
    let (offset, width, byte_order) = place;
    places.all(|other| other == Some(place)).then_some(IntSpec { offset, width, byte_order })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::pack::tests::moldudp64;
    use super::*;
    use crate::plan::{MessagesPlan, Plan};
    use crate::spec::{ByteOrder, ProtocolSpec};

    /// A protocol of two messages, `A` of 5 bytes and `B` of 3, with a time at offset 1, framed as `MoldUDP64`.
    fn protocol() -> ProtocolSpec {
        let message = |name: &str, code: u8, length: usize| {
            serde_json::json!({
                "name": name, "codes": [{"value": code, "text": char::from(code).to_string()}],
                "length": length, "min_length": length,
                "fields": [{"name": "timestamp", "kind": "uint", "offset": 1, "width": 2, "byte_order": "big"}],
            })
        };
        let mut json = serde_json::json!({
            "name": "two",
            "file": {"field": {"offset": 0, "width": 2, "byte_order": "big"}, "excludes": 2, "data_offset": 2,
                "zero_length_by_type": true},
            "messages": {
                "encoding": "binary", "code": {"offset": 0, "width": 1, "byte_order": "big"},
                "messages": [message("a", b'A', 5), message("b", b'B', 3)],
            },
        });
        json["framing"] = serde_json::to_value(moldudp64()).expect("a framing");
        serde_json::from_value(json).expect("a protocol")
    }

    /// A file of `B` messages of these times.
    fn file(times: &[u16]) -> Vec<u8> {
        times.iter().flat_map(|time| [&[0, 3, b'B'], &time.to_be_bytes()[..]].concat()).collect()
    }

    fn source(bytes: &[u8], together: Together, limit_bytes: usize) -> MessagePackets {
        let spec = protocol();
        let plan = Plan::new(&spec).expect("a plan");
        let (Some(delimiter), MessagesPlan::Binary(messages)) = (plan.file, plan.messages) else {
            panic!("a file form")
        };
        let source = Source::from_bytes(bytes.to_vec()).expect("a source");
        let time = common_field(&spec.messages, "timestamp");
        let packer = Packer::new(&spec.framing, "S", limit_bytes).expect("a packer");
        MessagePackets::new(MessageFile { source, delimiter, messages, time }, packer, together)
    }

    /// (time, sequence, count) of every packet.
    fn packets(mut source: MessagePackets) -> (Vec<(u64, u64, u64)>, Option<String>) {
        let number = |payload: &[u8], offset, width| {
            IntField::new(IntSpec { offset, width, byte_order: ByteOrder::Big }).load(payload, 0).expect("a header")
        };
        let mut packets = Vec::new();
        while let Some(datagram) = source.next_datagram().expect("a readable source") {
            packets.push((datagram.ts_ns, number(datagram.payload, 10, 8), number(datagram.payload, 18, 2)));
        }
        (packets, source.truncated())
    }

    const END: u64 = 0xFFFF;

    #[test]
    fn messages_of_one_time_share_a_packet() {
        let bytes = file(&[5, 5, 7, 7, 7, 9]);
        let (packets, truncated) = packets(source(&bytes, Together::Within(0), 1_400));
        assert_eq!(packets, [(5, 1, 2), (7, 3, 3), (9, 6, 1), (9, 7, END)]);
        assert_eq!(truncated, None);
    }

    #[test]
    fn a_window_begins_with_the_packet_and_stamps_it_with_its_last_message() {
        let bytes = file(&[5, 6, 8, 9, 20]);
        let (packets, _) = packets(source(&bytes, Together::Within(3), 1_400));
        assert_eq!(packets, [(8, 1, 3), (9, 4, 1), (20, 5, 1), (20, 6, END)]);
    }

    #[test]
    fn full_packets_hold_what_fits_and_time_never_runs_back() {
        let bytes = file(&[5, 3, 9, 9, 9]);
        let (packets, _) = packets(source(&bytes, Together::Full, 30));
        assert_eq!(packets, [(5, 1, 2), (9, 3, 2), (9, 5, 1), (9, 6, END)]);
    }

    #[test]
    fn a_file_that_ends_inside_a_message_is_sent_as_far_as_it_goes() {
        let mut bytes = file(&[5, 6]);
        bytes.pop();
        let (packets, truncated) = packets(source(&bytes, Together::Within(0), 1_400));
        assert_eq!(packets, [(5, 1, 1), (5, 2, END)]);
        assert_eq!(
            truncated.as_deref(),
            Some(r#"expected a whole message at byte 5, found "\x00\x03B\x00" among 4 bytes"#)
        );
    }

    #[test]
    fn an_empty_file_is_a_session_that_ends() {
        assert_eq!(packets(source(b"", Together::Full, 1_400)), (vec![(0, 1, END)], None));
    }

    #[test]
    fn a_message_that_fits_no_packet_is_an_error() {
        let bytes = file(&[5]);
        assert!(source(&bytes, Together::Full, 24).next_datagram().is_err());
    }

    #[test]
    fn a_length_of_zero_is_that_of_the_type_and_an_unknown_type_ends_the_file() {
        let (packets, truncated) = packets(source(b"\0\0B\0\x05\0\0A\0\x06xx\0\0Z", Together::Within(0), 1_400));
        assert_eq!(packets, [(5, 1, 1), (6, 2, 1), (6, 3, END)]);
        assert!(truncated.expect("an unknown type").starts_with("expected a whole message at byte 12"));
    }

    proptest! {
        #[test]
        fn every_message_is_in_one_packet_whose_time_is_not_before_it(
            times in prop::collection::vec(0..50_u16, 0..60), window_ns in 0..9_u64, limit_bytes in 25..90_usize,
        ) {
            let (mut packets, truncated) = packets(source(&file(&times), Together::Within(window_ns), limit_bytes));
            prop_assert_eq!(truncated, None);
            prop_assert_eq!(packets.pop().map(|last| last.2), Some(END));
            let mut left = &times[..];
            for (ts_ns, sequence, count) in packets {
                prop_assert_eq!(sequence, 1 + (times.len() - left.len()) as u64);
                let (inside, rest) = left.split_at(usize::try_from(count).expect("few"));
                prop_assert!(inside.iter().all(|time| u64::from(*time) <= ts_ns));
                prop_assert!(inside.iter().all(|time| u64::from(*time) <= u64::from(inside[0]) + window_ns));
                left = rest;
            }
            prop_assert!(left.is_empty());
        }
    }

    #[test]
    fn the_time_is_the_timestamp_that_all_messages_have_at_one_place() {
        let message = |name: &str, offset: usize| {
            serde_json::json!({"name": name, "codes": [], "length": 9, "min_length": 9, "fields": [
                {"name": "timestamp", "kind": "uint", "offset": offset, "width": 6, "byte_order": "big"}]})
        };
        let field = |places: [usize; 2]| {
            let messages = [message("a", places[0]), message("b", places[1])];
            let json = serde_json::json!({"encoding": "binary", "code": null, "messages": messages});
            common_field(&serde_json::from_value(json).expect("messages"), "timestamp")
        };
        assert!(matches!(field([2, 2]), Some(IntSpec { offset: 2, width: 6, byte_order: ByteOrder::Big })));
        assert!(field([2, 3]).is_none());
        assert!(common_field(&protocol().messages, "time").is_none(), "no such field");
    }
}
