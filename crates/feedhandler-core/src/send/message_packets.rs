//! A file of bare messages as a source of packets, packed as the venue would have sent them.

use super::message_file::{Block, FileForm, Next, read_int};
use super::pack::Packer;
use super::source::{DatagramSource, Outgoing, SourceError};
use crate::spec::{BinaryKind, IntSpec, MessagesSpec};

/// Bytes of a file, as many at once as are asked for.
pub trait Bytes {
    /// What is readable from here: at least `want_bytes`, or fewer at the end.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    fn fill(&mut self, want_bytes: usize) -> Result<&[u8], SourceError>;

    /// Moves past `count` readable bytes.
    fn consume(&mut self, count: usize);

    /// Why the bytes ended before their time, where they did.
    fn damage(&self) -> Option<&str> {
        None
    }

    /// How much has been read, and how much there is; 0 where nobody knows.
    fn position(&self) -> (u64, u64) {
        (0, 0)
    }
}

impl Bytes for &[u8] {
    fn fill(&mut self, _: usize) -> Result<&[u8], SourceError> {
        Ok(self)
    }

    fn consume(&mut self, count: usize) {
        *self = self.get(count..).unwrap_or_default();
    }
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
#[derive(Debug)]
pub struct MessagePackets<B> {
    bytes: B,
    form: FileForm,
    time: Option<IntSpec>,
    together: Together,
    packer: Packer,
    packet: Vec<u8>,
    latest_ns: u64,
    consumed_bytes: u64,
    truncated: Option<String>,
    has_ended: bool,
}

impl<B: Bytes> MessagePackets<B> {
    /// The messages that stand in `bytes` as `form` says, stamped by the nanoseconds at `time`.
    pub fn new(bytes: B, form: FileForm, time: Option<IntSpec>, packer: Packer, together: Together) -> Self {
        Self {
            bytes,
            form,
            time,
            together,
            packer,
            packet: Vec::new(),
            latest_ns: 0,
            consumed_bytes: 0,
            truncated: None,
            has_ended: false,
        }
    }

    /// Puts messages into the packet until the next belongs into another one.
    fn gather(&mut self) -> Result<(), SourceError> {
        let mut first_ns = None;
        while let Some(block) = self.peek()? {
            let message = self.bytes.fill(block.end)?.get(block.message.clone()).unwrap_or_default();
            let stamped_ns = self.time.and_then(|field| read_int(message, field)).unwrap_or(self.latest_ns);
            let apart_ns = stamped_ns.saturating_sub(*first_ns.get_or_insert(stamped_ns));
            let is_apart = matches!(self.together, Together::Within(window_ns) if apart_ns > window_ns);
            if self.packer.count() > 0 && (is_apart || !self.packer.has_room(message.len())) {
                break;
            }
            self.packer.push(message)?;
            self.latest_ns = self.latest_ns.max(stamped_ns);
            self.bytes.consume(block.end);
            self.consumed_bytes += block.end as u64;
        }
        Ok(())
    }

    /// Where the next message lies; `None` at the end of what can be framed.
    fn peek(&mut self) -> Result<Option<Block>, SourceError> {
        let mut want_bytes = 1;
        loop {
            let bytes = self.bytes.fill(want_bytes)?;
            let is_all = bytes.len() < want_bytes;
            let why = match self.form.next(bytes) {
                Next::Message(block) => return Ok(Some(block)),
                Next::NeedMore(more_bytes) if !is_all => {
                    want_bytes = more_bytes;
                    continue;
                }
                Next::NeedMore(_) if bytes.is_empty() => self.bytes.damage().map(str::to_owned),
                Next::NeedMore(_) => Some(format!("{} bytes of a message and the end of the file", bytes.len())),
                Next::Malformed(why) => Some(why.to_string()),
            };
            self.truncated = why.map(|why| format!("at byte {}: {why}", self.consumed_bytes));
            return Ok(None);
        }
    }
}

impl<B: Bytes> DatagramSource for MessagePackets<B> {
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
        self.bytes.position()
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

    use super::super::message_file::tests::protocol;
    use super::*;
    use crate::spec::ByteOrder;

