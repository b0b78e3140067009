//! Packets: messages of a market behind the header of the protocol's framing.

use super::instrument::MOST_INSTRUMENTS;
use super::itch::Itch;
use super::market::Rules;
use super::message::{About, Message};
use super::msgpack;

/// The protocols that can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Our own (`docs/wire_format.md`).
    Msgpack,
    /// Nasdaq TotalView-ITCH 5.0 in `MoldUDP64`.
    Itch50,
}

impl Protocol {
    /// The protocol of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "msgpack" => Some(Self::Msgpack),
            "itch50" => Some(Self::Itch50),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Msgpack => "msgpack",
            Self::Itch50 => "itch50",
        }
    }

    /// Bytes that the name of a session may have.
    #[must_use]
    pub fn session_bytes(self) -> usize {
        match self {
            Self::Msgpack => 16,
            Self::Itch50 => 10,
        }
    }

    /// What its messages can say.
    #[must_use]
    pub fn rules(self) -> Rules {
        let is_msgpack = self == Self::Msgpack;
        Rules { modifies: is_msgpack, quotes: is_msgpack, odd_lots: !is_msgpack }
    }
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Messages.
    Data,
    /// The next sequence number.
    Heartbeat,
    /// No message will follow.
    EndOfSession,
}

/// How messages and packets of a session are written.
#[derive(Debug)]
pub struct Wire {
    protocol: Protocol,
    itch: Itch,
}

/// No header is longer: a session of 16 bytes and three integers of nine.
pub const MOST_HEADER_BYTES: usize = 48;
/// No message is longer, its length in front of it included: a msgpack one with seven integers of nine bytes.
pub const MOST_MESSAGE_BYTES: usize = 72;

impl Wire {
    /// Of a protocol, on the day that began at `midnight_ns`.
    #[must_use]
    pub fn new(protocol: Protocol, midnight_ns: u64, instruments: u32) -> Self {
        Self { protocol, itch: Itch::new(midnight_ns, instruments.min(MOST_INSTRUMENTS)) }
    }

    /// The day, for timestamps that count from its beginning, is the one that began at `midnight_ns`.
    pub fn set_day(&mut self, midnight_ns: u64) {
        self.itch.set_midnight_ns(midnight_ns);
    }

    /// Appends a message that happened at `time_ns`.
    #[inline]
    pub fn message(&self, about: About, time_ns: u64, out: &mut Vec<u8>) {
        match self.protocol {
            Protocol::Msgpack => msgpack::write(about, time_ns, out),
            Protocol::Itch50 => self.itch.write(about, time_ns, out),
        }
    }

    /// Appends the message that ends a snapshot: `sequence` is the first number that is not in it, `session` whose.
    pub fn snapshot_end(&self, session: &str, sequence: u64, time_ns: u64, out: &mut Vec<u8>) {
        match self.protocol {
            Protocol::Msgpack => {
                msgpack::array(5, out);
                out.extend([7, 0]);
                msgpack::text(session, out);
                msgpack::unsigned(sequence, out);
                msgpack::unsigned(time_ns, out);
            }
            // GLIMPSE 5.0, "End of Snapshot": the number in 20 ASCII digits.
            Protocol::Itch50 => {
                out.extend(21_u16.to_be_bytes());
                out.extend(format!("G{sequence:020}").bytes());
            }
        }
    }

    /// Appends a header; `sequence` is the number of the first message, or of the next where there is none.
    pub fn header(&self, kind: Kind, session: &str, sequence: u64, count: u16, send_time_ns: u64, out: &mut Vec<u8>) {
        match self.protocol {
            Protocol::Msgpack => {
                msgpack::array(5, out);
                out.push(match kind {
                    Kind::Data => 0,
                    Kind::Heartbeat => 1,
                    Kind::EndOfSession => 2,
                });
                msgpack::text(session, out);
                msgpack::unsigned(sequence, out);
                msgpack::unsigned(count.into(), out);
                msgpack::unsigned(send_time_ns, out);
            }
            Protocol::Itch50 => {
                // MoldUDP64 1.00, "Downstream Packet": session, sequence number, message count.
                out.extend(session.bytes().chain(std::iter::repeat(b' ')).take(10));
                out.extend(sequence.to_be_bytes());
                out.extend(if kind == Kind::EndOfSession { [0xff, 0xff] } else { count.to_be_bytes() });
            }
        }
    }
}

/// What begins a session: what there is, before anything happens to it. `number` counts from 0.
#[must_use]
pub fn opening(protocol: Protocol, instruments: u32, number: u64) -> Option<About> {
    let event = |code| Some(About { instrument: 0, message: Message::SystemEvent(code) });
    let place = u32::try_from(number).ok()?;
    let directory =
        |place| (place < instruments).then_some(About { instrument: place + 1, message: Message::Directory });
    match (protocol, place) {
        (Protocol::Msgpack, place) => directory(place),
        (Protocol::Itch50, 0) => event(b'O'),
        (Protocol::Itch50, 1) => event(b'S'),
        (Protocol::Itch50, place) => directory(place - 2).or_else(|| match place - 2 - instruments {
            place if place < instruments => Some(About { instrument: place + 1, message: Message::TradingAction }),
            place if place == instruments => event(b'Q'),
            _ => None,
        }),
    }
}

/// What ends a session.
#[must_use]
pub fn closing(protocol: Protocol) -> &'static [About] {
    const fn event(code: u8) -> About {
        About { instrument: 0, message: Message::SystemEvent(code) }
    }
    match protocol {
        Protocol::Msgpack => &[],
        Protocol::Itch50 => const { &[event(b'M'), event(b'E'), event(b'C')] },
    }
}
