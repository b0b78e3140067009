//! Random histories of two lines against a slow, obvious oracle: nothing twice, nothing out of order, nothing lost that a
//! line carried in time, and sums that add up after every step.

use std::collections::BTreeMap;
use std::ops::Range;

use feedhandler_core::event::EventKind;
use proptest::prelude::*;

use crate::SECOND_NS;
use crate::mold::{cut, heartbeat, packet, packet_anew, packet_of};
use crate::rig::{GRACE_NS, Rig};

/// Time between the packets of a line, as sent.
const SPACING_NS: u64 = 100;

/// What a line makes of a packet.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives { delay_ns: u64 },
    ArrivesTwice { delay_ns: u64, again_ns: u64 },
    Spoilt { delay_ns: u64 },
    Lost,
}

/// Something that comes on a line.
#[derive(Clone, Debug)]
struct Arrival {
    ts_ns: u64,
    line: usize,
    units: Range<u64>,
    is_good: bool,
}

impl Arrival {
    /// The datagram; without units it is a heartbeat.
    fn bytes(&self) -> Vec<u8> {
        match (self.units.is_empty(), self.is_good) {
            (true, _) => heartbeat(self.units.end),
            (false, true) => packet(self.units.start, self.units.end),
            (false, false) => cut(packet(self.units.start, self.units.end), 1),
        }
    }
}

/// What must come out of arrivals that are all good.
#[derive(Default)]
struct Oracle {
    next: Option<u64>,
    /// When it was heard that there is a session, whose beginning had passed; another line may bring an earlier unit.
    joined_ns: Option<u64>,
    /// Every unit that came, and when its first copy did.
    have: BTreeMap<u64, u64>,
    delivered: Vec<u64>,
    gaps: Vec<(u64, u64)>,
}

impl Oracle {
    fn on(&mut self, arrival: &Arrival) {
        match (self.next, self.joined_ns) {
            (None, None) if arrival.units.start == 1 => self.next = Some(1),
            (None, None) => self.joined_ns = Some(arrival.ts_ns),
            _ => {}
        }
        for unit in arrival.units.clone() {
            self.have.entry(unit).or_insert(arrival.ts_ns);
        }
        self.until(Some(arrival.ts_ns));
    }

    /// Goes on as far as it can; without a time, nothing more will come.
    fn until(&mut self, now_ns: Option<u64>) {
        let is_over = |since_ns| now_ns.is_none_or(|now_ns| now_ns >= since_ns + GRACE_NS);
        if self.next.is_none() && self.joined_ns.is_some_and(is_over) {
            self.next = self.have.keys().next().copied();
        }
        let Some(mut next) = self.next else { return };
        loop {
            let noticed_ns = self.have.range(next + 1..).map(|(_, ts_ns)| *ts_ns).min();
            if self.have.contains_key(&next) {
                self.delivered.push(next);
                next += 1;
            } else if noticed_ns.is_some_and(is_over) {
                let end = *self.have.range(next..).next().expect("something behind it came").0;
                self.gaps.push((next, end - 1));
                next = end;
            } else {
                break;
            }
        }
        self.next = Some(next);
    }
}

/// What befalls a packet of a line that keeps its order.
fn fate_in_order() -> impl Strategy<Value = Fate> {
    prop_oneof![4 => Just(Fate::Arrives { delay_ns: 0 }), 1 => Just(Fate::Lost)]
}

fn fate(spoils: bool) -> impl Strategy<Value = Fate> {
    let delay_ns = || prop_oneof![4 => Just(0), 2 => 0..2 * SPACING_NS, 1 => 0..3 * GRACE_NS];
    prop_oneof![
        6 => delay_ns().prop_map(|delay_ns| Fate::Arrives { delay_ns }),
        1 => (delay_ns(), delay_ns()).prop_map(|(delay_ns, again_ns)| Fate::ArrivesTwice { delay_ns, again_ns }),
        u32::from(spoils) => delay_ns().prop_map(|delay_ns| Fate::Spoilt { delay_ns }),
        2 => Just(Fate::Lost),
    ]
}