    const TIME: IntSpec = IntSpec { offset: 1, width: 2, byte_order: ByteOrder::Big };

    /// Bytes that come a few at a time, as from a decompressor.
    struct Trickle<'a> {
        all: &'a [u8],
        readable: usize,
    }

    impl Bytes for Trickle<'_> {
        fn fill(&mut self, want_bytes: usize) -> Result<&[u8], SourceError> {
            self.readable = self.readable.max(want_bytes).min(self.all.len());
            Ok(&self.all[..self.readable])
        }

        fn consume(&mut self, count: usize) {
            self.all = &self.all[count..];
            self.readable -= count;
        }
    }

    /// A file of `B` messages of these times.
    fn file(times: &[u16]) -> Vec<u8> {
        times.iter().flat_map(|time| [&[0, 3, b'B'], &time.to_be_bytes()[..]].concat()).collect()
    }

    fn source<B: Bytes>(bytes: B, together: Together, limit_bytes: usize) -> MessagePackets<B> {
        let protocol = protocol();
        let packer = Packer::new(&protocol.framing, "S", limit_bytes).expect("a packer");
        MessagePackets::new(bytes, FileForm::of(&protocol).expect("a file form"), Some(TIME), packer, together)
    }

    /// (time, sequence, count) of every packet.
    fn packets<B: Bytes>(mut source: MessagePackets<B>) -> (Vec<(u64, u64, u64)>, Option<String>) {
        let number = |payload: &[u8], offset, width| {
            read_int(payload, IntSpec { offset, width, byte_order: ByteOrder::Big }).expect("a whole header")
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
        let (packets, truncated) = packets(source(&bytes[..], Together::Within(0), 1_400));
        assert_eq!(packets, [(5, 1, 2), (7, 3, 3), (9, 6, 1), (9, 7, END)]);
        assert_eq!(truncated, None);
    }

    #[test]
    fn a_window_begins_with_the_packet_and_stamps_it_with_its_last_message() {
        let bytes = file(&[5, 6, 8, 9, 20]);
        let (packets, _) = packets(source(&bytes[..], Together::Within(3), 1_400));
        assert_eq!(packets, [(8, 1, 3), (9, 4, 1), (20, 5, 1), (20, 6, END)]);
    }

    #[test]
    fn full_packets_hold_what_fits_and_time_never_runs_back() {
        let bytes = file(&[5, 3, 9, 9, 9]);
        let (packets, _) = packets(source(&bytes[..], Together::Full, 30));
        assert_eq!(packets, [(5, 1, 2), (9, 3, 2), (9, 5, 1), (9, 6, END)]);
    }

    #[test]
    fn a_file_that_ends_inside_a_message_is_sent_as_far_as_it_goes() {
        let mut bytes = file(&[5, 6]);
        bytes.pop();
        let (packets, truncated) = packets(source(&bytes[..], Together::Within(0), 1_400));
        assert_eq!(packets, [(5, 1, 1), (5, 2, END)]);
        assert_eq!(truncated.as_deref(), Some("at byte 5: 4 bytes of a message and the end of the file"));
    }

    #[test]
    fn an_empty_file_is_a_session_that_ends() {
        assert_eq!(packets(source(&b""[..], Together::Full, 1_400)), (vec![(0, 1, END)], None));
    }

    #[test]
    fn a_message_that_fits_no_packet_is_an_error() {
        let bytes = file(&[5]);
        assert!(source(&bytes[..], Together::Full, 24).next_datagram().is_err());
    }

    proptest! {
        #[test]
        fn bytes_that_trickle_give_the_same_packets(times in prop::collection::vec(0..50_u16, 0..60), window_ns in 0..9_u64, limit_bytes in 25..90_usize, lost_bytes in 0..4_usize) {
            let bytes = file(&times);
            let bytes = &bytes[..bytes.len().saturating_sub(lost_bytes)];
            let whole = packets(source(bytes, Together::Within(window_ns), limit_bytes));
            let trickled = packets(source(Trickle { all: bytes, readable: 0 }, Together::Within(window_ns), limit_bytes));
            prop_assert_eq!(whole, trickled);
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
        assert!(common_field(&protocol().messages, "timestamp").is_none(), "no such field");
    }
}
