//! What a ring promises, by itself and under two threads.

use std::os::fd::AsFd;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::padded::SLACK_BYTES;
use crate::wait::{Wait, WaitOutcome, poll, readable};

const NEVER: Duration = Duration::from_secs(20);

fn small_ring(slots: usize) -> (Producer, Consumer) {
    let layout = SlotLayout::new(slots, 64).unwrap();
    ring(Arena::allocate(layout.arena_bytes()), layout).unwrap()
}

/// Publishes a slot that says its number in the header and in every byte of the payload, without ringing.
fn put(producer: &mut Producer, number: usize) -> bool {
    let mut claim = producer.claim(1);
    if claim.is_empty() {
        return false;
    }
    write_slot(&mut claim, 0, number);
    claim.publish(1);
    true
}

fn write_slot(claim: &mut Claim<'_>, index: usize, number: usize) {
    let len = number % 65;
    let fill = fill_of(number);
    claim.payload(index)[..len].fill(fill);
    claim.set_header(
        index,
        SlotHeader { ts_recv_ns: number as u64, len: len.try_into().unwrap(), ..Default::default() },
    );
}

fn fill_of(number: usize) -> u8 {
    (number % 251).try_into().unwrap()
}

fn assert_slot(slot: Slot<'_>, number: usize) {
    assert_eq!(slot.header.ts_recv_ns, number as u64);
    assert_eq!(slot.payload.len(), number % 65);
    assert!(slot.payload.bytes().iter().all(|&byte| byte == fill_of(number)), "slot {number}");
}

/// Takes up to `max` slots and checks that they are `first`, `first + 1`, …
fn take(consumer: &mut Consumer, max: usize, first: usize) -> usize {
    let slots = consumer.peek(max);
    let taken = slots.len();
    slots.enumerate().for_each(|(index, slot)| assert_slot(slot, first + index));
    consumer.release(taken);
    taken
}

#[test]
fn slots_come_out_in_order_with_their_bytes_and_slack_behind() {
    let (mut producer, mut consumer) = small_ring(4);
    for number in 0..3 {
        assert!(put(&mut producer, number));
    }
    assert!(consumer.peek(9).all(|slot| slot.payload.has_slack()));
    assert!(consumer.peek(9).all(|slot| slot.payload.slot().len() >= 64 + SLACK_BYTES));
    assert_eq!(take(&mut consumer, 2, 0), 2);
    assert_eq!(take(&mut consumer, 2, 2), 1);
    assert_eq!(take(&mut consumer, 2, 3), 0);
}

#[test]
fn a_full_ring_gives_no_slot_until_one_is_released() {
    let (mut producer, mut consumer) = small_ring(4);
    assert_eq!(producer.claim(9).len(), 4);
    assert_eq!((0..9).filter(|&number| put(&mut producer, number)).count(), 4);
    assert!(producer.claim(1).is_empty());
    assert_eq!(take(&mut consumer, 1, 0), 1);
    assert_eq!(producer.claim(9).len(), 1);
}

#[test]
fn a_consumer_that_keeps_up_has_the_same_slots_filled_again() {
    let (mut producer, mut consumer) = small_ring(8);
    let first = producer.claim(1).payload(0).as_ptr();
    for number in 0..20 {
        assert_eq!(producer.claim(8).payload(0).as_ptr(), first);
        put(&mut producer, number);
        put(&mut producer, number + 1);
        assert_eq!(take(&mut consumer, 1, number), 1);
        assert_ne!(producer.claim(6).payload(5).as_ptr(), first, "a slot is still in use");
        assert_eq!(take(&mut consumer, 1, number + 1), 1);
    }
}

#[test]
fn a_claim_that_is_dropped_or_published_in_part_leaves_the_rest_free() {
    let (mut producer, mut consumer) = small_ring(4);
    let _ = producer.claim(3);
    let mut claim = producer.claim(3);
    write_slot(&mut claim, 0, 0);
    claim.publish(1);
    assert_eq!(producer.claim(9).len(), 3);
    assert_eq!(take(&mut consumer, 9, 0), 1);
}

#[test]
fn the_high_water_mark_is_the_most_that_was_in_use_at_once() {
    let (mut producer, mut consumer) = small_ring(8);
    for number in 0..100 {
        put(&mut producer, number);
        assert_eq!(take(&mut consumer, 1, number), 1);
    }
    assert_eq!(consumer.high_water(), 1);
    (100..105).for_each(|number| assert!(put(&mut producer, number)));
    assert_eq!((consumer.depth(), consumer.high_water()), (5, 5));
    assert_eq!(take(&mut consumer, 9, 100), 5);
    assert_eq!((consumer.depth(), consumer.high_water()), (0, 5));
}

#[test]
#[should_panic(expected = "2 slots released, 1 seen")]
fn slots_that_were_not_seen_cannot_be_released() {
    let (mut producer, mut consumer) = small_ring(4);
    put(&mut producer, 0);
    let _ = consumer.peek(1);
    consumer.release(2);
}

