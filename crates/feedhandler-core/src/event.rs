//! What happened to the stream besides its messages: gaps, recoveries, session changes and drops, as rows in the batch.

use serde::Serialize;

use crate::layout::RowLayout;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventKind {
    /// Sequence numbers `first..=last` did not arrive on any line in time.
    Gap = 1,
    /// Sequence numbers `first..=last` arrived after something behind them had: from another line, or out of order.
    Recovered = 2,
    /// A session begins; `first` is the sequence number of the first unit seen.
    SessionStart = 3,
    /// A session is over; `last` is the sequence number of its last unit.
    SessionEnd = 4,
    /// `count` datagrams of a line were dropped before they could be read.
    Drop = 5,
    /// `count` of the messages `first..=last` could not be used and are lost; or, where both are 0, a datagram. Its content is
    /// lost, but with no cause: then another copy may still bring it, or a gap tells that none has.
    Malformed = 6,
    /// A line goes on in a session that the channel has left.
    StaleSession = 7,
}

/// Why units were lost or datagrams dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Cause {
    /// Nothing was lost.
    #[default]
    None = 0,
    /// They came on no line, and nothing on this machine dropped them.
    Line = 1,
    /// The kernel dropped datagrams of the channel because a socket's buffer was full (`SO_RXQ_OVFL`).
    SocketBuffer = 2,
    /// The ring was full and its policy is to drop.
    RingFull = 3,
    /// Every copy that came was malformed, or there can be no other, or the copy that was delivered has messages that are.
    Malformed = 4,
}

/// All event kinds, with their names.
pub const EVENT_KINDS: [(EventKind, &str); 7] = [
    (EventKind::Gap, "gap"),
    (EventKind::Recovered, "recovered"),
    (EventKind::SessionStart, "session_start"),
    (EventKind::SessionEnd, "session_end"),
    (EventKind::Drop, "drop"),
    (EventKind::Malformed, "malformed"),
    (EventKind::StaleSession, "stale_session"),
];

/// All causes, with their names.
pub const CAUSES: [(Cause, &str); 5] = [
    (Cause::None, "none"),
    (Cause::Line, "line"),
    (Cause::SocketBuffer, "socket_buffer"),
    (Cause::RingFull, "ring_full"),
    (Cause::Malformed, "malformed"),
];

/// Line of an event that is not one line's.
pub const NO_LINE: u16 = u16::MAX;

/// Something that happened to a channel's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// Why.
    pub cause: Cause,
    /// Line within the channel, or [`NO_LINE`].
    pub line: u16,
    /// First sequence number concerned.
    pub first: u64,
    /// Last sequence number concerned.
    pub last: u64,
    /// How many units, messages or datagrams.
    pub count: u64,
    /// When it was noticed, on the clock of the receive times.
    pub ts_ns: u64,
}

impl Event {
    /// An event about the units `first..end`.
    #[must_use]
    pub fn units(kind: EventKind, cause: Cause, first: u64, end: u64, ts_ns: u64) -> Self {
        let (last, count) = (end.saturating_sub(1), end.saturating_sub(first));
        Self { kind, cause, line: NO_LINE, first, last, count, ts_ns }
    }

    /// An event about a line.
    #[must_use]
    pub fn of_line(kind: EventKind, cause: Cause, line: u16, count: u64, ts_ns: u64) -> Self {
        Self { kind, cause, line, first: 0, last: 0, count, ts_ns }
    }

    /// The event as a row of [`layout`]; `position` is the index in the arrival order of the message it precedes.
    #[must_use]
    pub fn row(&self, channel: u16, position: u64) -> [u8; EVENT_BYTES] {
        let mut row = [0; EVENT_BYTES];
        row[0] = self.kind as u8;
        row[1] = self.cause as u8;
        row[2..4].copy_from_slice(&channel.to_ne_bytes());
        row[4..6].copy_from_slice(&self.line.to_ne_bytes());
        for (at, value) in [(8, self.first), (16, self.last), (24, self.count), (32, self.ts_ns), (40, position)] {
            row[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        }
        row
    }

    /// What a row says: the channel, the position, and the event; none where the row is of another form.
    #[must_use]
    pub fn read(row: &[u8]) -> Option<(u16, u64, Self)> {
        let row: &[u8; EVENT_BYTES] = row.try_into().ok()?;
        let word = |at: usize| row[at..].first_chunk().map(|bytes| u64::from_ne_bytes(*bytes));
        let event = Self {
            kind: EVENT_KINDS.iter().find(|(kind, _)| *kind as u8 == row[0])?.0,
            cause: CAUSES.iter().find(|(cause, _)| *cause as u8 == row[1])?.0,
            line: u16::from_ne_bytes([row[4], row[5]]),
            first: word(8)?,
            last: word(16)?,
            count: word(24)?,
            ts_ns: word(32)?,
        };
        Some((u16::from_ne_bytes([row[2], row[3]]), word(40)?, event))
    }
}

/// Bytes of an event's row.
pub const EVENT_BYTES: usize = 48;

/// Columns of `batch.events`.
#[must_use]
pub fn layout() -> RowLayout {
    let columns = [("kind", "u1", 1), ("cause", "u1", 1), ("channel", "u2", 2), ("line", "u2", 2)];
    let numbers = ["first", "last", "count", "ts_ns", "position"].map(|name| (name, "u8", 8));
    RowLayout::new(columns.into_iter().chain(numbers).map(|(name, format, width)| (name, format.to_owned(), width)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_laid_out_as_the_columns_say() {
        let layout = layout();
        assert_eq!(layout.row_bytes, EVENT_BYTES);
        let event = Event::units(EventKind::Gap, Cause::Line, 5, 8, 99);
        let row = event.row(3, 7);
        let value = |name: &str| {
            let column = layout.columns.iter().find(|column| column.name == name).expect("a column");
            row[column.offset..column.offset + column.width].iter().rev().fold(0_u64, |v, b| (v << 8) | u64::from(*b))
        };
        let names = ["kind", "cause", "channel", "line", "first", "last", "count", "ts_ns", "position"];
        assert_eq!(names.map(value), [1, 1, 3, u64::from(NO_LINE), 5, 7, 3, 99, 7]);
        assert_eq!(Event::read(&row), Some((3, 7, event)));
        assert_eq!(Event::read(&[0; EVENT_BYTES]), None, "there is no kind 0");
    }
}
