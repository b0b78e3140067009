//! Sends each datagram exactly once, at its deadline or as soon after as the kernel takes it, and keeps account.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fmt, io};

use hdrhistogram::Histogram;

use super::batch::{Batch, MAX_PAYLOAD_BYTES};
use super::clock::{Clock, DeadlineWait, wait_until};
use super::report::{DestinationReport, SendReport};
use super::transmit::Transmit;
use crate::break_off::{ASK_EVERY, BrokenOff, asking};
use crate::latency::{histogram, percentiles};

/// Pause before a datagram that the kernel had no buffer for is offered again.
const NO_BUFFER_PAUSE_NS: u64 = 50_000;

/// What other threads see of a sender and may tell it.
#[derive(Debug, Default)]
pub struct Control {
    /// Set to make the sender return within 50 ms.
    pub stop: AtomicBool,
    /// Datagrams the kernel took so far.
    pub packets: AtomicU64,
    /// Payload bytes the kernel took so far.
    pub bytes: AtomicU64,
    /// How much of the source was read so far, in its unit.
    pub position: AtomicU64,
    /// How much there is to read; 0 where nobody knows.
    pub total: AtomicU64,
}

impl Control {
    /// Does `work`; what it reads is broken off once [`Control::stop`] is set.
    pub fn until_stopped<R>(self: &Arc<Self>, work: impl FnOnce() -> R) -> R {
        let control = Arc::clone(self);
        let ask = move || if control.stop.load(Ordering::Relaxed) { Err(BrokenOff::default()) } else { Ok(()) };
        asking(ASK_EVERY, ask, work)
    }
}

/// Why sending ended before its end.
#[derive(Debug)]
pub enum Halt {
    /// [`Control::stop`] was set.
    Stopped,
    /// The kernel will not send to a destination.
    Failed {
        /// The destination, where it is known.
        to: Option<SocketAddr>,
        /// The kernel's reason.
        error: io::Error,
    },
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Failed { to: Some(to), error } => write!(f, "cannot send to {to}: {error}"),
            Self::Failed { to: None, error } => write!(f, "cannot send: {error}"),
        }
    }
}

impl std::error::Error for Halt {}

/// Gathers the datagrams that are due, gives them to the kernel together, and waits for those that are not.
///
/// Invariant: the batch holds only datagrams whose deadline had passed at `now_ns`, or that have none.
#[derive(Debug)]
pub struct Sender<T, C> {
    transmit: T,
    clock: C,
    wait: DeadlineWait,
    control: Arc<Control>,
    batch: Batch,
    now_ns: u64,
    started_ns: Option<u64>,
    destinations: Vec<DestinationReport>,
    too_long: u64,
    retries: u64,
    lateness_ns: Histogram<u64>,
}

impl<T: Transmit, C: Clock> Sender<T, C> {
    /// A sender to `destinations`, which are those that `transmit` knows by the same numbers.
    pub fn new(
        transmit: T,
        destinations: &[SocketAddr],
        mut clock: C,
        wait: DeadlineWait,
        control: Arc<Control>,
    ) -> Self {
        Self {
            transmit,
            now_ns: clock.now_ns(),
            clock,
            wait,
            control,
            batch: Batch::default(),
            started_ns: None,
            destinations: destinations.iter().copied().map(DestinationReport::new).collect(),
            too_long: 0,
            retries: 0,
            lateness_ns: histogram(),
        }
    }

    /// Looks at the clock that deadlines are of: to be done before the first datagram and after each pause.
    pub fn now_ns(&mut self) -> u64 {
        self.now_ns = self.clock.now_ns();
        self.now_ns
    }

