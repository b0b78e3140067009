//! Which streams of a capture are lines of one channel: those that carry equal payloads under the same numbers.
//!
//! Stands in front of the pipeline, and looks at packets before the first of them is decoded. A pair that is missed shows
//! copies as two channels; a pair that is none would take data away. Whatever is doubtful therefore stays apart.

use std::net::SocketAddr;
use std::sync::Arc;

use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap};
use serde::Serialize;
use std::hash::BuildHasher;

use crate::decode::Decoder;
use crate::framing::{Packet, PacketKind, SessionId};
use crate::padded::Padded;
use crate::plan::Plan;
use crate::spec::SequenceUnit;

/// Lines that were found to be those of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paired {
    /// Name of the channel: the address of its first line.
    pub channel: String,
    /// Addresses of its lines, the one heard first in front.
    pub lines: Vec<SocketAddr>,
    /// Packets of a further line that were compared with another line's of the same number and equal to it.
    pub equal_payloads: u64,
    /// Those that were not: copies that were damaged on the way.
    pub different_payloads: u64,
}

/// Equal payloads, none of which comes twice on its line, that make lines of streams which were looked at to their end:
/// nothing that differs can come later.
const LEAST_EQUAL_OF_WHOLE: u64 = 4;
/// The same where the streams go on.
const LEAST_EQUAL_OF_PART: u64 = 32;
/// A copy may be damaged: of so many equal payloads, one may have a different one beside it.
const EQUAL_PER_DIFFERENT: u64 = 8;
/// Different payloads in a row that nobody takes for damage: from there on the streams are not the same.
const MOST_DIFFERENT_IN_A_ROW: u64 = 8;
/// Streams that are compared; further ones stay apart.
const MOST_STREAMS: usize = 4096;

/// A packet's place: its session, by order of appearance, its unit, and its sequence number.
type Key = (u32, u8, u64);

/// A packet of a stream: where it stands, and a hash of what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Seen {
    key: Key,
    content: u64,
}

/// Collects what streams carry, and compares it.
#[derive(Debug)]
pub struct Pairing {
    plan: Arc<Plan>,
    hasher: DefaultHashBuilder,
    sessions: HashMap<SessionId, u32>,
    streams: Vec<(SocketAddr, Vec<Seen>)>,
    numbers: HashMap<SocketAddr, usize>,
    scratch: Vec<u8>,
}

impl Pairing {
    /// Of streams of one protocol.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            hasher: DefaultHashBuilder::default(),
            sessions: HashMap::new(),
            streams: Vec::new(),
            numbers: HashMap::new(),
            scratch: Vec::new(),
        }
    }

    /// Whether streams of a protocol can be compared: their packets are numbered.
    #[must_use]
    pub fn is_possible(plan: &Plan) -> bool {
        plan.framing.unit != SequenceUnit::Nothing
    }

    /// Streams so far.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Looks at a datagram of the stream to `destination`.
    pub fn on_datagram(&mut self, destination: SocketAddr, payload: Padded<'_>) {
        let Some(stream) = self.stream(destination) else { return };
        let plan = Arc::clone(&self.plan);
        let Ok(packet) = plan.framing.packet(payload) else { return };
        let is_whole = Decoder::check(&plan, &plan.framing.delimiter, packet.payload, packet.messages).is_ok();
        if packet.kind == PacketKind::Data && is_whole {
            let seen = Seen { key: self.key(&packet), content: self.content(&plan, payload.bytes(), &packet) };
            self.streams[stream].1.push(seen);
        }
    }

    fn stream(&mut self, destination: SocketAddr) -> Option<usize> {
        let number = self.streams.len();
        match self.numbers.entry(destination) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(_) if number == MOST_STREAMS => None,
            Entry::Vacant(place) => {
                self.streams.push((destination, Vec::new()));
                Some(*place.insert(number))
            }
        }
    }

    fn key(&mut self, packet: &Packet<'_>) -> Key {
        let number = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        (*self.sessions.entry(packet.session).or_insert(number), packet.unit, packet.sequence)
    }

    fn content(&mut self, plan: &Plan, datagram: &[u8], packet: &Packet<'_>) -> u64 {
        self.scratch.clear();
        plan.framing.content(datagram, packet, &mut self.scratch);
        self.hasher.hash_one(&self.scratch)
    }

    /// The channels of several lines that were found, in the order in which they were heard; `is_whole` says that nothing
    /// of the streams is left to come.
    #[must_use]
    pub fn channels(self, is_whole: bool) -> Vec<Paired> {
        if self.streams.len() < 2 {
            return Vec::new();
        }
        let least_equal = if is_whole { LEAST_EQUAL_OF_WHOLE } else { LEAST_EQUAL_OF_PART };
        let mut groups = Groups::default();
        let streams: Vec<_> = self.streams.iter().map(|(_, seen)| Packets::new(seen.clone())).collect();
        // The fullest stream bridges the holes of the others.
        let mut by_size: Vec<usize> = (0..streams.len()).collect();
        by_size.sort_by_key(|stream| std::cmp::Reverse(streams[*stream].all.len()));
        for stream in by_size {
            groups.add(stream, self.streams[stream].0.ip().is_multicast(), &streams[stream], least_equal);
        }
        let address = |stream: &usize| self.streams[*stream].0;
        let mut channels: Vec<_> = groups.found.into_iter().filter(|group| group.streams.len() > 1).collect();
        for group in &mut channels {
            group.streams.sort_unstable();
        }
        channels.sort_by_key(|group| group.streams[0]);
        channels.iter().map(|group| group.told(address)).collect()
    }
}

