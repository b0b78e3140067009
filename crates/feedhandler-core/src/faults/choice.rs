//! Which packets of a line meet a fault.

use super::chance::Chance;
use super::packet::{Content, Packet};
use super::spec::{FaultSpec, Moment, Which};

/// Chooses packets, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    which: Which,
    from: Option<Moment>,
    to: Option<Moment>,
    /// Time of the feed's first datagram.
    start_ns: u64,
    chance: Chance,
    seen: u64,
    /// Packets that the burst still has.
    burst: u64,
    is_bad: bool,
}

impl Choice {
    pub fn new(spec: &FaultSpec, start_ns: u64, chance: Chance) -> Self {
        let FaultSpec { which, from, to, .. } = spec.clone();
        Self { which, from, to, start_ns, chance, seen: 0, burst: 0, is_bad: false }
    }

    /// Whether a packet is chosen.
    pub fn takes(&mut self, packet: &Packet) -> bool {
        if !self.is_reached(self.from, packet, true) || self.is_reached(self.to, packet, false) {
            return false;
        }
        self.seen += 1;
        match &self.which {
            Which::All {} => true,
            Which::Random { p } => self.chance.happens(*p),
            Which::Every { every } => self.seen.is_multiple_of(*every),
            Which::Burst { p, length } => {
                let (p, length) = (*p, *length);
                self.goes_on(p, length)
            }
            Which::Gilbert { p, r, bad, good } => {
                let turns = if self.is_bad { *r } else { *p };
                self.is_bad ^= self.chance.happens(turns);
                let p = if self.is_bad { *bad } else { *good };
                self.chance.happens(p)
            }
            Which::Packets { ranges } => ranges.iter().any(|[first, last]| (*first..=*last).contains(&packet.index)),
            Which::Sequences { ranges } => match packet.content {
                Content::Data { first, last, .. } => ranges.iter().any(|range| range[0] <= last && first <= range[1]),
                _ => false,
            },
        }
    }

    /// What else a fault leaves to chance.
    pub fn chance(&mut self) -> &mut Chance {
        &mut self.chance
    }

    fn goes_on(&mut self, p: f64, length: u64) -> bool {
        if self.burst == 0 && self.chance.happens(p) {
            self.burst = length;
        }
        let is_in = self.burst > 0;
        self.burst = self.burst.saturating_sub(1);
        is_in
    }

    fn is_reached(&self, moment: Option<Moment>, packet: &Packet, if_none: bool) -> bool {
        match moment {
            None => if_none,
            Some(Moment::Packet(index)) => packet.index >= index,
            Some(Moment::Ns(ns)) => packet.due_ns >= self.start_ns.saturating_add(ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::Fault;
    use super::*;

    fn chosen(which: Which, from: Option<Moment>, to: Option<Moment>) -> Vec<u64> {
        let spec = FaultSpec { line: None, which, from, to, what: Fault::Loss {} };
        let mut choice = Choice::new(&spec, 1_000, Chance::new(1, 0, 0));
        let packet = |index: u64| {
            let content = Content::Data { session: 0, first: 10 * index, last: 10 * index + 9 };
            Packet { index, copy: 0, ts_ns: 0, due_ns: 1_000 + 10 * index, content, payload: Vec::new() }
        };
        (0..1_000).filter(|index| choice.takes(&packet(*index))).collect()
    }

    #[test]
    fn exact_packets_and_sequences_are_exact() {
        assert_eq!(chosen(Which::Packets { ranges: vec![[3, 4], [9, 9]] }, None, None), [3, 4, 9]);
        assert_eq!(chosen(Which::Sequences { ranges: vec![[39, 40], [95, 95]] }, None, None), [3, 4, 9]);
        assert_eq!(chosen(Which::Every { every: 300 }, None, None), [299, 599, 899]);
        assert_eq!(chosen(Which::All {}, Some(Moment::Packet(4)), Some(Moment::Ns(60))), [4, 5]);
    }

    #[test]
    fn bursts_are_as_long_as_asked() {
        let hit = chosen(Which::Burst { p: 0.01, length: 7 }, None, None);
        assert_eq!(hit.len() % 7, 0);
        assert!(hit.as_chunks::<7>().0.iter().all(|burst| burst[6] - burst[0] == 6), "{hit:?}");
        let gilbert = chosen(Which::Gilbert { p: 0.05, r: 0.2, bad: 1.0, good: 0.0 }, None, None);
        let runs = gilbert.windows(2).filter(|pair| pair[1] != pair[0] + 1).count() + 1;
        let mean = gilbert.len() / runs;
        assert!((2..=9).contains(&mean), "about 1 / r packets: {mean}");
    }
}
