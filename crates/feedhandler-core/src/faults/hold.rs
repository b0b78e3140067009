//! Delay and reordering: packets that come later than they would.

use std::collections::VecDeque;

use super::choice::Choice;
use super::packet::Packet;
use super::stage::Stage;
use super::truth::{Done, LineTruth};

/// Packets that wait for their time, in its order.
#[derive(Debug, Default)]
pub(super) struct Held(VecDeque<Packet>);

impl Held {
    pub fn keep(&mut self, packet: Packet) {
        let at = self.0.partition_point(|held| held.due_ns <= packet.due_ns);
        self.0.insert(at, packet);
    }

    pub fn release(&mut self, now_ns: u64, out: &mut Vec<Packet>) {
        while self.0.front().is_some_and(|held| held.due_ns <= now_ns) {
            out.extend(self.0.pop_front());
        }
    }
}

/// Makes packets later by a time.
pub(super) struct Delay {
    choice: Choice,
    by_ns: u64,
    jitter_ns: u64,
    /// It is told as reordering.
    is_reorder: bool,
    held: Held,
}

impl Delay {
    pub fn new(choice: Choice, by_ns: u64, jitter_ns: u64) -> Self {
        Self { choice, by_ns, jitter_ns, is_reorder: false, held: Held::default() }
    }

    pub fn reorder(choice: Choice, within_ns: u64) -> Self {
        Self { choice, by_ns: 0, jitter_ns: within_ns, is_reorder: true, held: Held::default() }
    }
}

impl Stage for Delay {
    fn take(&mut self, mut packet: Packet, truth: &mut LineTruth<'_>, out: &mut Vec<Packet>) {
        if !self.choice.takes(&packet) {
            out.push(packet);
            return;
        }
        let by_ns = self.by_ns.saturating_add(self.choice.chance().below(self.jitter_ns.saturating_add(1)));
        truth.note(&packet, if self.is_reorder { Done::Reorder { by_ns } } else { Done::Delay { by_ns } });
        packet.delay(by_ns);
        self.held.keep(packet);
    }

    fn until(&mut self, now_ns: u64, out: &mut Vec<Packet>) {
        self.held.release(now_ns, out);
    }
}

/// Lets packets be overtaken by some that follow them.
pub(super) struct Overtake {
    pub choice: Choice,
    pub within: u64,
    /// Packets, and how many have still to overtake each.
    pub waiting: Vec<(u64, Packet)>,
}

impl Overtake {
    /// A packet has passed those that wait; those that were passed by enough follow it.
    fn pass(&mut self, ts_ns: u64, due_ns: u64, out: &mut Vec<Packet>) {
        for (left, _) in &mut self.waiting {
            *left -= 1;
        }
        for (_, mut packet) in self.waiting.extract_if(.., |(left, _)| *left == 0) {
            packet.ts_ns = packet.ts_ns.max(ts_ns);
            packet.due_ns = packet.due_ns.max(due_ns);
            out.push(packet);
        }
    }
}

impl Stage for Overtake {
    fn take(&mut self, packet: Packet, truth: &mut LineTruth<'_>, out: &mut Vec<Packet>) {
        if self.choice.takes(&packet) {
            let behind = 1 + self.choice.chance().below(self.within);
            truth.note(&packet, Done::Overtaken { behind });
            self.waiting.push((behind, packet));
            return;
        }
        let (ts_ns, due_ns) = (packet.ts_ns, packet.due_ns);
        out.push(packet);
        self.pass(ts_ns, due_ns, out);
    }

    fn finish(&mut self, out: &mut Vec<Packet>) {
        out.extend(self.waiting.drain(..).map(|(_, packet)| packet));
    }
}
