//! The receive thread: moves what the lines bring into the ring until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::line::Look;
use super::lines::Lines;
use super::pause::Pause;
use crate::wait::Wait;
use crate::wire::LineSocket;

/// Turns in which the sockets are emptied after a stop, at most: against a clock that is set back while they never are.
pub(super) const DRAIN_TURNS: usize = 1 << 16;

/// The lines, and how to wait for them.
pub(super) struct ReceiveThread {
    lines: Lines,
    shared: Arc<Shared>,
    pause: Pause,
}

impl ReceiveThread {
    pub(super) fn new(lines: Lines, shared: Arc<Shared>, sockets: &[LineSocket], wait: Wait) -> Self {
        Self { lines, pause: Pause::new(wait, &shared, sockets), shared }
    }

    /// Receives until it is told to stop.
    pub(super) fn run(mut self) {
        prepare_thread();
        while !self.shared.stop_requested() {
            match self.lines.turn() {
                Look::More => continue,
                Look::Drained => self.pause.until_datagrams(),
                Look::Failed => self.pause.after_failure(Duration::MAX),
                Look::RingFull => self.pause.until_space(),
            }
            self.lines.read_clock();
        }
        drain(&mut self.lines);
    }
}

/// After the stop: moves into the ring what was queued before, as far as it has space.
pub(super) fn drain(lines: &mut Lines) {
    let stopped_ns = lines.read_clock();
    for _ in 0..DRAIN_TURNS {
        if lines.turn() != Look::More || lines.polled_ns() >= stopped_ns {
            break;
        }
    }
}

/// Keeps signals and slack away.
pub(crate) fn prepare_thread() {
    // SAFETY: the set is filled before it is used, the old mask is not asked for, and the slack is a number.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        // Signals are for the threads that run Python: one that arrived here would not interrupt their waits.
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
        // The kernel lets a sleep last 50 µs longer than asked for; 1 ns is the least that can be set.
        libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong);
    }
}
