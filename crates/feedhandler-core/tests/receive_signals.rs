//! Signals reach the thread that waits for datagrams, never the receive thread.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]

mod support;

use std::os::unix::thread::JoinHandleExt;
use std::thread;

use feedhandler_core::receive::{ReceiveOptions, Receiver, Stopper};
use feedhandler_core::wait::{Wait, WaitOutcome};
use support::{PATIENCE, local_line, start};

fn small() -> ReceiveOptions {
    ReceiveOptions { slots: 8, ..ReceiveOptions::default() }
}

#[test]
fn a_signal_ends_a_blocked_wait() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler: extern "C" fn(libc::c_int) = nothing;
    // SAFETY: the handler does nothing, so it may run at any time.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    let mut receiver = start(&[local_line("A")], &small());
    let waits = thread::spawn(move || receiver.consumer().wait(Wait::Block, PATIENCE));
    while !waits.is_finished() {
        // SAFETY: the thread has not been joined, and the signal has a handler.
        unsafe { libc::pthread_kill(waits.as_pthread_t(), libc::SIGUSR1) };
        thread::yield_now();
    }
    assert_eq!(waits.join().unwrap(), WaitOutcome::Interrupted);
}

#[test]
fn the_receive_thread_blocks_all_signals_that_can_be_blocked() {
    let mut receiver = start(&[local_line("A")], &small());
    let sender = support::sender_to(&receiver, 0);
    support::send_numbers(&sender, 0, 1);
    assert_eq!(support::take_all_sent(&mut receiver).len(), 1); // it runs
    // The other test's thread may be on its way to the same.
    let signals = [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGALRM];
    let all_blocked = |mask: u64| signals.iter().all(|signal| mask & 1 << (signal - 1) != 0);
    assert!(masks_of("fh-receive").into_iter().any(all_blocked));
}

/// The blocked signals of this process's threads of that name.
fn masks_of(name: &str) -> Vec<u64> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let statuses = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).ok());
    statuses
        .filter(|status| status.starts_with(&format!("Name:\t{name}\n")))
        .filter_map(|status| status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).map(str::to_owned))
        .map(|mask| u64::from_str_radix(&mask, 16).unwrap())
        .collect()
}

#[test]
fn a_receiver_may_move_to_another_thread_and_a_stopper_may_be_shared() {
    fn moves<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    moves::<Receiver>();
    shared::<Stopper>();
}
