//! What faults are wanted, as Python hands it over; it travels as JSON, and was checked there.

use serde::Deserialize;

use crate::spec::ProtocolSpec;

/// Faults of a feed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultsSpec {
    /// Where all random numbers come from.
    pub seed: u64,
    /// The faults, in the order in which a packet meets them.
    pub faults: Vec<FaultSpec>,
    /// What the datagrams hold: without it no fault can tell sequence numbers, and the truth says none.
    pub protocol: Option<ProtocolSpec>,
}

/// One fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// Name or address of the line that has it; without it, each has it.
    pub line: Option<String>,
    /// Which packets of the line meet it.
    pub which: Which,
    /// From when on.
    pub from: Option<Moment>,
    /// Until when, exclusive.
    pub to: Option<Moment>,
    /// What it does.
    pub what: Fault,
}

/// Which packets meet a fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "which", rename_all = "snake_case", deny_unknown_fields)]
pub enum Which {
    /// Each.
    All {},
    /// Each with this probability.
    Random {
        /// The probability.
        p: f64,
    },
    /// Each n-th.
    Every {
        /// 1 for each.
        every: u64,
    },
    /// With probability `p` this one and those behind it, `length` in all.
    Burst {
        /// Probability that a burst begins with a packet that is in none.
        p: f64,
        /// Packets in a burst.
        length: u64,
    },
    /// Gilbert–Elliott: a line is good or bad, and has a probability for each.
    Gilbert {
        /// Probability that a good line turns bad with a packet.
        p: f64,
        /// Probability that a bad line turns good.
        r: f64,
        /// Probability that a packet of a bad line meets the fault.
        bad: f64,
        /// Probability that a packet of a good line does.
        good: f64,
    },
    /// Those with these numbers on their line, from 0 on; both ends included.
    Packets {
        /// First and last of each range.
        ranges: Vec<[u64; 2]>,
    },
    /// Those with any of these sequence numbers; both ends included.
    Sequences {
        /// First and last of each range.
        ranges: Vec<[u64; 2]>,
    },
}

/// A place in a line's stream.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The packet with this number on its line, from 0 on.
    Packet(u64),
    /// This long after the feed's first datagram, in the source's time.
    Ns(u64),
}

/// What is done to a packet.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// It never comes.
    Loss {},
    /// It never comes, because its line is down.
    Down {},
    /// It comes twice.
    Duplicate {
        /// How much later the copy comes.
        after_ns: u64,
    },
    /// It comes behind some of those that followed it.
    ReorderPackets {
        /// At most how many.
        within: u64,
    },
    /// It comes later, so that others may overtake it.
    ReorderTime {
        /// At most how much.
        within_ns: u64,
    },
    /// It comes later.
    Delay {
        /// By how much.
        by_ns: u64,
        /// And by how much more at most.
        jitter_ns: u64,
    },
    /// A bit or a byte of it is changed.
    Corrupt {
        /// Where.
        part: Part,
        /// Change a whole byte.
        is_byte: bool,
    },
    /// Its end is missing.
    Truncate {
        /// Bytes that are left; without it, any number.
        keep: Option<usize>,
    },
    /// The sender begins its sequence anew with it.
    Restart {
        /// Identifier of the session that begins; without it, that of the old one.
        session: Option<String>,
    },
    /// The sender leaves numbers out in front of it.
    Jump {
        /// How many.
        by: u64,
    },
}

/// A part of a packet.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Anywhere.
    Any,
    /// The packet header.
    Header,
    /// The lengths by which messages are told apart.
    Framing,
    /// The messages.
    Message,
}
