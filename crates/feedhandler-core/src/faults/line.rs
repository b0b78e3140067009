//! One line: its packets are numbered, rewritten, read, and sent through its faults.

use std::collections::{BTreeMap, VecDeque};

use serde::{Serialize, Serializer};

use super::mangle::Protocol;
use super::packet::{Content, Packet};
use super::read::Tracker;
use super::rewrite::Rewriter;
use super::stage::Stage;
use super::truth::{Done, LineTruth, Truth};

/// Packets that a sender may still have in its hands: more than one batch of it.
const MOST_IN_HAND: usize = 256;

/// What was offered to a line, before the faults of the network.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Offered {
    packets: u64,
    bytes: u64,
    data: u64,
    unsequenced: u64,
    unsequenced_units: u64,
    heartbeats: u64,
    ends_of_session: u64,
    malformed: u64,
    unknown: u64,
    /// Datagrams that left, whatever was done to them.
    left: u64,
    sessions: BTreeMap<u32, OfferedSession>,
}

/// A session of a line.
#[derive(Clone, Debug, Default, Serialize)]
struct OfferedSession {
    /// Ranges of units, and how often each was sent.
    runs: Runs,
    /// The furthest unit that what left of the line's heartbeats, ends of session and malformed packets announces.
    announced: u64,
}

/// How often each unit was sent: by how much that changes at some units.
#[derive(Clone, Debug, Default)]
struct Runs(BTreeMap<u64, i64>);

impl Runs {
    fn add(&mut self, first: u64, end: u64) {
        for (at, change) in [(first, 1), (end, -1)] {
            let sum = self.0.entry(at).or_default();
            *sum += change;
            if *sum == 0 {
                self.0.remove(&at);
            }
        }
    }
}

impl Serialize for Runs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut copies = 0;
        let starts = self.0.iter().zip(self.0.keys().skip(1));
        serializer.collect_seq(starts.filter_map(|((first, change), end)| {
            copies += change;
            (copies > 0).then(|| [*first, end - 1, copies.unsigned_abs()])
        }))
    }
}

impl Offered {
    fn count(&mut self, packet: &Packet) {
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
        match packet.content {
            Content::Data { session, first, last } => {
                self.data += 1;
                self.sessions.entry(session).or_default().runs.add(first, last.saturating_add(1));
            }
            Content::Unsequenced { units } => {
                self.unsequenced += 1;
                self.unsequenced_units += units;
            }
            Content::Heartbeat { .. } => self.heartbeats += 1,
            Content::EndOfSession { .. } => self.ends_of_session += 1,
            Content::Malformed { .. } | Content::Misread { .. } => self.malformed += 1,
            Content::Unknown {} => self.unknown += 1,
        }
    }

    fn count_left(&mut self, content: Content) {
        self.left += 1;
        if let Content::Heartbeat { session, next }
        | Content::EndOfSession { session, next }
        | Content::Malformed { session: Some(session), next: Some(next) } = content
        {
            let session = self.sessions.entry(session).or_default();
            session.announced = session.announced.max(next);
        }
    }
}

/// A packet that left, as far as the truth needs it.
#[derive(Clone, Copy, Debug)]
struct Left {
    index: u64,
    copy: u64,
    ts_ns: u64,
    content: Content,
}

/// See the module's documentation.
pub(super) struct Line {
    name: String,
    protocol: Option<Protocol>,
    rewriter: Option<Rewriter>,
    tracker: Tracker,
    chain: Vec<Box<dyn Stage>>,
    index: u64,
    copies: u64,
    offered: Offered,
    in_hand: VecDeque<Left>,
    emitted: u64,
}

impl Line {
    pub fn new(
        name: String,
        protocol: Option<Protocol>,
        rewriter: Option<Rewriter>,
        chain: Vec<Box<dyn Stage>>,
    ) -> Self {
        Self {
            name,
            protocol,
            rewriter,
            chain,
            tracker: Tracker::default(),
            index: 0,
            copies: 0,
            offered: Offered::default(),
            in_hand: VecDeque::new(),
            emitted: 0,
        }
    }

