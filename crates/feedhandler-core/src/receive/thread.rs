//! The receive thread: looks at each line in turn and moves what it finds into the ring.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::line::{Line, Look};
use super::pause::Pause;
use super::wake::Wake;
use super::{FullPolicy, ReceiveOptions, Shared};
use crate::clock::realtime_ns;
use crate::ring::Producer;
use crate::wire::{LineSocket, Recvmmsg};

/// Turns in which the sockets are emptied after a stop, at most: against a clock that is set back while they never are.
const DRAIN_TURNS: usize = 1 << 16;

/// The sockets, the producer's end of the ring, and what is known of the lines.
pub(super) struct ReceiveThread {
    sockets: Arc<[LineSocket]>,
    lines: Vec<Line>,
    shared: Arc<Shared>,
    producer: Producer,
    backend: Recvmmsg,
    pause: Pause,
    full: FullPolicy,
    /// Which line is looked at first: the one that the ring had no space for, so that none starves.
    first: usize,
    wake: Wake,
    /// The last reading of the clock.
    now_ns: u64,
}

impl ReceiveThread {
    pub(super) fn new(
        sockets: Arc<[LineSocket]>,
        shared: Arc<Shared>,
        producer: Producer,
        options: &ReceiveOptions,
    ) -> Self {
        Self {
            lines: (0..sockets.len()).map(|index| Line::new(index, options.slot_bytes)).collect(),
            backend: Recvmmsg::new(options.batch),
            pause: Pause::new(options.wait, &shared, &sockets),
            full: options.full,
            first: 0,
            wake: Wake::default(),
            now_ns: realtime_ns(),
            sockets,
            shared,
            producer,
        }
    }

    /// Receives until it is told to stop.
    pub(super) fn run(mut self) {
        prepare_thread();
        while !self.shared.stop_requested() {
            match self.turn() {
                Look::More => continue,
                Look::Drained => self.pause.until_datagrams(),
                Look::RingFull => self.pause.until_space(),
            }
            self.now_ns = realtime_ns();
        }
        self.drain();
    }

    /// Looks once at every line, or at those that the ring has space for.
    fn turn(&mut self) -> Look {
        let mut turn = Look::Drained;
        for step in 0..self.lines.len() {
            let line = (self.first + step) % self.lines.len();
            let look = self.look(line);
            turn = turn.max(look);
            if look == Look::RingFull {
                self.first = line; // its turn comes first when there is space
                break;
            }
        }
        self.wake.turned(turn, &self.producer);
        self.shared.polled_ns.store(self.polled_ns(), Ordering::Release); // after the slots are published
        turn
    }

    /// Moves what a socket holds into the ring, up to a batch.
    fn look(&mut self, line: usize) -> Look {
        let looked_ns = self.now_ns;
        let mut claim = self.producer.claim(self.backend.batch());
        if claim.is_empty() {
            return self.look_without_space(line);
        }
        let asked = claim.len();
        claim.prefetch(self.lines[line].expected());
        let tell = self.lines[line].tell_drops();
        let taken = self.backend.receive(self.sockets[line].as_fd(), &mut claim, tell); // system call
        self.now_ns = realtime_ns();
        let (line, counters) = (&mut self.lines[line], &self.shared.counters[line]);
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => return line.nothing(counters, &error, looked_ns),
        };
        for index in 0..taken {
            claim.set_header(index, line.header(self.backend.datagram(index), self.now_ns));
        }
        line.count(counters);
        claim.publish(taken);
        self.wake.published(taken, &self.producer);
        line.looked(counters, taken, asked, looked_ns)
    }

    /// What a full ring means for a line.
    fn look_without_space(&mut self, line: usize) -> Look {
        if self.full == FullPolicy::LeaveInSocket {
            self.shared.counters[line].drained.store(false, Ordering::Relaxed);
            return Look::RingFull;
        }
        let looked_ns = self.now_ns;
        let taken = self.backend.discard(self.sockets[line].as_fd()); // system call
        self.now_ns = realtime_ns();
        let (line, counters) = (&mut self.lines[line], &self.shared.counters[line]);
        match taken {
            Ok(taken) => {
                line.drop_newest(taken, self.backend.datagram(taken.saturating_sub(1)), counters);
                line.looked(counters, taken, self.backend.batch(), looked_ns)
            }
            Err(error) => line.nothing(counters, &error, looked_ns),
        }
    }

    /// The watermark, see [`Receiver::polled_ns`](super::Receiver::polled_ns).
    fn polled_ns(&self) -> u64 {
        self.lines.iter().map(Line::polled_ns).min().unwrap_or(0)
    }

    /// After the stop: moves into the ring what was queued before, as far as it has space.
    fn drain(&mut self) {
        let stopped_ns = realtime_ns();
        self.now_ns = stopped_ns;
        for _ in 0..DRAIN_TURNS {
            if self.turn() != Look::More || self.polled_ns() >= stopped_ns {
                break;
            }
        }
    }
}

/// Keeps signals and slack away.
fn prepare_thread() {
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