/// A stream's packets in order, each number once.
struct Packets {
    all: Vec<Seen>,
    /// Whether the content at an index of `all` comes under no other number.
    is_unique: Vec<bool>,
}

impl Packets {
    fn new(mut all: Vec<Seen>) -> Self {
        all.sort_unstable();
        all.dedup();
        // A number under which different things came says nothing.
        let all: Vec<_> =
            all.chunk_by(|a, b| a.key == b.key).filter(|same| same.len() == 1).flatten().copied().collect();
        let mut times: HashMap<u64, u32> = HashMap::with_capacity(all.len());
        for seen in &all {
            *times.entry(seen.content).or_default() += 1;
        }
        let is_unique = all.iter().map(|seen| times[&seen.content] == 1).collect();
        Self { all, is_unique }
    }

    fn unique(&self) -> impl Iterator<Item = &Seen> {
        self.all.iter().zip(&self.is_unique).filter_map(|(seen, is_unique)| is_unique.then_some(seen))
    }
}

/// Streams that are lines of one channel.
struct Group {
    streams: Vec<usize>,
    is_multicast: bool,
    equal: u64,
    different: u64,
}

impl Group {
    fn told(&self, address: impl Fn(&usize) -> SocketAddr) -> Paired {
        let lines: Vec<_> = self.streams.iter().map(address).collect();
        let channel = lines.first().map(ToString::to_string).unwrap_or_default();
        Paired { channel, lines, equal_payloads: self.equal, different_payloads: self.different }
    }
}

/// How a stream compares with a group.
#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
    equal: u64,
    /// Those whose content comes once on either.
    telling: u64,
    different: u64,
    different_in_a_row: u64,
}

impl Evidence {
    fn makes_a_line(&self, least_equal: u64) -> bool {
        self.telling >= least_equal
            && self.different * EQUAL_PER_DIFFERENT <= self.telling
            && self.different_in_a_row < MOST_DIFFERENT_IN_A_ROW
    }
}

#[derive(Default)]
struct Groups {
    found: Vec<Group>,
    /// What a group holds under a number.
    contents: HashMap<(usize, Key), u64>,
    /// Which group holds something that comes once.
    holders: HashMap<Seen, usize>,
}

impl Groups {
    /// Makes a stream a line of the group that it is most like, or a group of its own.
    fn add(&mut self, stream: usize, is_multicast: bool, packets: &Packets, least_equal: u64) {
        let group = self.likest(is_multicast, packets).and_then(|group| {
            let evidence = self.compare(group, packets);
            evidence.makes_a_line(least_equal).then_some((group, evidence))
        });
        let (group, evidence) = group.unwrap_or_else(|| {
            self.found.push(Group { streams: Vec::new(), is_multicast, equal: 0, different: 0 });
            (self.found.len() - 1, Evidence::default())
        });
        self.found[group].streams.push(stream);
        self.found[group].equal += evidence.equal;
        self.found[group].different += evidence.different;
        for seen in &packets.all {
            self.contents.entry((group, seen.key)).or_insert(seen.content);
        }
        for seen in packets.unique() {
            self.holders.entry(*seen).or_insert(group);
        }
    }

    /// The group with most of what a stream holds. Lines of a channel are all multicast or none is: what one receiver asks
    /// for again, and is sent alone, is no line.
    fn likest(&self, is_multicast: bool, packets: &Packets) -> Option<usize> {
        let mut equal: HashMap<usize, u64> = HashMap::new();
        for group in packets.unique().filter_map(|seen| self.holders.get(seen)) {
            if self.found[*group].is_multicast == is_multicast {
                *equal.entry(*group).or_default() += 1;
            }
        }
        // Of two that are equally like it, the first.
        equal.into_iter().max_by_key(|(group, equal)| (*equal, std::cmp::Reverse(*group))).map(|(group, _)| group)
    }

    fn compare(&self, group: usize, packets: &Packets) -> Evidence {
        let (mut evidence, mut in_a_row) = (Evidence::default(), 0);
        for (seen, is_unique) in packets.all.iter().zip(&packets.is_unique) {
            match self.contents.get(&(group, seen.key)) {
                Some(content) if *content == seen.content => {
                    evidence.equal += 1;
                    evidence.telling += u64::from(*is_unique && self.holders.get(seen) == Some(&group));
                    in_a_row = 0;
                }
                Some(_) => {
                    evidence.different += 1;
                    in_a_row += 1;
                    evidence.different_in_a_row = evidence.different_in_a_row.max(in_a_row);
                }
                None => {}
            }
        }
        evidence
    }
}
