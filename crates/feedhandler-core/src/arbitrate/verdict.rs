//! What an arbiter says: of a packet that comes, and of what waits.

#[expect(unused_imports, reason = "named in the documentation")]
use super::Arbiter;
use super::Held;
use crate::framing::SessionId;

/// What is to be done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Decode it, without its first `skip` units, which were delivered before; then [`Arbiter::delivered`].
    Deliver {
        /// Units to skip.
        skip: u64,
    },
    /// Check its framing, then [`Arbiter::hold`]: something in front of it is missing.
    Hold,
    /// Check its framing, then [`Arbiter::doubt`]: it is a copy, or its line has started again.
    Doubt,
    /// Check its framing, then [`Arbiter::claim`]: it would open another session, and nothing else says so yet.
    Claim,
    /// All of it was delivered before (some of it perhaps declared lost): check its framing, then
    /// [`Arbiter::duplicated`].
    Duplicate,
    /// Its line goes on in a session that the channel has left.
    Stale,
    /// It carries no unit.
    Quiet,
    /// It stands outside the sequence: decode it; nobody can say whether it is a copy or whether one is missing.
    Unsequenced,
    /// It is so far ahead that it cannot be of this session: it is counted as malformed.
    Implausible,
    /// It opens another session: check its framing, [`Arbiter::settle`] the present one, [`Arbiter::open`] it, and ask
    /// again. Where its framing lies, [`Arbiter::undoubt`].
    Opens,
}

/// What the order allows next, while a channel is being settled.
#[derive(Debug)]
pub enum Step {
    /// A packet that waited is next: decode it without its first `skip` units.
    Release {
        /// The packet.
        held: Held,
        /// Units to skip.
        skip: u64,
    },
    /// A packet that waited has nothing new any more.
    Duplicate(Held),
    /// A packet that waited was a stray, ahead of a sequence that went on without it.
    Stray(Held),
    /// A packet that waited was a stray, of a session that nothing else was of.
    StraySession(Held),
    /// A hole was declared lost.
    Gap,
    /// The line has started again: [`Arbiter::settle`] the present session, and [`Arbiter::open`] it anew from its first
    /// unit on.
    Restart {
        /// The line.
        line: usize,
    },
    /// A packet of another session is believed: [`Arbiter::settle`] the present one, and [`Arbiter::open`] that.
    Open {
        /// The line that brought it.
        line: usize,
        /// The session.
        session: SessionId,
        /// The packet's sequence number.
        sequence: u64,
    },
}