/// Packets of one line: their sizes in messages (0: a heartbeat) and their fates.
fn line(line: usize, least: u64, fate: impl Strategy<Value = Fate>) -> impl Strategy<Value = Vec<Arrival>> {
    let lag_ns = prop_oneof![Just(0), 0..2 * GRACE_NS];
    (prop::collection::vec((least..5, fate), 0..40), lag_ns).prop_map(move |(packets, lag_ns)| {
        let mut first = 1;
        let mut arrivals = Vec::new();
        for ((units, fate), sent_ns) in packets.into_iter().zip((lag_ns..).step_by(100)) {
            let units = first..first + units;
            first = units.end;
            let mut arrive = |ts_ns, is_good| arrivals.push(Arrival { ts_ns, line, units: units.clone(), is_good });
            match fate {
                Fate::Arrives { delay_ns } => arrive(sent_ns + delay_ns, true),
                Fate::Spoilt { delay_ns } => arrive(sent_ns + delay_ns, false),
                Fate::ArrivesTwice { delay_ns, again_ns } => {
                    arrive(sent_ns + delay_ns, true);
                    arrive(sent_ns + delay_ns + again_ns, true);
                }
                Fate::Lost => {}
            }
        }
        arrivals
    })
}

/// What two lines carry, in the order of arrival. They need not cut the stream into the same packets.
fn history() -> impl Strategy<Value = Vec<Arrival>> {
    (line(0, 0, fate(true)), line(1, 0, fate(true))).prop_map(together)
}

/// What two lines carry that keep their order.
fn history_in_order() -> impl Strategy<Value = Vec<Arrival>> {
    (line(0, 1, fate_in_order()), line(1, 1, fate_in_order())).prop_map(together)
}

fn together((a, b): (Vec<Arrival>, Vec<Arrival>)) -> Vec<Arrival> {
    let mut arrivals = [a, b].concat();
    arrivals.sort_by_key(|arrival| arrival.ts_ns);
    arrivals
}

fn run(history: &[Arrival]) -> Rig {
    let mut rig = Rig::new();
    play(&mut rig, history);
    rig.finish();
    rig
}

fn play(rig: &mut Rig, history: &[Arrival]) {
    for arrival in history {
        rig.on(arrival.line, arrival.ts_ns, &arrival.bytes());
    }
}

fn gaps(rig: &Rig) -> Vec<(u64, u64)> {
    rig.told.iter().filter(|(kind, ..)| *kind == EventKind::Gap).map(|(_, first, last)| (*first, *last)).collect()
}

