//! The packets of a session, made one after the other.

use super::eastern::midnight_ns;
use super::instrument::Instrument;
use super::market::Market;
use super::message::About;
use super::options::{MOST_PACKET_BYTES, Options, OptionsError};
use super::packet::{Kind, MOST_HEADER_BYTES, MOST_MESSAGE_BYTES, Wire, closing, opening};
use super::pulse::Pulse;

/// Longest silence of a line.
pub const HEARTBEAT_NS: u64 = 1_000_000_000;
/// Messages that happen within this time of a packet's first share it, where there is room.
const WINDOW_NS: u64 = 20_000;
/// Time from a packet's last message until it is sent.
const SEND_NS: u64 = 2_000;
/// Mean time between the messages of a packet that is made for a given time.
const GAP_NS: u64 = 2_000;

/// A packet that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made<'a> {
    /// When it is to be sent, in Unix nanoseconds.
    pub send_time_ns: u64,
    /// Number of its first message, or of the next where it has none.
    pub sequence: u64,
    /// How many it has.
    pub count: u16,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// See the module's documentation.
///
/// Invariant: `body` is empty between two calls.
#[derive(Debug)]
pub struct Generator {
    options: Options,
    market: Market,
    wire: Wire,
    pulse: Pulse,
    opening_messages: u64,
    /// When the next message happens.
    next_ns: u64,
    /// Time that messages took which happened all at once.
    owed_ns: u64,
    /// When the last packet was sent; 0 before the first.
    sent_ns: u64,
    next_sequence: u64,
    body: Vec<u8>,
    packet: Vec<u8>,
}

impl Generator {
    /// The session that `options` describe.
    ///
    /// # Errors
    ///
    /// Options that contradict what the protocol can say.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        options.check()?;
        let Options { protocol, seed, instruments, start_ns, .. } = options;
        let opening = (0..).take_while(|&number| opening(protocol, instruments, number).is_some());
        Ok(Self {
            market: Market::new(protocol.rules(), seed, instruments),
            wire: Wire::new(protocol, midnight_ns(start_ns), instruments),
            pulse: Pulse::new(!seed, options.mean_gap_ns()),
            opening_messages: opening.count() as u64,
            next_ns: start_ns,
            owed_ns: 0,
            sent_ns: 0,
            next_sequence: 1,
            body: Vec::with_capacity(options.packet_bytes),
            packet: Vec::with_capacity(options.packet_bytes),
            options,
        })
    }

    /// Number of the next message; one less is how many there were.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// When the next message happens.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// What the session was made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The instruments, with their books.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        self.market.instruments()
    }

    /// Messages that a session has at least: those that begin it and those that end it.
    #[must_use]
    pub fn least_messages(&self) -> u64 {
        self.opening_messages + self.closing_messages()
    }

    /// Messages that end the session.
    #[must_use]
    pub fn closing_messages(&self) -> u64 {
        closing(self.options.protocol).len() as u64
    }

    /// When a heartbeat is due before the next packet, where nothing happens for long.
    #[must_use]
    pub fn heartbeat_ns(&self) -> Option<u64> {
        let due_ns = self.sent_ns + HEARTBEAT_NS;
        (self.sent_ns > 0 && self.next_ns > due_ns).then_some(due_ns)
    }

    /// The next packet when its time comes by itself: messages that happen close together, at most `most_messages`.
    pub fn next_packet(&mut self, most_messages: u64) -> Made<'_> {
        let (most, closes_ns) = (most_in_packet(most_messages), self.next_ns + WINDOW_NS);
        let packet_bytes = self.options.packet_bytes;
        let (mut count, mut time_ns) = (0, self.next_ns);
        while count < most && self.has_room(packet_bytes) && (self.next_ns <= closes_ns || !self.market.is_settled()) {
            time_ns = self.next_ns;
            self.tell(time_ns);
            count += 1;
            self.pass();
        }
        self.make(Kind::Data, count, self.sent_ns.max(time_ns + SEND_NS))
    }

    /// The next packet, to be sent at `send_time_ns`, with so many messages of the microseconds before it; fewer where
    /// a datagram has no room for more. The first such packet says on what day the session is, whatever the options
    /// say.
    pub fn packet_at(&mut self, send_time_ns: u64, messages: u64) -> Made<'_> {
        let most = most_in_packet(messages);
        let mut count = 0;
        if self.next_sequence == 1 {
            self.next_ns = 0;
            self.wire.set_day(midnight_ns(send_time_ns));
        }
        while count < most && self.has_room(MOST_PACKET_BYTES) {
            let ago_ns = u64::from(most - 1 - count) * GAP_NS + self.pulse.gap_ns() % GAP_NS;
            self.next_ns = self.next_ns.max(send_time_ns.saturating_sub(ago_ns));
            self.tell(self.next_ns);
            count += 1;
        }
        self.make(Kind::Data, count, send_time_ns)
    }

    /// The packet with the messages that end a session, where the protocol has such.
    pub fn closing_packet(&mut self, send_time_ns: u64) -> Option<Made<'_>> {
        self.next_ns = self.next_ns.max(send_time_ns);
        let messages = closing(self.options.protocol);
        for &about in messages {
            self.write(about, self.next_ns);
        }
        let count = u16::try_from(messages.len()).unwrap_or(0);
        (count > 0).then(|| self.make(Kind::Data, count, send_time_ns))
    }

    /// A packet without messages.
    pub fn signal(&mut self, kind: Kind, send_time_ns: u64) -> Made<'_> {
        self.make(kind, 0, send_time_ns)
    }

    /// The messages that a session began with, as far as they were told.
    pub(super) fn opened(&self) -> impl Iterator<Item = About> {
        let Options { protocol, instruments, .. } = self.options;
        (0..self.opening_messages.min(self.next_sequence - 1))
            .filter_map(move |number| opening(protocol, instruments, number))
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Time passes until the next message. What one order does happens at one time, and is made up for behind it.
    #[inline]
    fn pass(&mut self) {
        self.owed_ns += self.pulse.gap_ns();
        if self.market.is_settled() {
            self.next_ns += std::mem::take(&mut self.owed_ns);
        }
    }

    fn has_room(&self, packet_bytes: usize) -> bool {
        MOST_HEADER_BYTES + self.body.len() + MOST_MESSAGE_BYTES <= packet_bytes
    }

    #[inline]
    fn tell(&mut self, time_ns: u64) {
        let number = self.next_sequence - 1;
        let about = if number < self.opening_messages {
            opening(self.options.protocol, self.options.instruments, number)
        } else {
            None
        };
        let about = about.unwrap_or_else(|| self.market.next(time_ns));
        self.write(about, time_ns);
    }

    #[inline]
    fn write(&mut self, about: About, time_ns: u64) {
        self.wire.message(about, time_ns, &mut self.body);
        self.next_sequence += 1;
    }

    /// The packet of what is in the body.
    fn make(&mut self, kind: Kind, count: u16, send_time_ns: u64) -> Made<'_> {
        self.sent_ns = send_time_ns;
        let sequence = self.next_sequence - u64::from(count);
        self.packet.clear();
        self.wire.header(kind, &self.options.session, sequence, count, send_time_ns, &mut self.packet);
        self.packet.append(&mut self.body);
        Made { send_time_ns, sequence, count, payload: &self.packet }
    }
}

/// `MoldUDP64` ends a session with a count of 0xFFFF.
fn most_in_packet(asked: u64) -> u16 {
    u16::try_from(asked).unwrap_or(u16::MAX).min(u16::MAX - 1)
}

#[cfg(test)]
mod tests;
