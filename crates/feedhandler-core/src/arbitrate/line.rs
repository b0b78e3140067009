//! What an arbiter knows of one line.

use super::Verdict;
use super::again::Progress;
use crate::framing::SessionId;

/// A line's place in the sequence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineState {
    /// Session, by number of the channel's sessions, that the line was last in.
    pub epoch: u32,
    /// Identifier of that session.
    pub session: Option<SessionId>,
    /// First unit behind what the line has come to.
    pub position: Option<u64>,
    /// When it came there.
    pub moved_ns: u64,
    /// First unit behind what its last packets agree on.
    pub vouched: u64,
    /// First unit behind the last packet that came below `position`.
    behind: Option<u64>,
    /// Packets that continued the order there.
    behind_run: u8,
    /// Of these, those that were no copies.
    fresh_run: u8,
    /// One of those below carried nothing but said what comes next.
    is_announced_behind: bool,
    /// The packet that took it where it is could not be used.
    is_unread: bool,
    /// Packets in a row from a session that the channel has left.
    pub stale_run: u32,
    /// How far the line has come since it fell back to the head, while nobody knows whether it started again.
    pub again: Option<Progress>,
}

/// A packet far ahead was a stray when its line then goes on in order, without it, for this many packets.
pub(super) const STRAY_PACKETS: u8 = 2;
/// So many where they are copies: of what another line brought before, or of what this one repeats.
const STRAY_COPIES: u8 = 16;
/// A line that has gone below a packet further ahead than this never was there; nearer, it may have been reordered.
pub(super) const STRAY_DISTANCE_UNITS: u64 = 1024;

/// Where a packet took a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// Further on, or nowhere.
    On,
    /// Back from where a stray had seemed to take it.
    Back,
    /// Nowhere, in order below a packet that may have overtaken it.
    Against,
}

/// What a line has done in front of where it seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gone {
    /// Nothing that speaks against its being there.
    None,
    /// It has gone on there, in order; or what took it here cannot be used.
    On,
    /// It has said that it is there.
    Announced,
}

/// A line that was silent for so long before it falls back to the head does not repeat what it has just sent.
pub(super) const RESTART_SILENCE_NS: u64 = 1_000_000_000;

impl LineState {
    /// Whether it was long ago that the line came on.
    pub fn is_silent_at(&self, ts_ns: u64) -> bool {
        ts_ns.saturating_sub(self.moved_ns) >= RESTART_SILENCE_NS
    }

    /// The line comes into a session.
    pub fn enter(&mut self, epoch: u32, session: SessionId) {
        *self = Self { epoch, session: Some(session), ..Self::default() };
    }

    /// Whether a packet at `first` brings the line no further than it was, or may follow one that did not.
    #[inline]
    pub fn is_back_at(&self, first: u64) -> bool {
        self.again.is_some() || self.position.is_some_and(|position| first < position)
    }

    /// Where the line had come to is no longer believed.
    pub fn forget_position(&mut self) {
        (self.position, self.vouched) = (None, 0);
        self.forget_behind();
    }

    /// The line brought a packet of the units `first..end`, which was judged so, while `next` was expected.
    ///
    /// Copies of what is past leave the position alone; packets that continue the order far below it, time and again,
    /// show that what had raised it was a stray.
    #[inline]
    pub fn move_to(&mut self, first: u64, end: u64, next: u64, verdict: Verdict, ts_ns: u64) -> Moved {
        self.stale_run = 0;
        if let Some(position) = self.position {
            if end < position && first == end && end < next {
                // It says where the sequence was.
                return Moved::On;
            }
            if end < position {
                return self.fall_behind(first, end, position, verdict, ts_ns);
            }
            if first == position {
                self.vouched = end;
            } else if position > next && self.is_followed_by(first, position) {
                self.vouched = position;
            }
        }
        self.come_to(end, ts_ns);
        Moved::On
    }

    /// The packet of the units `first..end` cannot be used: what it says of its end may be a lie as well.
    pub fn disbelieve(&mut self, first: u64, end: u64) {
        if self.position == Some(end) && first < end {
            self.vouched = self.vouched.min(first);
            self.is_unread = true;
        }
    }

    /// Whether a packet behind the line's place, though not right behind it, agrees with the one that took it there.
    fn is_followed_by(&self, first: u64, position: u64) -> bool {
        first > position && first - position <= STRAY_DISTANCE_UNITS && self.behind.is_none()
    }

    fn come_to(&mut self, end: u64, ts_ns: u64) {
        self.forget_behind();
        if self.position != Some(end) {
            (self.position, self.moved_ns) = (Some(end), ts_ns);
        }
    }

    fn forget_behind(&mut self) {
        (self.behind, self.behind_run, self.fresh_run) = (None, 0, 0);
        (self.is_announced_behind, self.is_unread) = (false, false);
    }

    /// The line brought a packet below where it was.
    #[cold]
    fn fall_behind(&mut self, first: u64, end: u64, position: u64, verdict: Verdict, ts_ns: u64) -> Moved {
        let is_next = matches!(verdict, Verdict::Deliver { .. });
        let goes_on = self.behind.replace(end) == Some(first) || is_next;
        self.is_announced_behind |= first == end;
        self.behind_run = self.behind_run.saturating_add(u8::from(goes_on));
        self.fresh_run = self.fresh_run.saturating_add(u8::from(goes_on && verdict != Verdict::Duplicate));
        let is_far = position - end > STRAY_DISTANCE_UNITS;
        if is_far && (self.fresh_run >= STRAY_PACKETS || self.behind_run >= STRAY_COPIES) {
            self.step_back(end, ts_ns);
            return Moved::Back;
        }
        if self.behind_run < STRAY_PACKETS { Moved::On } else { Moved::Against }
    }

    /// What the line has done in front of where it is, since so many packets there continued the order.
    pub fn gone(&self, packets: u8) -> Gone {
        match self.behind {
            None if self.is_unread => Gone::On,
            None => Gone::None,
            Some(_) if self.behind_run < packets => Gone::None,
            Some(_) if self.is_announced_behind => Gone::Announced,
            Some(_) => Gone::On,
        }
    }

    /// The line never was where it seemed to be, but behind the last packet that came below, or at `least`; false where none
    /// did.
    pub fn retreat(&mut self, least: u64, ts_ns: u64) -> bool {
        let behind = self.behind;
        behind.inspect(|behind| self.step_back((*behind).max(least), ts_ns)).is_some()
    }

    /// The line never was where it seemed to be, but behind the last packet that came below; or at `place`, where none did.
    pub fn retreat_to(&mut self, place: u64, ts_ns: u64) {
        self.step_back(self.behind.unwrap_or(place), ts_ns);
    }

    fn step_back(&mut self, end: u64, ts_ns: u64) {
        self.vouched = self.vouched.min(end);
        self.come_to(end, ts_ns);
    }
}
