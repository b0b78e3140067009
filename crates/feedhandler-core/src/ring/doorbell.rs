//! How the producer wakes a consumer that sleeps, and spares the system call where it does not.
//!
//! Each side writes one thing and then reads the other's: the producer publishes a slot and reads `asleep`, the consumer
//! sets `asleep` and reads whether a slot is published. *Forbidden outcome: both read the old value.* Then the consumer
//! would sleep on a slot that nobody tells it of. Release and acquire allow that outcome (and x86 shows it: a store may wait
//! in the store buffer while the load behind it is served), so a `SeqCst` fence stands between the two on each side.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use crate::event_fd::EventFd;

/// What stands between each side's write and its read.
pub(super) trait Fence {
    fn fence();
}

/// The fence that forbids the outcome; the tests also try one that does not.
#[derive(Debug)]
pub(super) struct Full;

impl Fence for Full {
    fn fence() {
        fence(Ordering::SeqCst);
    }
}

/// A flag that says "I sleep", and the event that ends the sleep.
#[derive(Debug)]
pub(super) struct Doorbell<F = Full> {
    asleep: AtomicBool,
    event: EventFd,
    /// Announcements that the consumer has not taken back, and whose signal it has not seen. The consumer's alone.
    owed: AtomicU64,
    fence: PhantomData<F>,
}

impl<F: Fence> Doorbell<F> {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { asleep: AtomicBool::new(false), event: EventFd::new()?, owed: AtomicU64::new(0), fence: PhantomData })
    }

    /// Producer, after it has published: wakes the consumer if it sleeps. Tells whether it did.
    pub(super) fn ring(&self) -> bool {
        F::fence(); // pairs with the one in announce_sleep
        let wakes = self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed);
        if wakes {
            self.event.signal(); // system call
        }
        wakes
    }

    /// Consumer, before it sleeps: whatever is published from now on rings. What was published before may not have
    /// rung, so the consumer has to look once more.
    pub(super) fn announce_sleep(&self) {
        if self.asleep.load(Ordering::Relaxed) {
            self.end_sleep();
        }
        self.owed.store(self.owed.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.asleep.store(true, Ordering::Relaxed);
        F::fence(); // pairs with the one in ring
    }

    /// Consumer, awake for whatever reason.
    ///
    /// A producer that has taken the flag but not yet signalled leaves the event signalled for the next sleep, which then
    /// ends at once: a look too many, never one too few. That signal is owed until it has been seen: the end of that sleep
    /// drains it, though nobody took the flag again.
    pub(super) fn end_sleep(&self) {
        let is_taken_back = self.asleep.swap(false, Ordering::Relaxed);
        let mut owed = self.owed.load(Ordering::Relaxed) - u64::from(is_taken_back);
        if owed > 0 {
            owed -= self.event.drain(); // system call
        }
        self.owed.store(owed, Ordering::Relaxed);
    }
}

impl<F> AsFd for Doorbell<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, compiler_fence};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::cache_padded::CachePadded;
    use crate::wait::{WaitOutcome, poll, readable};

    /// Keeps the compiler from swapping the two, and lets the processor.
    struct Weak;

    impl Fence for Weak {
        fn fence() {
            compiler_fence(Ordering::SeqCst);
        }
    }

    /// Two threads that do one round after the other at the same time.
    #[derive(Default)]
    struct Rounds {
        arrived: CachePadded<AtomicUsize>,
        published: CachePadded<AtomicUsize>,
        rang: CachePadded<AtomicUsize>,
    }

    impl Rounds {
        /// Waits until both threads have come here for the `meeting`th time, counted from 1.
        fn meet(&self, meeting: usize) {
            self.arrived.fetch_add(1, Ordering::AcqRel);
            let mut looks = 0_u32;
            while self.arrived.load(Ordering::Acquire) < 2 * meeting {
                looks += 1;
                if looks.is_multiple_of(256) { thread::yield_now() } else { std::hint::spin_loop() }
            }
        }

        fn produce<F: Fence>(&self, doorbell: &Doorbell<F>, round: usize) {
            self.meet(2 * round - 1);
            self.published.store(round, Ordering::Release);
            if doorbell.ring() {
                self.rang.store(round, Ordering::Relaxed);
            }
            self.meet(2 * round);
        }

        /// Whether the consumer would sleep on a slot that nobody tells it of.
        fn consume<F: Fence>(&self, doorbell: &Doorbell<F>, round: usize) -> bool {
            self.meet(2 * round - 1);
            doorbell.announce_sleep();
            let saw = self.published.load(Ordering::Acquire) == round;
            self.meet(2 * round);
            doorbell.end_sleep();
            !saw && self.rang.load(Ordering::Relaxed) != round
        }
    }

    /// Rounds with the forbidden outcome, out of `rounds`.
    fn lost_wake_ups<F: Fence + Sync + Send>(rounds: usize) -> usize {
        let (doorbell, meeting) = (Doorbell::<F>::new().unwrap(), Rounds::default());
        thread::scope(|scope| {
            scope.spawn(|| (1..=rounds).for_each(|round| meeting.produce(&doorbell, round)));
            (1..=rounds).filter(|&round| meeting.consume(&doorbell, round)).count()
        })
    }

    fn is_readable(doorbell: &Doorbell) -> bool {
        poll(&mut [readable(doorbell.as_fd())], Duration::ZERO) == WaitOutcome::Ready
    }

    #[test]
    fn a_signal_that_comes_late_ends_one_sleep_and_no_further_one() {
        let doorbell = Doorbell::<Full>::new().unwrap();
        doorbell.announce_sleep();
        assert!(doorbell.asleep.swap(false, Ordering::Relaxed), "the producer takes the flag");
        doorbell.end_sleep();
        doorbell.event.signal(); // and comes to signal only now
        doorbell.announce_sleep();
        assert!(is_readable(&doorbell), "a look too many");
        doorbell.end_sleep();
        doorbell.announce_sleep();
        assert!(!is_readable(&doorbell));
        doorbell.end_sleep();
    }

    #[test]
    fn whoever_has_not_announced_a_sleep_ends_none() {
        let doorbell = Doorbell::<Full>::new().unwrap();
        doorbell.end_sleep();
        doorbell.announce_sleep();
        doorbell.announce_sleep();
        assert!(doorbell.ring());
        doorbell.end_sleep();
        assert_eq!((is_readable(&doorbell), doorbell.owed.load(Ordering::Relaxed)), (false, 0));
    }

    /// Sleeps that end for other reasons while the producer rings: every signal is seen in the end.
    #[test]
    fn no_signal_is_left_over() {
        let (doorbell, is_done) = (Doorbell::<Full>::new().unwrap(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                (0..200_000).for_each(|_| _ = doorbell.ring());
                is_done.store(true, Ordering::Release);
            });
            while !is_done.load(Ordering::Acquire) {
                doorbell.announce_sleep();
                doorbell.end_sleep();
            }
        });
        doorbell.end_sleep();
        assert_eq!((is_readable(&doorbell), doorbell.owed.load(Ordering::Relaxed)), (false, 0));
    }

    #[test]
    fn no_wake_up_is_lost() {
        assert_eq!(lost_wake_ups::<Full>(200_000), 0);
    }

    /// The test above could not fail if it did not catch this.
    #[test]
    fn without_the_fences_a_wake_up_is_lost() {
        if !cfg!(target_arch = "x86_64") || thread::available_parallelism().map_or(1, Into::into) < 2 {
            eprintln!("skipped: it takes two processors with store buffers");
            return;
        }
        assert!((0..500).any(|_| lost_wake_ups::<Weak>(20_000) > 0));
    }
}
