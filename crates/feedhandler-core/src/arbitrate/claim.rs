//! Packets that would take the channel to another session, of which one alone is not believed.
//!
//! A header that was damaged on the way passes for a packet of a session that there never was. So such a packet waits, as a
//! *claim*, until a second one agrees with it: one that continues it, another line's copy of it, or the next of its own
//! line. Meanwhile the present session goes on. Where nothing follows, time tells: a claim is believed when the channel has
//! been silent for [`CLAIM_NS`] since, and was a stray when its line has gone on in the present session. The only line of a
//! channel that claims one session and then another has left the present one: the first is believed, be it of one packet.

use super::session::RESTART_DISTANCE_UNITS;
use super::{Arbiter, FURTHEST_AHEAD_UNITS, Held, Step, Verdict};
use crate::framing::{Packet, PacketKind, SessionId};

/// How long what nothing agrees with waits.
pub(super) const CLAIM_NS: u64 = 1_000_000_000;
/// A line that has brought so many packets of the present session since does not come back to what it claimed.
const PASSED_PACKETS: u8 = 16;
/// Claims that wait at most: the oldest gives way.
const MOST_CLAIMS: usize = 64;

/// A packet of another session. Sequence numbers are as its header has them.
#[derive(Debug)]
pub(super) struct Claim {
    pub line: usize,
    session: SessionId,
    pub first: u64,
    pub end: u64,
    pub ts_ns: u64,
    /// Packets of the present session that its line has brought since.
    passed: u8,
    /// The packet; none where it carried nothing.
    pub held: Option<Held>,
}

impl Claim {
    /// Whether `packet` on `line` is a second witness.
    fn agrees_with(&self, line: usize, packet: &Packet<'_>) -> bool {
        let (first, end) = (packet.sequence, packet.sequence.saturating_add(packet.units));
        if self.session != packet.session {
            return false;
        }
        let continues = first == self.end || end == self.first;
        let follows = self.passed == 0 && first >= self.end && first - self.end <= RESTART_DISTANCE_UNITS;
        continues || (if self.line == line { follows } else { self.is_copied_by(first, end, packet) })
    }

    fn is_copied_by(&self, first: u64, end: u64, packet: &Packet<'_>) -> bool {
        let is_same = (first, end) == (self.first, self.end);
        let is_equal = |held: &Held| held.payload().bytes() == packet.payload.bytes();
        first < self.end && self.first < end && (!is_same || self.held.as_ref().is_some_and(is_equal))
    }
}

/// What has waited long enough.
enum Outcome {
    Stray,
    Believed,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn agree_with(&self, line: usize, packet: &Packet<'_>) -> bool {
        self.0.iter().any(|claim| claim.agrees_with(line, packet))
    }

    /// A line goes on in the present session.
    #[cold]
    pub fn pass(&mut self, line: usize) {
        let of_line = self.0.iter_mut().filter(|claim| claim.line == line);
        of_line.for_each(|claim| claim.passed = claim.passed.saturating_add(1));
    }

    /// Takes out what belongs to a session that is opened at `sequence`.
    pub fn take(&mut self, session: SessionId, sequence: u64) -> Vec<Claim> {
        let is_near = |claim: &Claim| claim.first.abs_diff(sequence) <= RESTART_DISTANCE_UNITS;
        let taken = self.0.extract_if(.., |claim| claim.session == session && is_near(claim)).collect();
        // What is elsewhere in it was not of it.
        self.0.iter_mut().filter(|claim| claim.session == session).for_each(|claim| claim.passed = u8::MAX);
        taken
    }

    /// The first claim of which time tells what it is, given when the present session was last heard.
    fn outcome(&self, arbiter: &Arbiter, now_ns: u64, is_over: bool) -> Option<(usize, Outcome)> {
        let (heard_ns, has_room, is_only_line) = (arbiter.heard_ns, !arbiter.has_no_room(), arbiter.lines.len() == 1);
        let is_crowded = self.0.len() >= MOST_CLAIMS || !has_room;
        self.0.iter().enumerate().find_map(|(at, claim)| {
            let has_waited = is_over || now_ns >= claim.ts_ns.saturating_add(CLAIM_NS);
            let is_silent = now_ns >= heard_ns.max(claim.ts_ns).saturating_add(CLAIM_NS);
            let is_last = is_over && heard_ns <= claim.ts_ns && claim.held.is_some();
            let is_left = is_only_line && self.0[at..].iter().any(|later| later.session != claim.session);
            match claim.passed {
                0 if is_silent || is_last || (is_left && claim.held.is_some()) => Some((at, Outcome::Believed)),
                0 if is_over || is_crowded => Some((at, Outcome::Stray)),
                1.. if has_waited || is_crowded || claim.passed >= PASSED_PACKETS => Some((at, Outcome::Stray)),
                _ => None,
            }
        })
    }
}

