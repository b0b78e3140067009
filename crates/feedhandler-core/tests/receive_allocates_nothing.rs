//! The receive thread allocates nothing once it runs.
//!
//! In a file of its own, because the allocator counts for the whole process.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]

mod counting;
mod support;

use std::time::Duration;

use feedhandler_core::receive::{FullPolicy, Mode, ReceiveOptions};
use feedhandler_core::wait::{Wait, WaitOutcome};
use feedhandler_core::wire::{BackendKind, LineSpec};
use support::{local_line, send_numbers, sender_to, start, take_all_sent};

#[test]
fn neither_side_of_the_ring_allocates_after_the_start() {
    let threaded = ReceiveOptions { slots: 8, ..ReceiveOptions::default() };
    let inline = ReceiveOptions { mode: Mode::Inline, ..threaded };
    let capturing = ReceiveOptions { senders: true, ..threaded };
    let dropping = ReceiveOptions { wait: Wait::Yield, full: FullPolicy::DropNewest, ..threaded };
    for options in [threaded, capturing, dropping, inline] {
        for (backend, slot_bytes) in
            [(BackendKind::Recvmmsg, 2048), (BackendKind::Gro, 65_535), (BackendKind::Recv, 2048)]
        {
            check(&ReceiveOptions { backend, slot_bytes, ..options });
        }
    }
}

fn check(options: &ReceiveOptions) {
    // Line A has to look who sends.
    let filtered = LineSpec { sources: vec!["127.0.0.1".parse().unwrap()], ..local_line("A") };
    let mut receiver = start(&[filtered, local_line("B")], options);
    let senders = [0, 1].map(|line| sender_to(&receiver, line));
    let mut turn = |turn| {
        // More than the ring holds, so that it is full again and again.
        for sender in &senders {
            send_numbers(sender, turn, 10);
        }
        while receiver.wait(options.wait, Duration::from_millis(1)) == WaitOutcome::Ready {
            let taken = receiver.consumer().peek(3).filter(|slot| slot.payload.len() == 4).count();
            receiver.consumer().release(taken);
        }
    };
    (0..100).for_each(&mut turn);
    assert_eq!(counting::allocations(|| (100..200).for_each(turn)), 0, "{options:?}");
    take_all_sent(&mut receiver);
    let counted: u64 = receiver.stats().iter().map(|line| line.datagrams + line.ring_drops).sum();
    assert_eq!(counted, 4_000);
}
