//! The turn of a replay: from a source, by routes and a schedule, to a sender.

use std::fmt;

use serde::Serialize;

use super::clock::Clock;
use super::pacing::{Pacing, PacingError, Schedule};
use super::route::Routes;
use super::sender::{Halt, Sender};
use super::source::{DatagramSource, Outgoing, SourceError};
use super::transmit::Transmit;
use super::window::Window;
use crate::faults::{Faulted, Injector};

/// Time between the beginning of a replay and its first deadline: enough to be ready for it.
pub const LEAD_NS: u64 = 1_000_000;

/// Datagrams after which whoever watches is told how far the source is.
const POSITION_DATAGRAMS: u64 = 64;

/// What a replay did not send, and why.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Replayed {
    /// Datagrams of the source that were sent, to all their destinations.
    pub datagrams: u64,
    /// Datagrams of the source that no route and no default sends anywhere.
    pub skipped: u64,
    /// Datagrams of the source that are outside of the range.
    pub left_out: u64,
    /// Passes over the source, begun or done.
    pub passes: u64,
    /// Why the source ended before its time, where it did.
    pub truncated: Option<String>,
    /// Whether it was stopped before the end.
    pub stopped: bool,
}

/// Why a replay failed.
#[derive(Debug)]
pub enum ReplayError {
    /// The pacing cannot be followed.
    Pacing(PacingError),
    /// The source cannot be read on.
    Source(SourceError),
    /// The kernel will not send.
    Send(Halt),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pacing(error) => error.fmt(f),
            Self::Source(error) => error.fmt(f),
            Self::Send(halt) => halt.fmt(f),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Sends what `source` gives, each to its destinations at its time, until the source ends or the sender is stopped.
///
/// The anchor is [`LEAD_NS`] after the call; it is the deadline of the first datagram that goes anywhere. A rate counts
/// datagrams of the source: one that goes to several destinations is sent to them together.
///
/// # Errors
///
/// See [`ReplayError`]; being stopped is none.
pub fn replay<T: Transmit, C: Clock>(
    source: &mut dyn DatagramSource,
    routes: &Routes,
    pacing: Pacing,
    sender: &mut Sender<T, C>,
) -> Result<Replayed, ReplayError> {
    let window = Window::new(None, None, None);
    Replay::new(routes, pacing, window, None, sender)?.run(|replay| replay.pass(source))
}

/// A replay that goes on: one schedule over all passes, one account, and what faults leave.
pub struct Replay<'a, T, C> {
    routes: &'a Routes,
    window: Window,
    schedule: Schedule,
    /// Where faults are done at a rate: the times that it gives the feed.
    clock: Option<Schedule>,
    faults: Option<Injector>,
    sender: &'a mut Sender<T, C>,
    replayed: Replayed,
}

impl<'a, T: Transmit, C: Clock> Replay<'a, T, C> {
    /// A replay that begins now.
    ///
    /// # Errors
    ///
    /// The pacing cannot be followed.
    pub fn new(
        routes: &'a Routes,
        pacing: Pacing,
        window: Window,
        faults: Option<Injector>,
        sender: &'a mut Sender<T, C>,
    ) -> Result<Self, ReplayError> {
        sender.join_segments(pacing == Pacing::Max);
        let anchor_ns = sender.now_ns() + LEAD_NS;
        // Faults delay in the feed's time: at a rate it is the rate that makes it, and is then kept as it is.
        let is_clocked = faults.is_some() && matches!(pacing, Pacing::Rate { .. });
        let clock = is_clocked.then(|| Schedule::new(pacing, 1)).transpose().map_err(ReplayError::Pacing)?;
        let pacing = if is_clocked { Pacing::Original { speed: 1.0 } } else { pacing };
        let schedule = Schedule::new(pacing, anchor_ns).map_err(ReplayError::Pacing)?;
        Ok(Self { routes, window, schedule, clock, faults, sender, replayed: Replayed::default() })
    }

    /// Does `passes`, and closes the account and the truth, whatever the end.
    ///
    /// # Errors
    ///
    /// See [`ReplayError`]; being stopped is none.
    pub fn run(mut self, passes: impl FnOnce(&mut Self) -> Result<(), ReplayError>) -> Result<Replayed, ReplayError> {
        let before = self.sender.sent_by_destination();
        let ended = passes(&mut self).and_then(|()| self.finish());
        if let Some(mut faults) = self.faults.take() {
            let now = self.sender.sent_by_destination();
            let sent: Vec<u64> = now.iter().zip(before).map(|(now, before)| now - before).collect();
            faults.close(Some(&sent)).map_err(|error| ReplayError::Source(Box::new(error)))?;
        }
        match ended {
            Err(ReplayError::Send(Halt::Stopped)) => self.replayed.stopped = true,
            // Reading was broken off.
            Err(ReplayError::Source(_)) if self.sender.is_stopped() => self.replayed.stopped = true,
            other => other?,
        }
        Ok(self.replayed)
    }

