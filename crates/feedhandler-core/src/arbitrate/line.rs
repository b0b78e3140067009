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
    /// Packets in a row that continued the order below `position`.
    behind_run: u8,
    /// First unit behind the last packet below `position` that waits for something in front of it.
    behind: Option<u64>,
    /// Packets in a row from a session that the channel has left.
    pub stale_run: u32,
    /// How far the line has come since it fell back to the head, while nobody knows whether it started again.
    pub again: Option<Progress>,
}

/// A packet far ahead was a stray when its line then goes on in order, without it, for this many packets.
const STRAY_PACKETS: u8 = 2;
/// Only a packet further ahead than this can be a stray: nearer, its line may have been reordered.
const STRAY_DISTANCE_UNITS: u64 = 1024;

/// Where a packet took a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// Further on, or nowhere.
    On,
    /// Back from where a stray had seemed to take it.
    Back,
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
        (self.position, self.behind_run, self.behind) = (None, 0, None);
    }

    /// The line brought a packet of the units `first..end`, which was judged so.
    ///
    /// Copies of what is past leave the position alone; packets that continue the order far below it, time and again,
    /// show that what had raised it was a stray.
    #[inline]
    pub fn move_to(&mut self, first: u64, end: u64, verdict: Verdict, ts_ns: u64) -> Moved {
        self.stale_run = 0;
        let position = self.position.unwrap_or(0);
        let mut moved = Moved::On;
        if self.position.is_some() && end < position {
            self.behind_run = self.behind_run.saturating_add(u8::from(self.continues(first, end, verdict)));
            if self.behind_run < STRAY_PACKETS || position - end <= STRAY_DISTANCE_UNITS {
                return moved;
            }
            moved = Moved::Back;
        }
        (self.behind_run, self.behind) = (0, None);
        if self.position != Some(end) {
            (self.position, self.moved_ns) = (Some(end), ts_ns);
        }
        moved
    }
    /// Whether a packet below the position continues the order there.
    #[cold]
    fn continues(&mut self, first: u64, end: u64, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Deliver { .. } => true,
            Verdict::Hold => self.behind.replace(end) == Some(first),
            _ => false,
        }
    }
}
