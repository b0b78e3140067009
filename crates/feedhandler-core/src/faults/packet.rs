//! A packet on its way through the faults of its line.

use serde::Serialize;

/// What a packet is, as its protocol's framing says. Ranges and places are the sequence's, extended to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Content {
    /// It carries the units `first..=last`.
    Data {
        /// Number of the line's session, from 0 on.
        session: u32,
        /// Its first unit.
        first: u64,
        /// Its last unit.
        last: u64,
    },
    /// It carries units whose number says that they stand outside the sequence.
    Unsequenced {
        /// How many.
        units: u64,
    },
    /// It says which unit comes next.
    Heartbeat {
        /// Number of the line's session.
        session: u32,
        /// The unit.
        next: u64,
    },
    /// It says that the session is over.
    EndOfSession {
        /// Number of the line's session.
        session: u32,
        /// The unit that would come next.
        next: u64,
    },
    /// Its framing cannot be followed.
    Malformed {
        /// Number of the line's session, where the header can be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u32>,
        /// First unit behind those that it claims to carry.
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
    },
    /// After a fault it passes for another packet.
    Misread {
        /// For which, where that can be told.
        #[serde(skip)]
        passes: Option<Passes>,
    },
    /// Nobody said what protocol it is of, or the protocol has no sequence.
    Unknown {},
}

/// What a packet passes for whose header was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Passes {
    /// Carries units, is a heartbeat, or ends the session.
    pub kind: PassesAs,
    /// Number of the line's session; none where it is of another that nobody sends.
    pub session: Option<u32>,
    /// First unit that it claims, or that it says comes next.
    pub first: u64,
    /// First unit behind those.
    pub end: u64,
}

/// Kinds of packets that one can pass for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PassesAs {
    Data,
    Heartbeat,
    EndOfSession,
}

/// A packet, and what became of it so far.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    /// Number on its line, from 0 on.
    pub index: u64,
    /// 0 for the packet itself, another number for each copy.
    pub copy: u64,
    /// Its time, with all that it was delayed by.
    pub ts_ns: u64,
    /// When it leaves, on a clock that never goes back.
    pub due_ns: u64,
    /// What it is.
    pub content: Content,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Packet {
    /// Makes it later.
    pub fn delay(&mut self, by_ns: u64) {
        self.ts_ns = self.ts_ns.saturating_add(by_ns);
        self.due_ns = self.due_ns.saturating_add(by_ns);
    }
}
