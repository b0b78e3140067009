//! Ways to wait when there is nothing to do, by name.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a thread does while it has nothing to do.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wait {
    /// Looks again at once: a processor for the lowest latency.
    Spin,
    /// Lets other threads run, then looks again.
    Yield,
    /// Sleeps, then looks again: the other side never pays for a wake-up.
    Sleep {
        /// How long, in microseconds.
        us: u32,
    },
    /// Sleeps until there is something.
    Block,
}

impl Wait {
    /// One pause between two looks, not longer than `most`. [`Wait::Block`] needs something to wait on, so here it lets
    /// others run.
    pub fn pause(self, most: Duration) {
        match self {
            Self::Spin => std::hint::spin_loop(),
            Self::Yield | Self::Block => std::thread::yield_now(),
            Self::Sleep { us } => std::thread::sleep(most.min(Duration::from_micros(us.into()))),
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// There is something.
    Ready,
    /// The time is up.
    TimedOut,
    /// There is nothing and nothing more will come.
    Closed,
    /// A signal arrived while the thread was blocked.
    Interrupted,
}

/// A descriptor to wait on until it can be read.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

/// Sleeps until one of the descriptors can be read, the time is up, or a signal arrives.
pub(crate) fn poll(fds: &mut [libc::pollfd], timeout: Duration) -> WaitOutcome {
    let timeout = libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // SAFETY: the slice and the timeout live through the call, and the signal mask may be null.
    let ready =
        unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, &raw const timeout, std::ptr::null()) };
    match ready {
        0 => WaitOutcome::TimedOut,
        1.. => WaitOutcome::Ready,
        // Anything but a signal would be a descriptor that we closed ourselves.
        _ => WaitOutcome::Interrupted,
    }
}
