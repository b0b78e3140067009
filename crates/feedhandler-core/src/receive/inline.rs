//! Reception by whoever waits for datagrams, so that no other thread stands between the socket and its reader.
//!
//! The ring is where payloads land, as with a receive thread; the same thread fills and reads it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use super::line::Look;
use super::lines::Lines;
use super::pause::Pause;
use super::thread::{DRAIN_TURNS, drain};
use crate::ring::Consumer;
use crate::wait::{Wait, WaitOutcome};
use crate::wire::LineSocket;

/// The lines, until reception has ended, and what to wait on.
pub(super) struct Inline {
    /// None once reception has ended: the ring is closed with them.
    lines: Option<Lines>,
    shared: Arc<Shared>,
    pause: Pause,
    /// The stop event and the sockets, as one descriptor.
    epoll: OwnedFd,
    /// The last look found all sockets empty, and nobody has been told.
    found_empty: bool,
    stopping: Option<Stopping>,
}

/// After a stop: what was queued before it is still to be taken.
struct Stopping {
    stopped_ns: u64,
    turns_left: usize,
}

impl Inline {
    pub(super) fn new(lines: Lines, shared: Arc<Shared>, sockets: &[LineSocket]) -> io::Result<Self> {
        let all = std::iter::once(shared.stop_event.as_fd()).chain(sockets.iter().map(AsFd::as_fd));
        let epoll = epoll_of(all)?;
        let pause = Pause::new(Wait::Block, &shared, sockets);
        Ok(Self { lines: Some(lines), shared, pause, epoll, found_empty: false, stopping: None })
    }

    /// Looks at the sockets, unless the last look found them empty; says whether there may be more in them.
    pub(super) fn look(&mut self) -> bool {
        !std::mem::take(&mut self.found_empty) && self.turn() > Look::Failed
    }

    pub(super) fn wait(&mut self, consumer: &mut Consumer, wait: Wait, timeout: Duration) -> WaitOutcome {
        let started = Instant::now();
        loop {
            let look = self.turn();
            let state = consumer.wait(Wait::Spin, Duration::ZERO);
            let left = timeout.saturating_sub(started.elapsed());
            if state != WaitOutcome::TimedOut || left.is_zero() {
                return state;
            }
            if look == Look::Failed {
                self.pause.after_failure(left);
            } else if self.pause(wait, left) == WaitOutcome::Interrupted {
                return WaitOutcome::Interrupted;
            }
        }
    }

    /// The descriptor is readable whenever a socket is, so nobody has to be told of a sleep; only what has been taken
    /// already must be read before.
    pub(super) fn arm(&mut self, consumer: &mut Consumer) -> Option<WaitOutcome> {
        self.turn();
        Some(consumer.wait(Wait::Spin, Duration::ZERO)).filter(|&state| state != WaitOutcome::TimedOut)
    }

    /// Moves what is in the sockets into the ring, as far as it has space, and closes it.
    pub(super) fn end(mut self) {
        if let Some(lines) = &mut self.lines {
            drain(lines);
        }
    }

    fn pause(&mut self, wait: Wait, left: Duration) -> WaitOutcome {
        if wait == Wait::Block {
            return self.pause.for_datagrams(left);
        }
        wait.pause(left);
        WaitOutcome::TimedOut
    }

    fn turn(&mut self) -> Look {
        let Some(lines) = &mut self.lines else { return Look::Drained };
        let now_ns = lines.read_clock();
        if self.stopping.is_none() && self.shared.stop_requested() {
            self.stopping = Some(Stopping { stopped_ns: now_ns, turns_left: DRAIN_TURNS });
        }
        let look = lines.turn();
        self.found_empty = look == Look::Drained;
        let polled_ns = lines.polled_ns();
        if self.stopping.as_mut().is_some_and(|stopping| stopping.is_over(look, polled_ns)) {
            self.lines = None;
        }
        look
    }
}

impl Stopping {
    fn is_over(&mut self, look: Look, polled_ns: u64) -> bool {
        self.turns_left = self.turns_left.saturating_sub(1);
        look <= Look::Failed || polled_ns >= self.stopped_ns || self.turns_left == 0
    }
}

impl AsFd for Inline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl std::fmt::Debug for Inline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inline").field("found_empty", &self.found_empty).finish_non_exhaustive()
    }
}

/// A descriptor that is readable while one of `fds` is.
fn epoll_of<'a>(fds: impl Iterator<Item = BorrowedFd<'a>>) -> io::Result<OwnedFd> {
    // SAFETY: epoll_create1 takes no pointer.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if epoll < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
    for fd in fds {
        let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: 0 };
        // SAFETY: both descriptors are open, and the event is only read.
        let refused =
            unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) };
        if refused != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(epoll)
}
