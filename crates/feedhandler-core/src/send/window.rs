//! Which datagrams of a source are taken, and at what time of several passes over it.

use std::sync::Arc;

use serde::Deserialize;

use super::source::Outgoing;
use crate::padded::Padded;
use crate::plan::Plan;

/// An end of a range.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// A sequence number, as the protocol's framing says.
    Sequence(u64),
    /// A time, in Unix nanoseconds.
    UnixNs(u64),
    /// A time after the source's first datagram.
    AfterNs(u64),
    /// A time of the day (UTC) on which the source's first datagram is.
    TimeOfDayNs(u64),
}

const DAY_NS: u64 = 86_400_000_000_000;

/// Stamps that go back by no more than this are still looked for behind the end.
const DISORDER_NS: u64 = 1_000_000_000;

/// The range that is taken of a source, and where the present pass over it lies in time.
///
/// A time range holds its start and not its end; a range of sequence numbers holds both.
#[derive(Clone, Debug)]
pub struct Window {
    start: Option<Bound>,
    end: Option<Bound>,
    plan: Option<Arc<Plan>>,
    /// Time of the source's first datagram.
    begins_ns: Option<u64>,
    /// First and last time of what was taken in this pass, as they stand in the source.
    taken_ns: Option<(u64, u64)>,
    /// What is added to the source's times in this pass, modulo 2^64.
    shift_ns: u64,
}

impl Window {
    /// What lies from `start` to `end`; sequence numbers are those of `plan`.
    #[must_use]
    pub fn new(start: Option<Bound>, end: Option<Bound>, plan: Option<Arc<Plan>>) -> Self {
        Self { start, end, plan, begins_ns: None, taken_ns: None, shift_ns: 0 }
    }

    /// Whether a bound is a sequence number.
    #[must_use]
    pub fn is_by_sequence(&self) -> bool {
        [self.start, self.end].iter().any(|bound| matches!(bound, Some(Bound::Sequence(_))))
    }

    /// The time of a datagram in this pass; none where it is not taken.
    #[inline]
    pub fn take(&mut self, datagram: &Outgoing<'_>) -> Option<u64> {
        let ts_ns = datagram.ts_ns;
        self.begins_ns.get_or_insert(ts_ns);
        if (self.start.is_some() || self.end.is_some()) && !self.holds(datagram) {
            return None;
        }
        let (first_ns, last_ns) = self.taken_ns.unwrap_or((ts_ns, ts_ns));
        self.taken_ns = Some((first_ns, last_ns.max(ts_ns)));
        Some(ts_ns.wrapping_add(self.shift_ns))
    }

    /// Whether nothing behind a datagram of this time can be in the range.
    #[must_use]
    pub fn is_past(&self, ts_ns: u64) -> bool {
        let end_ns = self.end.and_then(|end| self.time(end));
        end_ns.is_some_and(|end_ns| ts_ns >= end_ns.saturating_add(DISORDER_NS))
    }

    /// Begins another pass, whose first datagram comes `gap_ns` behind the last of this one; false where this one had
    /// none.
    pub fn pass_again(&mut self, gap_ns: u64) -> bool {
        let Some((first_ns, last_ns)) = self.taken_ns.take() else { return false };
        self.shift_ns = self.shift_ns.wrapping_add(last_ns.saturating_sub(first_ns).saturating_add(gap_ns));
        true
    }

    #[cold]
    fn holds(&self, datagram: &Outgoing<'_>) -> bool {
        let is_behind_start = match self.start {
            None => true,
            Some(Bound::Sequence(first)) => self.units(datagram).is_some_and(|(_, end)| end > first),
            Some(bound) => self.time(bound).is_some_and(|start_ns| datagram.ts_ns >= start_ns),
        };
        is_behind_start
            && match self.end {
                None => true,
                Some(Bound::Sequence(last)) => self.units(datagram).is_some_and(|(first, _)| first <= last),
                Some(bound) => self.time(bound).is_some_and(|end_ns| datagram.ts_ns < end_ns),
            }
    }

    fn time(&self, bound: Bound) -> Option<u64> {
        let begins_ns = self.begins_ns?;
        match bound {
            Bound::Sequence(_) => None,
            Bound::UnixNs(ns) => Some(ns),
            Bound::AfterNs(ns) => Some(begins_ns.saturating_add(ns)),
            Bound::TimeOfDayNs(ns) => Some((begins_ns - begins_ns % DAY_NS).saturating_add(ns)),
        }
    }

    /// First unit of a datagram, and the first behind it; one without units stands for the next.
    fn units(&self, datagram: &Outgoing<'_>) -> Option<(u64, u64)> {
        let packet = self.plan.as_ref()?.framing.packet(Padded::from(datagram.payload)).ok()?;
        Some((packet.sequence, packet.sequence.saturating_add(packet.units.max(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(window: &mut Window, stamps: &[u64]) -> Vec<Option<u64>> {
        stamps.iter().map(|&ts_ns| window.take(&Outgoing { ts_ns, destination: None, payload: &[] })).collect()
    }

    #[test]
    fn a_time_range_holds_its_start_and_not_its_end() {
        let mut window = Window::new(Some(Bound::AfterNs(10)), Some(Bound::UnixNs(130)), None);
        assert_eq!(taken(&mut window, &[100, 110, 105, 129, 130]), [None, Some(110), None, Some(129), None]);
        assert!(!window.is_past(130) && window.is_past(130 + DISORDER_NS));
    }

    #[test]
    fn a_time_of_day_is_that_of_the_first_datagram() {
        let mut window = Window::new(Some(Bound::TimeOfDayNs(1_000)), None, None);
        let day = 20_000 * DAY_NS;
        assert_eq!(taken(&mut window, &[day + 5, day + 1_000]), [None, Some(day + 1_000)]);
    }

    #[test]
    fn passes_follow_each_other_without_drift() {
        let mut window = Window::new(None, None, None);
        for pass in 0..1_000 {
            let shift_ns = pass * (40 + 5);
            assert_eq!(taken(&mut window, &[100, 140, 130]), [100, 140, 130].map(|ts_ns| Some(ts_ns + shift_ns)));
            assert!(window.pass_again(5));
        }
        assert!(!window.pass_again(5), "a pass without a datagram is the last");
    }
}
