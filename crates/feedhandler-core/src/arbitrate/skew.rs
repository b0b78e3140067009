//! How much later than the first copy of a packet the other lines bring theirs, and the grace time that follows from it.
//!
//! Some packets are *probes*: the time of their first copy is kept until every line has brought one, or for
//! [`PROBE_NS`]. While lines are far apart fewer packets are probed, so that great skews are measured as well as small ones.

use hdrhistogram::Histogram;

/// Packets whose first copy's time is known.
const PROBES: usize = 256;
/// How long a probe waits for copies: later ones are not measured. Packets that a line lost are given up then.
const PROBE_NS: u64 = 1_000_000_000;
/// Largest skew that is told apart, ns.
const MOST_NS: u64 = PROBE_NS;
const SIGNIFICANT_DIGITS: u8 = 2;

/// Copies in a window of the adapted grace time: of so many, the second latest is their 99.9th percentile.
const WINDOW_COPIES: u32 = 1024;
/// The grace time is so many times the skew that it is adapted to.
const GRACE_FACTOR: u64 = 2;
/// Bounds of the adapted grace time, ns.
const LEAST_GRACE_NS: u64 = 100_000;
const MOST_GRACE_NS: u64 = 100_000_000;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Skew {
    /// None where there is only one line.
    probes: Vec<Probe>,
    lines: Vec<Option<Box<Histogram<u64>>>>,
    /// Bits of all lines.
    all: u64,
    latest: Latest,
    /// 99.9th percentiles of the last windows, the newest first.
    windows: [Option<u64>; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Probe {
    first: u64,
    ts_ns: u64,
    /// Bits of the lines that brought it; none where it was never used.
    came: u64,
}

/// The two greatest skews of the window that is being measured.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    first_ns: u64,
    second_ns: u64,
    copies: u32,
}

impl Skew {
    pub fn new(lines: usize) -> Self {
        let mut skew = Self { probes: vec![], lines: vec![], all: 0, latest: Latest::default(), windows: [None; 2] };
        (0..lines).for_each(|_| skew.add_line());
        skew
    }

    pub fn add_line(&mut self) {
        self.all |= bit(self.lines.len());
        self.lines.push(None);
        if self.lines.len() == 2 {
            self.probes.resize(PROBES, Probe::default());
        }
    }

    /// The first copy of a packet came.
    #[inline]
    pub fn on_first(&mut self, line: usize, first: u64, ts_ns: u64) {
        let all = self.all;
        if let Some(probe) = self.probes.get_mut(place(first))
            && (probe.came & all == all || probe.came == 0 || ts_ns.saturating_sub(probe.ts_ns) > PROBE_NS)
        {
            *probe = Probe { first, ts_ns, came: bit(line) };
        }
    }

    /// Another copy of it came.
    #[inline]
    pub fn on_copy(&mut self, line: usize, first: u64, ts_ns: u64) {
        let bit = bit(line);
        if let Some(probe) = self.probes.get_mut(place(first))
            && probe.first == first
            && probe.came & bit == 0
            && probe.came != 0
        {
            let skew_ns = ts_ns.saturating_sub(probe.ts_ns);
            if skew_ns <= PROBE_NS {
                probe.came |= bit;
                self.record(line, skew_ns);
            }
        }
    }

    /// Sequence numbers begin anew.
    pub fn forget(&mut self) {
        self.probes.fill(Probe::default());
    }

    fn record(&mut self, line: usize, skew_ns: u64) {
        self.lines[line].get_or_insert_with(|| Box::new(histogram())).saturating_record(skew_ns);
        let latest = &mut self.latest;
        latest.second_ns = latest.second_ns.max(skew_ns.min(latest.first_ns));
        latest.first_ns = latest.first_ns.max(skew_ns);
        latest.copies += 1;
        if latest.copies == WINDOW_COPIES {
            self.windows = [Some(latest.second_ns), self.windows[0]];
            self.latest = Latest::default();
        }
    }

    /// Skews of a line's copies, where there were any.
    pub fn of(&self, line: usize) -> Option<&Histogram<u64>> {
        self.lines[line].as_deref()
    }

    /// The grace time that the skew of the last copies asks for; `first_ns` until there were enough.
    pub fn grace_ns(&self, first_ns: u64) -> u64 {
        let measured = self.windows.into_iter().flatten().chain([self.latest.second_ns]).max().unwrap_or(0);
        let grace_ns = (measured * GRACE_FACTOR).clamp(LEAST_GRACE_NS, MOST_GRACE_NS);
        if self.windows[0].is_some() { grace_ns } else { grace_ns.max(first_ns) }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MOST_NS, SIGNIFICANT_DIGITS).expect("the bounds are constants that fit")
}

/// The place of a packet among the probes: packets may all have the same number of units.
#[inline]
fn place(first: u64) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "eight bits are left")]
    let place = (first.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - PROBES.ilog2())) as usize;
    place
}

/// The bit of a line; lines beyond the 64th share bits, and are measured less.
#[inline]
fn bit(line: usize) -> u64 {
    1 << (line % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two lines, the second so much later than the first; packets a microsecond apart.
    fn measured(packets: u64, skew_ns: impl Fn(u64) -> u64) -> Skew {
        let mut skew = Skew::new(2);
        let mut arrivals: Vec<_> =
            (0..packets).flat_map(|n| [(n * 1_000, 0, n), (n * 1_000 + skew_ns(n), 1, n)]).collect();
        arrivals.sort_unstable();
        for (ts_ns, line, first) in arrivals {
            if line == 0 { skew.on_first(0, first, ts_ns) } else { skew.on_copy(1, first, ts_ns) }
        }
        skew
    }

    #[test]
    fn great_and_small_skews_are_measured_alike() {
        for skew_ns in [0, 500, 40_000, 3_000_000, 300_000_000] {
            let skew = measured(1_000_000, |_| skew_ns);
            let line = skew.of(1).expect("copies came");
            assert!(skew.of(0).is_none() && line.len() > 500, "{skew_ns}: {} copies", line.len());
            assert!(line.equivalent(line.max(), skew_ns) && line.equivalent(line.min(), skew_ns), "{skew_ns}");
        }
    }

    #[test]
    fn the_grace_time_follows_the_late_copies_and_not_the_latest() {
        let skew = measured(20_000, |n| if n % 5_000 == 7 { 50_000_000 } else { 400_000 });
        assert_eq!(skew.grace_ns(5_000_000), 800_000);
        assert_eq!(measured(500, |_| 400_000).grace_ns(5_000_000), 5_000_000, "too few copies to say");
        assert_eq!(measured(20_000, |_| 7_000_000).grace_ns(5_000_000), 14_000_000);
        assert_eq!(measured(20_000, |_| 10).grace_ns(5_000_000), LEAST_GRACE_NS);
        assert_eq!(measured(900_000, |_| 400_000_000).grace_ns(5_000_000), MOST_GRACE_NS);
    }
}
