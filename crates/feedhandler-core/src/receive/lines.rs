//! The lines' sockets and the producer's end of the ring: looks at each line in turn and moves what it finds into the ring.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::line::{Line, Look};
use super::senders::Directory;
use super::wake::Wake;
use super::{FullPolicy, ReceiveOptions, Shared};
use crate::clock::realtime_ns;
use crate::ring::{Producer, SlotHeader};
use crate::wire::{Backend, LineSocket};

/// The sockets, the producer's end of the ring, and what is known of the lines.
pub(super) struct Lines {
    sockets: Arc<[LineSocket]>,
    known: Vec<Line>,
    shared: Arc<Shared>,
    producer: Producer,
    backend: Backend,
    full: FullPolicy,
    /// Which line is looked at first: the one that the ring had no space for, so that none starves.
    first: usize,
    directory: Directory,
    wake: Wake,
    /// The last reading of the clock.
    now_ns: u64,
}

impl Lines {
    pub(super) fn new(
        sockets: Arc<[LineSocket]>,
        shared: Arc<Shared>,
        producer: Producer,
        options: &ReceiveOptions,
    ) -> Self {
        let lines = sockets.iter().enumerate().map(|(index, socket)| Line::of(index, options, socket));
        Self {
            known: lines.collect(),
            backend: Backend::new(options.backend, options.batch),
            full: options.full,
            first: 0,
            directory: Directory::new(Arc::clone(&shared.senders)),
            wake: Wake::new(options.slots),
            now_ns: realtime_ns(),
            sockets,
            shared,
            producer,
        }
    }

    /// Reads the clock after a pause: each look passes on what it has read.
    pub(super) fn read_clock(&mut self) -> u64 {
        self.now_ns = realtime_ns();
        self.now_ns
    }

    /// Looks once at every line, or at those that the ring has space for.
    pub(super) fn turn(&mut self) -> Look {
        let mut turn = Look::Drained;
        for step in 0..self.known.len() {
            let line = (self.first + step) % self.known.len();
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
        claim.prefetch(self.known[line].expected());
        let tell = self.known[line].tell();
        let taken = self.backend.receive(self.sockets[line].as_fd(), &mut claim, tell); // system call
        self.now_ns = realtime_ns();
        let (line, counters) = (&mut self.known[line], &self.shared.counters[line]);
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => return line.nothing(counters, &error, looked_ns),
        };
        for index in 0..taken {
            let datagram = self.backend.datagram(index);
            let sender = datagram.source.map_or(0, |source| self.directory.number(source));
            claim.set_header(index, SlotHeader { sender, ..line.header(datagram, self.now_ns) });
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
        let (line, counters) = (&mut self.known[line], &self.shared.counters[line]);
        match taken {
            Ok(taken) => {
                let dropped = (0..taken).map(|index| self.backend.datagram(index).count()).sum();
                line.drop_newest(dropped, self.backend.datagram(taken.saturating_sub(1)), counters);
                line.looked(counters, taken, self.backend.batch(), looked_ns)
            }
            Err(error) => line.nothing(counters, &error, looked_ns),
        }
    }

    /// The watermark, see [`Receiver::polled_ns`](super::Receiver::polled_ns).
    pub(super) fn polled_ns(&self) -> u64 {
        self.known.iter().map(Line::polled_ns).min().unwrap_or(0)
    }
}