#[test]
fn an_arena_that_is_too_small_is_refused() {
    let layout = SlotLayout::new(8, 64).unwrap();
    let refused = ring(Arena::allocate(layout.arena_bytes() - 256), layout).unwrap_err();
    assert!(refused.to_string().contains("arena_bytes: expected at least"), "{refused}");
}

#[test]
fn slots_lie_at_aligned_addresses_wherever_the_arena_starts() {
    static MEMORY: [AtomicUsize; 1024] = [const { AtomicUsize::new(0) }; 1024];
    let layout = SlotLayout::new(4, 64).unwrap();
    let start = NonNull::from(&MEMORY[1]).cast::<u8>();
    // SAFETY: a static outlives everything, may be written to, and only this test knows it.
    let arena = unsafe { Arena::from_raw(start, layout.arena_bytes(), Box::new(())) };
    let (mut producer, consumer) = ring(arena, layout).unwrap();
    assert_eq!((start.as_ptr() as usize + consumer.offset_bytes()) % SLOT_ALIGN_BYTES, 0);
    let mut claim = producer.claim(1);
    assert_eq!(claim.payload(0).as_ptr() as usize, start.as_ptr() as usize + consumer.offset_bytes() + HEADER_BYTES);
}

#[test]
fn two_threads_keep_order_and_content() {
    const COUNT: usize = 300_000;
    let (mut producer, mut consumer) = small_ring(16);
    let filler = thread::spawn(move || {
        let mut sent = 0;
        while sent < COUNT {
            let mut claim = producer.claim((sent % 7 + 1).min(COUNT - sent));
            let claimed = claim.len();
            (0..claimed).for_each(|index| write_slot(&mut claim, index, sent + index));
            claim.publish(claimed);
            sent += claimed;
            if claimed == 0 {
                thread::yield_now();
            }
        }
    });
    let mut taken = 0;
    while consumer.wait(Wait::Yield, NEVER) == WaitOutcome::Ready {
        taken += take(&mut consumer, taken % 5 + 1, taken);
    }
    filler.join().unwrap();
    assert_eq!(taken, COUNT);
    assert!(consumer.high_water() <= 16);
}

/// One slot at a time in each direction, so that the consumer goes to sleep about as often as there are slots: a wake-up that
/// is lost would leave the consumer asleep until the time is up.
#[test]
fn a_blocked_consumer_misses_no_slot() {
    const COUNT: usize = 50_000;
    let (mut producer, mut consumer) = small_ring(1);
    let filler = thread::spawn(move || {
        for number in 0..COUNT {
            while !put(&mut producer, number) {
                thread::yield_now();
            }
            producer.ring_doorbell();
        }
    });
    for number in 0..COUNT {
        let started = Instant::now();
        assert_eq!(consumer.wait(Wait::Block, NEVER), WaitOutcome::Ready);
        assert!(started.elapsed() < NEVER, "slot {number} was seen only because the time was up");
        assert_eq!(take(&mut consumer, 1, number), 1);
    }
    filler.join().unwrap();
    assert_eq!(consumer.wait(Wait::Block, NEVER), WaitOutcome::Closed);
}

#[test]
fn every_policy_tells_what_is_there_and_when_the_time_is_up() {
    for wait in [Wait::Spin, Wait::Yield, Wait::Sleep { us: 10 }, Wait::Block] {
        let (mut producer, mut consumer) = small_ring(4);
        let started = Instant::now();
        assert_eq!(consumer.wait(wait, Duration::from_millis(2)), WaitOutcome::TimedOut, "{wait:?}");
        assert!(started.elapsed() >= Duration::from_millis(2), "{wait:?}");
        put(&mut producer, 0);
        assert_eq!(consumer.wait(wait, NEVER), WaitOutcome::Ready, "{wait:?}");
        drop(producer);
        assert_eq!(consumer.wait(wait, NEVER), WaitOutcome::Ready, "{wait:?}: what is left comes first");
        take(&mut consumer, 1, 0);
        assert_eq!(consumer.wait(wait, NEVER), WaitOutcome::Closed, "{wait:?}");
    }
}

#[test]
fn an_armed_consumer_becomes_readable_and_one_that_is_not_armed_does_not() {
    let readable_now = |consumer: &Consumer| poll(&mut [readable(consumer.as_fd())], Duration::ZERO);
    let (mut producer, mut consumer) = small_ring(4);
    put(&mut producer, 0);
    producer.ring_doorbell();
    assert_eq!(readable_now(&consumer), WaitOutcome::TimedOut, "nobody sleeps, nobody is rung for");
    assert_eq!(consumer.arm(), Some(WaitOutcome::Ready), "with a slot there it must not sleep");
    take(&mut consumer, 1, 0);
    assert_eq!(consumer.arm(), None);
    assert_eq!(readable_now(&consumer), WaitOutcome::TimedOut);
    put(&mut producer, 1);
    producer.ring_doorbell();
    assert_eq!(readable_now(&consumer), WaitOutcome::Ready);
    consumer.disarm();
    assert_eq!(readable_now(&consumer), WaitOutcome::TimedOut);
    assert_eq!(take(&mut consumer, 1, 1), 1);
}