impl Arbiter {
    /// Whether a packet agrees with one that waits: then it opens the session of both.
    #[cold]
    pub(super) fn is_second_witness(&self, line: usize, packet: &Packet<'_>, first: u64, next: u64) -> bool {
        let is_present = self.session.is_some_and(|session| session.id == packet.session);
        let is_below = first.saturating_add(RESTART_DISTANCE_UNITS) < next;
        (!is_present || is_below) && self.claims.agree_with(line, packet)
    }

    /// Judges a packet that opens a session, if it is believed.
    #[cold]
    pub(super) fn judge_claim(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64) -> Verdict {
        if packet.kind == PacketKind::Data {
            self.counters.seen += packet.units;
            return Verdict::Claim;
        }
        self.claims.0.push(claim(line, packet, ts_ns, None));
        Verdict::Quiet
    }

    /// Keeps a packet judged `Claim` until another agrees with it.
    pub fn claim(&mut self, line: usize, packet: &Packet<'_>, ts_ns: u64, ts_recv_ns: u64) {
        self.counters.pending += packet.units;
        let held = self.window.copy(line, packet.sequence, packet, [ts_ns, ts_recv_ns]);
        self.claims.0.push(claim(line, packet, ts_ns, Some(held)));
    }

    /// Notes that a packet judged `Claim` cannot be used.
    pub fn unusable_claim(&mut self, packet: &Packet<'_>) {
        self.counters.seen -= packet.units;
    }

    /// What comes of claims at `now_ns`.
    #[cold]
    pub(super) fn step_claims(&mut self, now_ns: u64, is_over: bool) -> Option<Step> {
        while let Some((at, outcome)) = self.claims.outcome(self, now_ns, is_over) {
            let Claim { line, session, first: sequence, .. } = self.claims.0[at];
            match outcome {
                Outcome::Believed => return Some(Step::Open { line, session, sequence }),
                Outcome::Stray => {
                    if let Some(held) = self.claims.0.remove(at).held {
                        self.count_stray(&held);
                        return Some(Step::StraySession(held));
                    }
                }
            }
        }
        None
    }

    /// Whether time tells what a claim is.
    pub(super) fn has_claim_due(&self, now_ns: u64) -> bool {
        self.claims.outcome(self, now_ns, false).is_some()
    }

    /// What comes of claims now that nothing more will come.
    pub fn conclude(&mut self, now_ns: u64) -> Option<Step> {
        if self.claims.is_empty() { None } else { self.step_claims(now_ns, true) }
    }

    /// The session that claims were about is open: they and their lines are in it.
    pub(super) fn enter_claims(&mut self, claims: Vec<Claim>) {
        let Some(session) = self.session else { return };
        for claim in claims {
            if claim.end.saturating_sub(session.next) > FURTHEST_AHEAD_UNITS {
                self.claims.0.push(Claim { passed: u8::MAX, ..claim });
                continue;
            }
            let Claim { line, first, end, ts_ns, held, .. } = claim;
            if self.lines[line].epoch != self.epoch || self.lines[line].session.is_none() {
                self.lines[line].enter(self.epoch, session.id);
            }
            self.lines[line].move_to(first, end, session.next, Verdict::Claim, ts_ns);
            match held {
                Some(held) => {
                    self.coverage.bring(line, first, end, session.next);
                    self.window.put(held);
                }
                None => self.coverage.come_to(line, end),
            }
        }
    }
}

fn claim(line: usize, packet: &Packet<'_>, ts_ns: u64, held: Option<Held>) -> Claim {
    let (first, end) = (packet.sequence, packet.sequence.saturating_add(packet.units));
    Claim { line, session: packet.session, first, end, ts_ns, passed: 0, held }
}
