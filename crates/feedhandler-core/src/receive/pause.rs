//! How whoever looks at the sockets waits.

use std::os::fd::AsFd;
use std::time::Duration;

use super::Shared;
use crate::wait::{Wait, WaitOutcome, poll, readable};
use crate::wire::LineSocket;

/// How long a blocked thread sleeps on quiet sockets: how far the watermark may lag behind the clock.
const BLOCK_TICK: Duration = Duration::from_millis(1);

/// How long a blocked thread sleeps before it looks for space in a full ring again. It has a whole ring of datagrams
/// ahead of the consumer, so being told of the first free slot would gain nothing.
const SPACE_TICK: Duration = Duration::from_micros(100);

/// The policy, and what to sleep on.
pub(super) struct Pause {
    wait: Wait,
    /// The stop event, then the sockets.
    fds: Vec<libc::pollfd>,
}

impl Pause {
    pub(super) fn new(wait: Wait, shared: &Shared, sockets: &[LineSocket]) -> Self {
        let stop = readable(shared.stop_event.as_fd());
        let fds = std::iter::once(stop).chain(sockets.iter().map(|socket| readable(socket.as_fd()))).collect();
        Self { wait, fds }
    }

    pub(super) fn until_datagrams(&mut self) {
        match self.wait {
            Wait::Block => drop(poll(&mut self.fds, BLOCK_TICK)), // system call
            other => self.pause(other),
        }
    }

    /// Sleeps until there is a datagram, a stop, a signal, or the time is up.
    pub(super) fn for_datagrams(&mut self, timeout: Duration) -> WaitOutcome {
        poll(&mut self.fds, timeout) // system call
    }

    pub(super) fn until_space(&mut self) {
        match self.wait {
            Wait::Block => self.until_stop(SPACE_TICK),
            other => self.pause(other),
        }
    }

    /// After a look that failed: the socket may be readable, and stay so.
    pub(super) fn after_failure(&mut self, most: Duration) {
        self.until_stop(most.min(BLOCK_TICK));
    }

    /// A sleep ends at a stop, however long it is.
    fn pause(&mut self, wait: Wait) {
        match wait {
            Wait::Sleep { us } => self.until_stop(Duration::from_micros(us.into())),
            other => other.pause(Duration::ZERO),
        }
    }

    fn until_stop(&mut self, timeout: Duration) {
        let _ = poll(&mut self.fds[..1], timeout); // system call
    }
}