    /// Sends `payload` to destination number `to` at `deadline_ns`, or with the next batch where there is none.
    ///
    /// A datagram that is due may stay in the batch; [`Self::flush`] sends what is there. Deadlines come in order; an
    /// earlier one behind a later one is sent late and recorded so.
    ///
    /// # Errors
    ///
    /// Sending was stopped or failed; what was in the batch and not sent is dropped.
    pub fn send(&mut self, deadline_ns: Option<u64>, to: usize, payload: &[u8]) -> Result<(), Halt> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            self.too_long += 1;
            return Ok(());
        }
        if let Some(deadline_ns) = deadline_ns.filter(|&deadline_ns| deadline_ns > self.now_ns) {
            self.flush()?;
            self.now_ns =
                wait_until(&mut self.clock, deadline_ns, self.wait, &self.control.stop).ok_or(Halt::Stopped)?;
        }
        self.batch.push(deadline_ns, to, payload);
        if self.batch.is_full() { self.flush() } else { Ok(()) }
    }

    /// Sends what is in the batch.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn flush(&mut self) -> Result<(), Halt> {
        let ended = self.empty_batch();
        self.batch.clear();
        ended
    }

    /// Sends a batch that was made elsewhere, and may be sent again.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn send_batch(&mut self, batch: &mut Batch) -> Result<(), Halt> {
        std::mem::swap(&mut self.batch, batch);
        let ended = self.empty_batch();
        std::mem::swap(&mut self.batch, batch);
        ended
    }

    /// Sends what is in the batch, then nothing until `until_ns`.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub fn pause_until(&mut self, until_ns: u64) -> Result<(), Halt> {
        self.flush()?;
        let woken = wait_until(&mut self.clock, until_ns, DeadlineWait::Sleep, &self.control.stop);
        self.now_ns = woken.ok_or(Halt::Stopped)?;
        Ok(())
    }

    /// How late datagrams with a deadline left.
    #[must_use]
    pub fn lateness_ns(&self) -> &Histogram<u64> {
        &self.lateness_ns
    }

    /// Forgets how late datagrams left so far.
    pub fn forget_lateness(&mut self) {
        self.lateness_ns.reset();
    }

    /// What was sent until now, since this sender was made.
    pub fn report(&mut self) -> SendReport {
        self.count_refused();
        SendReport {
            packets: self.control.packets.load(Ordering::Relaxed),
            bytes: self.control.bytes.load(Ordering::Relaxed),
            elapsed_ns: self.started_ns.map_or(0, |started_ns| self.now_ns.saturating_sub(started_ns)),
            destinations: self.destinations.clone(),
            too_long: self.too_long,
            retries: self.retries,
            lateness_ns: percentiles(&self.lateness_ns),
        }
    }

    /// Datagrams that the kernel took, by number of the destination.
    #[must_use]
    pub fn sent_by_destination(&self) -> Vec<u64> {
        self.destinations.iter().map(|destination| destination.packets).collect()
    }

    /// Whether datagrams of one size to one destination may be given to the kernel as one.
    pub fn join_segments(&mut self, is_wanted: bool) {
        self.transmit.join_segments(is_wanted);
    }

    /// Notes how far the source is, for whoever watches.
    pub fn note_position(&self, (position, total): (u64, u64)) {
        self.control.position.store(position, Ordering::Relaxed);
        self.control.total.store(total, Ordering::Relaxed);
    }

    /// Whether [`Control::stop`] is set.
    pub fn is_stopped(&self) -> bool {
        self.control.stop.load(Ordering::Relaxed)
    }

    /// What took the datagrams away.
    pub fn into_transmit(self) -> T {
        self.transmit
    }

    fn empty_batch(&mut self) -> Result<(), Halt> {
        let mut sent = 0;
        while sent < self.batch.packets().len() {
            if self.is_stopped() {
                return Err(Halt::Stopped);
            }
            self.started_ns.get_or_insert(self.now_ns);
            match self.transmit.transmit(&self.batch, sent) {
                Ok(taken) => sent = self.record(sent, taken),
                Err(error) => self.overcome(sent, error)?,
            }
            // The kernel swallows the error that ended a call early; what it was about is told apart from it.
            if sent < self.batch.packets().len() {
                self.count_refused();
            }
        }
        Ok(())
    }

    /// Accounts for `taken` datagrams from number `from` on, which left no later than now; returns the next number.
    fn record(&mut self, from: usize, taken: usize) -> usize {
        self.now_ns = self.clock.now_ns();
        let mut bytes = 0;
        for packet in self.batch.packets().iter().skip(from).take(taken) {
            let payload_bytes = self.batch.payload(packet).len() as u64;
            if let Some(destination) = self.destinations.get_mut(packet.to) {
                destination.packets += 1;
                destination.bytes += payload_bytes;
            }
            if let Some(deadline_ns) = packet.deadline_ns {
                self.lateness_ns.saturating_record(self.now_ns.saturating_sub(deadline_ns));
            }
            bytes += payload_bytes;
        }
        self.control.packets.fetch_add(taken as u64, Ordering::Relaxed);
        self.control.bytes.fetch_add(bytes, Ordering::Relaxed);
        from + taken
    }

    /// Makes ready for another attempt at datagram number `at`, which the kernel did not take.
    fn overcome(&mut self, at: usize, error: io::Error) -> Result<(), Halt> {
        self.retries += 1;
        match error.raw_os_error() {
            Some(libc::EAGAIN) => self.transmit.wait_writable(),
            Some(libc::ENOBUFS | libc::ENOMEM) => self.clock.sleep_until(self.now_ns + NO_BUFFER_PAUSE_NS),
            // An error of an earlier datagram is told by the next call, which then sends nothing.
            Some(libc::EINTR | libc::ECONNREFUSED) => {}
            _ if self.count_refused() > 0 => {}
            _ => return Err(Halt::Failed { to: self.destination_of(at), error }),
        }
        Ok(())
    }

    fn count_refused(&mut self) -> u64 {
        let mut count = 0;
        while let Some(to) = self.transmit.next_refused() {
            count += 1;
            let same = |destination: &&mut DestinationReport| {
                (destination.to.ip(), destination.to.port()) == (to.ip(), to.port())
            };
            if let Some(destination) = self.destinations.iter_mut().find(same) {
                destination.refused += 1;
            }
        }
        count
    }

    fn destination_of(&self, at: usize) -> Option<SocketAddr> {
        self.destinations.get(self.batch.packets().get(at)?.to).map(|destination| destination.to)
    }
}

#[cfg(test)]
mod tests;