    /// Passes so far.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.replayed.passes
    }

    /// Goes on to another pass behind the present one; false where that would be without a datagram as well.
    pub fn pass_again(&mut self, gap_ns: u64) -> bool {
        self.window.pass_again(gap_ns)
    }

    /// Sends what `source` gives, as far as the window holds it.
    ///
    /// # Errors
    ///
    /// See [`ReplayError`].
    pub fn pass(&mut self, source: &mut dyn DatagramSource) -> Result<(), ReplayError> {
        self.replayed.passes += 1;
        let ended = self.send_all(source);
        self.replayed.truncated = source.truncated();
        ended
    }

    fn send_all(&mut self, source: &mut dyn DatagramSource) -> Result<(), ReplayError> {
        let mut read = 0_u64;
        while let Some(datagram) = source.next_datagram().map_err(ReplayError::Source)? {
            if self.sender.is_stopped() {
                return Err(ReplayError::Send(Halt::Stopped));
            }
            match self.window.take(&datagram) {
                Some(ts_ns) => self.send(ts_ns, &datagram)?,
                None if self.window.is_past(datagram.ts_ns) => break,
                None => self.replayed.left_out += 1,
            }
            if read.is_multiple_of(POSITION_DATAGRAMS) {
                self.sender.note_position(source.position());
            }
            read += 1;
        }
        self.sender.note_position(source.position());
        self.sender.flush().map_err(ReplayError::Send)
    }

    #[inline]
    fn send(&mut self, ts_ns: u64, datagram: &Outgoing<'_>) -> Result<(), ReplayError> {
        let destinations = self.routes.of(datagram.destination);
        if destinations.is_empty() {
            self.replayed.skipped += 1;
            return Ok(());
        }
        self.replayed.datagrams += 1;
        if self.faults.is_some() {
            return self.send_faulty(ts_ns, destinations, datagram.payload);
        }
        let deadline_ns = self.schedule.deadline_ns(ts_ns);
        for &to in destinations {
            self.sender.send(deadline_ns, to, datagram.payload).map_err(ReplayError::Send)?;
        }
        Ok(())
    }

    /// The same with faults in between: each destination is a line.
    fn send_faulty(&mut self, ts_ns: u64, destinations: &[usize], payload: &[u8]) -> Result<(), ReplayError> {
        let ts_ns = self.clock.as_mut().and_then(|clock| clock.deadline_ns(0)).unwrap_or(ts_ns);
        for &line in destinations {
            if let Some(faults) = &mut self.faults {
                faults.offer(line, ts_ns, payload);
            }
            self.send_what_is_left()?;
        }
        Ok(())
    }

    fn send_what_is_left(&mut self) -> Result<(), ReplayError> {
        while let Some(Faulted { line, ts_ns, payload }) = self.faults.as_mut().and_then(Injector::take) {
            let deadline_ns = self.schedule.deadline_ns(ts_ns);
            self.sender.send(deadline_ns, line, &payload).map_err(ReplayError::Send)?;
        }
        Ok(())
    }

    /// Sends what faults held back.
    fn finish(&mut self) -> Result<(), ReplayError> {
        if let Some(faults) = &mut self.faults {
            faults.finish();
        }
        self.send_what_is_left()?;
        self.sender.flush().map_err(ReplayError::Send)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::Ordering;
    use std::sync::{Arc, Mutex};
    use std::{io, iter};

    use proptest::prelude::*;

    use super::super::batch::Batch;
    use super::super::clock::tests::ManualClock;
    use super::super::{Control, DeadlineWait};
    use super::*;

    /// Datagrams from a list; sets `stop` when it has given so many.
    struct Listed {
        datagrams: Vec<(u64, SocketAddr)>,
        given: usize,
        stop_at: usize,
        control: Arc<Control>,
        payload: [u8; 8],
    }

    impl DatagramSource for Listed {
        fn next_datagram(&mut self) -> Result<Option<Outgoing<'_>>, SourceError> {
            let Some(&(ts_ns, destination)) = self.datagrams.get(self.given) else { return Ok(None) };
            if self.given == self.stop_at {
                self.control.stop.store(true, Ordering::Relaxed);
            }
            self.payload = self.given.to_be_bytes();
            self.given += 1;
            Ok(Some(Outgoing { ts_ns, destination: Some(destination), payload: &self.payload }))
        }
    }

    /// Number of a destination, number of the datagram it got, and when that was due.
    type Sent = (usize, u64, Option<u64>);

    /// Keeps what it took.
    #[derive(Debug, Default)]
    struct Log(Arc<Mutex<Vec<Sent>>>);

    impl Transmit for Log {
        fn transmit(&mut self, batch: &Batch, from: usize) -> io::Result<usize> {
            let mut log = self.0.lock().expect("one thread");
            for packet in &batch.packets()[from..] {
                let number = u64::from_be_bytes(batch.payload(packet).try_into().expect("8 bytes"));
                log.push((packet.to, number, packet.deadline_ns));
            }
            Ok(batch.packets().len() - from)
        }

        fn wait_writable(&mut self) {}

        fn next_refused(&mut self) -> Option<SocketAddr> {
            None
        }
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 1))
    }

    fn run(
        datagrams: Vec<(u64, SocketAddr)>,
        stop_at: usize,
        routes: &Routes,
        pacing: Pacing,
    ) -> (Replayed, Vec<Sent>) {
        let control = Arc::new(Control::default());
        let mut source = Listed { datagrams, given: 0, stop_at, control: Arc::clone(&control), payload: [0; 8] };
        let log = Log::default();
        let sent = Arc::clone(&log.0);
        let mut sender = Sender::new(log, routes.destinations(), ManualClock::default(), DeadlineWait::Spin, control);
        let replayed = replay(&mut source, routes, pacing, &mut sender).expect("replayed");
        let sent = sent.lock().expect("one thread").clone();
        (replayed, sent)
    }

    #[test]
    fn each_datagram_goes_where_its_route_says_at_its_time() {
        let routes =
            Routes::new(&[(address(1), address(11)), (address(2), address(12)), (address(2), address(13))], &[]);
        let datagrams =
            vec![(0, address(3)), (500, address(1)), (700, address(2)), (900, address(3)), (1_500, address(1))];
        let (replayed, sent) = run(datagrams, usize::MAX, &routes, Pacing::Original { speed: 2.0 });
        let anchor_ns = sent[0].2.expect("a deadline");
        let offsets: Vec<_> =
            sent.iter().map(|&(to, number, deadline_ns)| (to, number, deadline_ns.map(|ns| ns - anchor_ns))).collect();
        assert_eq!(offsets, [(0, 1, Some(0)), (1, 2, Some(100)), (2, 2, Some(100)), (0, 4, Some(500))]);
        assert_eq!(replayed, Replayed { datagrams: 3, skipped: 2, passes: 1, ..Replayed::default() });
    }

    #[test]
    fn a_rate_is_that_of_the_datagrams_that_go_somewhere() {
        let routes = Routes::new(&[(address(1), address(11))], &[]);
        let datagrams = [1, 2, 1, 2, 1].map(|last| (0, address(last))).to_vec();
        let (_, sent) = run(datagrams, usize::MAX, &routes, Pacing::Rate { packets_per_second: 1e6 });
        let deadlines: Vec<u64> =
            sent.iter().map(|one| one.2.expect("a deadline") - sent[0].2.expect("a deadline")).collect();
        assert_eq!(deadlines, [0, 1_000, 2_000]);
    }

    proptest! {
        #[test]
        fn stopping_anywhere_leaves_a_beginning_of_the_whole(count in 0..300_usize, stop_at in 0..300_usize, is_max in any::<bool>()) {
            let routes = Routes::new(&[], &[address(11)]);
            let pacing = if is_max { Pacing::Max } else { Pacing::Rate { packets_per_second: 1e5 } };
            let (replayed, sent) = run(vec![(0, address(1)); count], stop_at, &routes, pacing);
            prop_assert!(sent.iter().map(|sent| sent.1).eq(iter::successors(Some(0), |number| Some(number + 1)).take(sent.len())));
            prop_assert_eq!(replayed.stopped, stop_at < count);
            if !replayed.stopped {
                prop_assert_eq!(sent.len(), count);
            }
        }
    }

    #[test]
    fn an_impossible_pacing_sends_nothing() {
        let routes = Routes::new(&[], &[address(11)]);
        let control = Arc::new(Control::default());
        let mut source = Listed {
            datagrams: vec![(0, address(1))],
            given: 0,
            stop_at: 9,
            control: Arc::clone(&control),
            payload: [0; 8],
        };
        let mut sender =
            Sender::new(Log::default(), routes.destinations(), ManualClock::default(), DeadlineWait::Spin, control);
        let error = replay(&mut source, &routes, Pacing::Original { speed: -1.0 }, &mut sender).expect_err("refused");
        assert_eq!(error.to_string(), "speed must be a number above 0, found -1");
        assert_eq!(source.given, 0);
    }
}