/// When it was first known that `unit` exists.
fn noticed_ns(history: &[Arrival], unit: u64) -> u64 {
    history.iter().filter(|arrival| arrival.units.end > unit).map(|arrival| arrival.ts_ns).min().expect("it is known")
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(1000), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn lines_in_order_are_delivered_as_the_oracle_says(history in history_in_order()) {
        let mut oracle = Oracle::default();
        for arrival in &history {
            oracle.on(arrival);
        }
        oracle.until(None);
        let rig = run(&history);
        prop_assert_eq!(&rig.delivered, &oracle.delivered);
        prop_assert_eq!(gaps(&rig), oracle.gaps);
    }

    #[test]
    fn nothing_is_lost_that_a_line_carried_in_time(history in history()) {
        let rig = run(&history);
        let Some(session) = rig.channel().arbiter.session() else { return Ok(()) };
        let lost: Vec<_> = gaps(&rig).into_iter().flat_map(|(first, last)| first..=last).collect();
        let mut all = [rig.delivered.clone(), lost.clone()].concat();
        all.sort_unstable();
        prop_assert!(rig.delivered.is_sorted_by(|a, b| a < b), "in order and once: {:?}", rig.delivered);
        prop_assert_eq!(all, (session.first..session.next).collect::<Vec<_>>(), "each number has one fate");
        for unit in lost {
            let deadline_ns = noticed_ns(&history, unit) + GRACE_NS;
            let copies = history.iter().filter(|arrival| arrival.is_good && arrival.units.contains(&unit));
            prop_assert!(copies.clone().all(|copy| copy.ts_ns >= deadline_ns), "{unit}: {:?}", copies.collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_disorder_outlives_the_time_for_a_second_witness(history in history()) {
        let mut rig = Rig::new();
        play(&mut rig, &history);
        let last_ns = history.last().map_or(0, |arrival| arrival.ts_ns);
        rig.until(last_ns + SECOND_NS);
        prop_assert!(!rig.channel().arbiter.is_disordered());
        prop_assert_eq!(rig.units().pending, 0);
    }

    #[test]
    fn a_sequence_that_starts_again_is_delivered_as_the_oracle_says(
        lengths in prop::collection::vec(4_u64..40, 1..5),
        fates in prop::collection::vec((fate_of_two(), 0_usize..2), 200),
    ) {
        let mut fates = fates.into_iter();
        let mut rig = Rig::new();
        let (mut expected, mut now_ns) = (Vec::new(), 0);
        for (generation, length) in lengths.iter().enumerate() {
            for unit in 1..=*length {
                // Both lines bring the three packets that tell a restart, and the end.
                let (fate, first) = fates.next().unwrap_or((Some([true, true]), 0));
                let arrives = fate.filter(|_| unit > 3 && unit < *length).unwrap_or([true, true]);
                expected.extend(arrives.contains(&true).then_some(unit));
                for line in [first, 1 - first].into_iter().filter(|line| arrives[*line]) {
                    let bytes = if generation % 2 == 0 { packet(unit, unit + 1) } else { packet_anew(unit, unit + 1) };
                    rig.on(line, now_ns, &bytes);
                    now_ns += SPACING_NS;
                }
            }
            now_ns += GRACE_NS;
            rig.until(now_ns);
        }
        rig.finish();
        prop_assert_eq!(&rig.delivered, &expected);
        prop_assert_eq!(rig.starts.len(), lengths.len());
        prop_assert_eq!(rig.units().stale, 0);
    }

    #[test]
    fn sessions_that_come_and_go_keep_the_sums_and_the_order(steps in prop::collection::vec(step(), 0..120)) {
        let mut rig = Rig::with_window(8);
        let mut now_ns = 0;
        for step in &steps {
            now_ns += step.wait_ns;
            rig.on(step.line, now_ns, &step.bytes());
        }
        rig.finish();
        let ends = rig.starts.iter().skip(1).copied().chain([rig.delivered.len()]);
        for (start, end) in rig.starts.iter().copied().zip(ends) {
            let session = &rig.delivered[start..end];
            prop_assert!(session.is_sorted_by(|a, b| a < b), "{session:?}");
        }
    }
}

/// A datagram of some session at some place.
#[derive(Clone, Copy, Debug)]
struct Chance {
    wait_ns: u64,
    line: usize,
    session: &'static str,
    first: u64,
    units: u64,
    /// Message count that the header gives, where it is not true.
    count: Option<u16>,
    is_cut: bool,
}

impl Chance {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = packet_of(self.session, self.first, self.first.saturating_add(self.units));
        if let Some(count) = self.count {
            bytes[18..20].copy_from_slice(&count.to_be_bytes());
        }
        if self.is_cut { cut(bytes, 1) } else { bytes }
    }
}

/// On which of two lines a packet arrives, where it is not simply on both.
fn fate_of_two() -> impl Strategy<Value = Option<[bool; 2]>> {
    prop::option::weighted(0.4, any::<[bool; 2]>())
}

fn step() -> impl Strategy<Value = Chance> {
    let session = prop::sample::select(vec!["S1", "S1", "S1", "S2", "S3"]);
    let first = prop_oneof![8 => 1_u64..40, 2 => 3_000_u64..3_020, 1 => Just(1), 1 => any::<u64>()];
    let count = prop_oneof![8 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(0xffff))];
    // Longer than a line is in doubt, and than a channel is listened to.
    let wait_ns =
        prop_oneof![20 => 0..GRACE_NS, 2 => GRACE_NS..5 * GRACE_NS, 1 => Just(SECOND_NS), 1 => Just(61 * SECOND_NS)];
    (wait_ns, 0..2_usize, session, first, 0..4_u64, count, prop::bool::weighted(0.1)).prop_map(
        |(wait_ns, line, session, first, units, count, is_cut)| Chance {
            wait_ns,
            line,
            session,
            first,
            units,
            count,
            is_cut,
        },
    )
}
