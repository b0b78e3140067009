//! What a report tells besides counters: the gaps, the sessions, and samples of what could not be used. All bounded.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::arbitrate::Session;
use crate::event::{Cause, Event, EventKind};
use crate::framing::SessionId;
use crate::malformed::Reason;

/// Gaps and sessions that are listed; further ones are counted.
const MOST_LISTED: usize = 10_000;
/// Samples that are kept.
const MOST_SAMPLES: usize = 16;
/// Bytes of a sample.
const SAMPLE_BYTES: usize = 96;

/// A range that was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Channel.
    pub channel: String,
    /// Number of its session among those of the channel, from 0 on.
    pub session: u32,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
    /// Why.
    pub cause: Cause,
    /// When it was declared.
    pub ts_ns: u64,
}

/// A session that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionSeen {
    /// Channel.
    pub channel: String,
    /// Identifier, as on the wire: a number or text; none where the protocol has no sessions.
    pub id: SessionId,
    /// First sequence number.
    pub first: u64,
    /// Last sequence number.
    pub last: u64,
}

impl SessionSeen {
    /// What is known of a channel's session.
    #[must_use]
    pub fn new(channel: &str, session: &Session) -> Self {
        let last = session.next.saturating_sub(1);
        Self { channel: channel.to_owned(), id: session.id, first: session.first, last }
    }
}

/// A packet or message that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Channel.
    pub channel: String,
    /// Line.
    pub line: String,
    /// When it came.
    pub ts_ns: u64,
    /// What was wrong.
    pub reason: Reason,
    /// Which message of the packet; none where it was the packet as a whole.
    pub message: Option<u64>,
    /// Length in bytes.
    pub length: usize,
    /// The first bytes, hexadecimal.
    pub bytes: String,
}

impl Sample {
    /// Keeps the beginning of `bytes`.
    #[must_use]
    pub fn new(channel: &str, line: &str, ts_ns: u64, reason: Reason, message: Option<u64>, bytes: &[u8]) -> Self {
        let head = hex(&bytes[..bytes.len().min(SAMPLE_BYTES)]);
        let (channel, line) = (channel.to_owned(), line.to_owned());
        Self { channel, line, ts_ns, reason, message, length: bytes.len(), bytes: head }
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Gaps, in the order they were declared.
    pub gaps: Vec<Gap>,
    /// Gaps beyond those listed.
    pub gaps_omitted: u64,
    /// Sessions that are over, in the order they began.
    pub sessions: Vec<SessionSeen>,
    /// Sessions beyond those listed.
    pub sessions_omitted: u64,
    /// Malformed packets and messages by reason.
    pub malformed: BTreeMap<Reason, u64>,
    /// Samples of them.
    pub samples: Vec<Sample>,
    /// Units in all sessions that are over.
    pub expected: BTreeMap<String, u64>,
    /// Sessions that are over, by channel.
    sessions_over: BTreeMap<String, u32>,
}

impl History {
    pub(crate) fn note_event(&mut self, channel: &str, event: &Event) {
        if event.kind != EventKind::Gap {
            return;
        }
        if self.gaps.len() == MOST_LISTED {
            self.gaps_omitted += 1;
            return;
        }
        let Event { first, last, cause, ts_ns, .. } = *event;
        let session = self.sessions_over.get(channel).copied().unwrap_or(0);
        self.gaps.push(Gap { channel: channel.to_owned(), session, first, last, cause, ts_ns });
    }

    pub(crate) fn note_session(&mut self, channel: &str, session: &Session) {
        *self.expected.entry(channel.to_owned()).or_default() += session.next - session.first;
        *self.sessions_over.entry(channel.to_owned()).or_default() += 1;
        if self.sessions.len() == MOST_LISTED {
            self.sessions_omitted += 1;
        } else {
            self.sessions.push(SessionSeen::new(channel, session));
        }
    }

    pub(crate) fn note_malformed(&mut self, reason: Reason, count: u64, sample: impl FnOnce() -> Sample) {
        *self.malformed.entry(reason).or_default() += count;
        if self.samples.len() < MOST_SAMPLES {
            self.samples.push(sample());
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]).collect()
}
