//! When a sleeping consumer is woken.

use super::line::Look;
use crate::ring::Producer;

/// Slots that are published to a sleeping consumer before it is woken, while there are more to come; half of the ring's where
/// it has fewer than twice as many, so that it is not full before.
const BUSY_WAKE_SLOTS: usize = 256;

/// Rings the doorbell: at once, but while a socket is never found empty, once for many datagrams.
///
/// There they wait longer in the socket than for the consumer, and a wake-up for each batch would take a tenth of the time
/// of a processor that both threads share.
pub(super) struct Wake {
    /// Slots that are published before the doorbell is rung while a socket is busy.
    most_unrung: usize,
    /// The last turn left datagrams in a socket.
    busy: bool,
    /// Slots published since the doorbell was rung.
    unrung: usize,
}

impl Wake {
    /// For a ring of so many slots.
    pub(super) fn new(slots: usize) -> Self {
        Self { most_unrung: BUSY_WAKE_SLOTS.min(slots / 2), busy: false, unrung: 0 }
    }

    /// Some slots have been published.
    pub(super) fn published(&mut self, slots: usize, producer: &Producer) {
        self.unrung += slots;
        if !self.busy || self.unrung >= self.most_unrung {
            self.ring(producer);
        }
    }

    /// All lines have been looked at.
    pub(super) fn turned(&mut self, turn: Look, producer: &Producer) {
        self.busy = turn == Look::More;
        if !self.busy && self.unrung > 0 {
            self.ring(producer);
        }
    }

    fn ring(&mut self, producer: &Producer) {
        self.unrung = 0;
        producer.ring_doorbell(); // fence
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ring::{Arena, Consumer, SlotLayout, ring};
    use crate::wait::{Wait, WaitOutcome};

    fn armed() -> (Producer, Consumer) {
        let layout = SlotLayout::new(1024, 64).unwrap();
        let (producer, mut consumer) = ring(Arena::allocate(layout.arena_bytes()), layout).unwrap();
        assert_eq!(consumer.arm(), None);
        (producer, consumer)
    }

    /// Whether the consumer was rung for, though there is nothing: it may sleep on.
    fn rung(consumer: &mut Consumer) -> bool {
        use std::os::fd::AsFd;
        let mut fds = [crate::wait::readable(consumer.as_fd())];
        let rung = crate::wait::poll(&mut fds, Duration::ZERO) == WaitOutcome::Ready;
        consumer.disarm();
        assert_eq!(consumer.wait(Wait::Spin, Duration::ZERO), WaitOutcome::TimedOut);
        assert_eq!(consumer.arm(), None);
        rung
    }

    #[test]
    fn the_first_of_a_burst_wakes_at_once_and_then_many_or_the_end_of_it() {
        let (producer, mut consumer) = armed();
        let mut wake = Wake::new(1024);
        wake.published(64, &producer);
        assert!(rung(&mut consumer), "the first batch");
        for batch in 1..=BUSY_WAKE_SLOTS / 64 {
            wake.turned(Look::More, &producer);
            wake.published(64, &producer);
            assert_eq!(rung(&mut consumer), batch == BUSY_WAKE_SLOTS / 64, "batch {batch}");
        }
        wake.turned(Look::More, &producer);
        wake.published(64, &producer);
        assert!(!rung(&mut consumer));
        wake.turned(Look::Drained, &producer);
        assert!(rung(&mut consumer), "the end of the burst");
        wake.turned(Look::Drained, &producer);
        assert!(!rung(&mut consumer), "nothing new");
    }

    /// With the policy `drop_newest` a turn that finds the ring full throws datagrams away, and there may be more.
    #[test]
    fn a_ring_of_few_slots_is_never_full_in_front_of_a_sleeper() {
        for slots in [1, 2, 8, 256, 512] {
            let (producer, mut consumer) = armed();
            let mut wake = Wake::new(slots);
            wake.turned(Look::More, &producer);
            (0..slots).for_each(|_| wake.published(1, &producer));
            wake.turned(Look::More, &producer);
            assert!(rung(&mut consumer), "{slots} slots");
        }
    }

    #[test]
    fn nobody_sleeps_in_front_of_a_full_ring() {
        let (producer, mut consumer) = armed();
        let mut wake = Wake::new(1024);
        wake.turned(Look::More, &producer);
        wake.published(8, &producer);
        wake.turned(Look::RingFull, &producer);
        assert!(rung(&mut consumer));
    }
}
