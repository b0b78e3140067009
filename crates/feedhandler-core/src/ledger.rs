//! ledger: every packet and message has a fate, and the fates add up.
//!
//! Sums, checked with every batch (those of lines' units with some), and all of them whenever a report is made. One that
//! is wrong is counted:
//!
//! | what | sum |
//! |---|---|
//! | a line's datagrams | `datagrams = accepted + duplicate + stale + heartbeats + ends_of_session + malformed + other_source + pending` |
//! | a channel's units | `seen = delivered + recovered + unsequenced + duplicate + late + stale + pending`, and `expected = delivered + recovered + lost` |
//! | its messages | `messages = rows + unknown + malformed + filtered` |
//! | a line's units | `expected = brought + missed + lost + behind`, and `won <= brought` |
//! | the lines' together | the sum of `won` is `delivered + recovered` |
//!
//! A unit is what the protocol's sequence number counts: a message or a packet.

use serde::Serialize;

use crate::event::Cause;

/// Fates of a channel's units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UnitCounters {
    /// Units in packets that could be used, over all lines.
    pub seen: u64,
    /// Delivered in order.
    pub delivered: u64,
    /// Delivered after they had been noticed to be missing.
    pub recovered: u64,
    /// Copies of what was delivered before.
    pub duplicate: u64,
    /// Copies of what had been declared lost.
    pub late: u64,
    /// From a session that the channel has left.
    pub stale: u64,
    /// Delivered from packets whose sequence number says that they stand outside the sequence.
    pub unsequenced: u64,
    /// Waiting for something in front of them.
    pub pending: u64,
    /// Lost on every line, and nothing here dropped them.
    pub lost_line: u64,
    /// Lost while the kernel dropped datagrams of the channel.
    pub lost_socket_buffer: u64,
    /// Lost while the ring dropped datagrams of the channel.
    pub lost_ring_full: u64,
    /// Lost because every copy was malformed.
    pub lost_malformed: u64,
    /// Packets too far ahead of the sequence, or of one that went on without them (counted among the malformed).
    pub implausible_packets: u64,
}

impl UnitCounters {
    /// Counts lost units.
    pub fn lose(&mut self, cause: Cause, units: u64) {
        let counter = match cause {
            Cause::None | Cause::Line => &mut self.lost_line,
            Cause::SocketBuffer => &mut self.lost_socket_buffer,
            Cause::RingFull => &mut self.lost_ring_full,
            Cause::Malformed => &mut self.lost_malformed,
        };
        *counter += units;
    }

    /// Units lost, whatever the cause.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost_line + self.lost_socket_buffer + self.lost_ring_full + self.lost_malformed
    }

    /// Whether the fates add up to what was seen, and to what `expected` says was sent.
    #[must_use]
    pub fn is_balanced(&self, expected: u64) -> bool {
        let quiet = [self.duplicate, self.late, self.stale, self.pending];
        let fates = quiet.into_iter().chain([self.delivered, self.recovered, self.unsequenced]);
        self.seen == fates.sum::<u64>() && expected == self.delivered + self.recovered + self.lost()
    }
}

/// What a line did for its channel: the units of the sequence that it brought and did not bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineUnits {
    /// Delivered from this line: its copy was the first good one.
    pub won: u64,
    /// Came on this line in a packet that could be used, in time or not.
    pub brought: u64,
    /// Never came on this line, though on another.
    pub missed: u64,
    /// Came on no line.
    pub lost: u64,
    /// Beyond the place that this line has come to: it may still bring them.
    pub behind: u64,
    /// Came on this line alone, of several: without it they would have been lost.
    pub saved: u64,
}

impl LineUnits {
    /// Whether every unit expected is accounted for, where units are numbered.
    #[must_use]
    pub fn is_balanced(&self, expected: u64) -> bool {
        expected == self.brought + self.missed + self.lost + self.behind && self.won <= self.brought
    }
}

/// Fates of a channel's messages, once arbitrated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MessageCounters {
    /// Messages of arbitrated packets.
    pub messages: u64,
    /// Became rows.
    pub rows: u64,
    /// Of a type that the declaration does not know.
    pub unknown: u64,
    /// Could not be decoded.
    pub malformed: u64,
    /// Not wanted by the filter.
    pub filtered: u64,
    /// Longer than declared, and read as far as known (these are rows as well).
    pub longer: u64,
}

impl MessageCounters {
    /// Whether the fates add up.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.messages == self.rows + self.unknown + self.malformed + self.filtered
    }
}

/// Fates of a line's datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineCounters {
    /// Datagrams that came.
    pub datagrams: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// At least one unit of it was delivered.
    pub accepted: u64,
    /// All of it had been delivered or declared lost before.
    pub duplicate: u64,
    /// From a session that the channel has left.
    pub stale: u64,
    /// Heartbeats.
    pub heartbeats: u64,
    /// Ends of session.
    pub ends_of_session: u64,
    /// Could not be used.
    pub malformed: u64,
    /// From somebody who is none of the line's sources.
    pub other_source: u64,
    /// Waiting for something in front of it.
    pub pending: u64,
    /// Datagrams that the kernel dropped because the socket's buffer was full.
    pub dropped_socket_buffer: u64,
    /// Datagrams that were dropped because the ring was full.
    pub dropped_ring_full: u64,
    /// Bytes behind the last message that the header did not count.
    pub trailing_bytes: u64,
    /// Receive stamp of the last datagram that came; 0 where none did.
    pub last_heard_ns: u64,
}

impl LineCounters {
    /// Whether the fates add up.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let quiet = self.heartbeats + self.ends_of_session;
        let unused = self.malformed + self.other_source;
        self.datagrams == self.accepted + self.duplicate + self.stale + quiet + unused + self.pending
    }
}