    /// Takes the line's next packet; what leaves until its time goes to `out`.
    pub fn offer(&mut self, ts_ns: u64, now_ns: u64, payload: &[u8], truth: &mut Truth, out: &mut Vec<Packet>) {
        let (index, content) = (self.index, Content::Unknown {});
        let mut packet = Packet { index, copy: 0, ts_ns, due_ns: now_ns, content, payload: payload.to_vec() };
        self.index += 1;
        self.identify(&mut packet, truth);
        self.offered.count(&packet);
        self.run(vec![packet], Some(now_ns), truth, out);
    }

    /// It is `now_ns`: what was held until then goes to `out`.
    pub fn advance(&mut self, now_ns: u64, truth: &mut Truth, out: &mut Vec<Packet>) {
        if !self.chain.is_empty() {
            self.run(Vec::new(), Some(now_ns), truth, out);
        }
    }

    /// Nothing more comes: what is held goes to `out`.
    pub fn finish(&mut self, truth: &mut Truth, out: &mut Vec<Packet>) {
        self.run(Vec::new(), None, truth, out);
    }

    /// Notes that a packet left.
    pub fn left(&mut self, packet: &Packet) {
        let Packet { index, copy, ts_ns, content, .. } = *packet;
        self.emitted += 1;
        self.in_hand.push_back(Left { index, copy, ts_ns, content });
        if self.in_hand.len() > MOST_IN_HAND
            && let Some(gone) = self.in_hand.pop_front()
        {
            self.offered.count_left(gone.content);
        }
    }

    /// Notes that of the packets that left, only so many were sent.
    pub fn settle(&mut self, sent: Option<u64>, truth: &mut Truth) {
        let unsent = sent.map_or(0, |sent| self.emitted.saturating_sub(sent));
        let sent = self.in_hand.len().saturating_sub(usize::try_from(unsent).unwrap_or(usize::MAX));
        for (at, packet) in std::mem::take(&mut self.in_hand).into_iter().enumerate() {
            let Left { index, copy, ts_ns, content } = packet;
            if at < sent {
                self.offered.count_left(content);
            } else {
                self.truth(truth).note_of(index, copy, ts_ns, content, Done::Stopped {});
            }
        }
    }

    /// Notes that a packet was never sent.
    pub fn stop(&mut self, packet: &Packet, truth: &mut Truth) {
        self.truth(truth).note(packet, Done::Stopped {});
    }

    pub fn summarise(&self, truth: &mut Truth) {
        truth.summary(&self.name, &self.offered);
    }

    fn identify(&mut self, packet: &mut Packet, truth: &mut Truth) {
        let Some(protocol) = &self.protocol else { return };
        let plan = &protocol.0;
        let begun = self.rewriter.as_mut().map_or_else(Vec::new, |own| own.rewrite(plan, packet, &mut self.tracker));
        packet.content = self.tracker.content(plan, &packet.payload);
        for done in begun {
            self.truth(truth).note(packet, done);
        }
    }

    /// Sends packets through the chain; each stage is told the time of each packet, and then `now_ns`, or the end.
    fn run(&mut self, flow: Vec<Packet>, now_ns: Option<u64>, truth: &mut Truth, out: &mut Vec<Packet>) {
        let mut truth = LineTruth { line: &self.name, truth, copies: &mut self.copies };
        let mut flow = flow;
        for stage in &mut self.chain {
            let mut next = Vec::new();
            for packet in flow {
                stage.until(packet.due_ns, &mut next);
                stage.take(packet, &mut truth, &mut next);
            }
            match now_ns {
                Some(now_ns) => stage.until(now_ns, &mut next),
                None => stage.finish(&mut next),
            }
            flow = next;
        }
        out.append(&mut flow);
    }

    fn truth<'a>(&'a mut self, truth: &'a mut Truth) -> LineTruth<'a> {
        LineTruth { line: &self.name, truth, copies: &mut self.copies }
    }
}
