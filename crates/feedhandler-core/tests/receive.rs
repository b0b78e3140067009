//! Reception over 127.0.0.1: what arrives, what is counted, and what may be concluded from it.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]

mod support;

use std::fs::File;
use std::mem::ManuallyDrop;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use feedhandler_core::clock::realtime_ns;
use feedhandler_core::receive::{FullPolicy, Mode, ReceiveOptions, Receiver};
use feedhandler_core::ring::SlotFlags;
use feedhandler_core::wait::{Wait, WaitOutcome};
use feedhandler_core::wire::{BackendKind, LineSpec};
use support::{
    PATIENCE, address, local_line, number, send_coalesced, send_numbers, sender_to, start, take_all, take_all_sent,
    wait_until,
};

const POLICIES: [Wait; 4] = [Wait::Block, Wait::Sleep { us: 20 }, Wait::Yield, Wait::Spin];

/// A variant of reception that the same tests run over.
const fn variant(mode: Mode, backend: BackendKind) -> ReceiveOptions {
    let (slots, slot_bytes) = if matches!(backend, BackendKind::Gro) { (256, 65_535) } else { (1024, 2048) };
    ReceiveOptions {
        mode,
        backend,
        wait: Wait::Block,
        batch: 64,
        slot_bytes,
        slots,
        full: FullPolicy::LeaveInSocket,
        cpu: None,
        huge_pages: false,
        senders: false,
    }
}

/// Runs tests over variants of reception.
macro_rules! over {
    ($($variant:ident: $mode:ident $backend:ident,)+ => $tests:tt) => { $(
        mod $variant {
            use feedhandler_core::receive::Mode;
            use feedhandler_core::wire::BackendKind;
            over!(@ $mode $backend $tests);
        }
    )+ };
    (@ $mode:ident $backend:ident { $($test:ident,)+ }) => { $(
        #[test]
        fn $test() {
            super::$test(super::variant(Mode::$mode, BackendKind::$backend));
        }
    )+ };
}

over! {
    threaded: Threaded Recvmmsg,
    threaded_gro: Threaded Gro,
    threaded_recv: Threaded Recv,
    inline: Inline Recvmmsg,
    inline_gro: Inline Gro,
    inline_recv: Inline Recv,
    => {
        datagrams_arrive_byte_for_byte_with_stamps,
        every_line_has_its_own_number_and_counters,
        what_the_socket_drops_is_counted_exactly,
        drops_after_the_last_datagram_are_known_at_the_stop,
        a_full_ring_leaves_datagrams_in_the_socket,
        no_line_starves_while_another_fills_the_ring,
        what_was_sent_before_the_watermark_is_in_the_ring,
        the_watermark_advances_while_nothing_comes,
        the_watermark_stands_still_while_datagrams_are_left_in_the_socket,
        a_waiting_consumer_is_woken_by_each_policy_of_both_sides,
        a_stop_takes_what_was_sent_and_closes_the_ring,
        a_stop_from_elsewhere_ends_the_consumers_wait,
        a_stop_does_not_wait_for_space_or_for_quiet,
        a_datagram_of_another_source_is_flagged,
        who_has_sent_a_datagram_is_known_where_that_is_asked_for,
        a_look_that_fails_again_and_again_is_no_reason_to_spin,
    }
}

// A run of coalesced datagrams is never longer than a slot.
over! {
    threaded_in_slots: Threaded Recvmmsg,
    threaded_recv_in_slots: Threaded Recv,
    inline_in_slots: Inline Recvmmsg,
    inline_recv_in_slots: Inline Recv,
    => { a_datagram_longer_than_the_slot_is_cut_flagged_and_counted, }
}

over! {
    with_a_thread: Threaded Recvmmsg,
    with_a_thread_gro: Threaded Gro,
    with_a_thread_recv: Threaded Recv,
    => {
        a_full_ring_drops_the_newest_and_counts_them,
        a_processor_that_does_not_exist_is_a_warning,
        a_processor_that_exists_is_granted,
    }
}

over! {
    coalesced: Threaded Gro,
    coalesced_inline: Inline Gro,
    => {
        coalesced_datagrams_are_told_apart,
        coalesced_datagrams_that_the_socket_drops_count_as_one,
    }
}

over! {
    coalesced_with_a_thread: Threaded Gro,
    => { coalesced_datagrams_that_find_the_ring_full_are_counted_each, }
}

over! {
    not_coalesced: Threaded Recvmmsg,
    not_coalesced_recv: Threaded Recv,
    => { what_is_sent_as_one_arrives_as_several, }
}

/// A ring that one datagram fills, so that a test says when the receive thread goes on.
fn one_slot(base: ReceiveOptions, full: FullPolicy) -> ReceiveOptions {
    ReceiveOptions { slots: 1, full, ..base }
}

fn datagrams_arrive_byte_for_byte_with_stamps(base: ReceiveOptions) {
    let slot_bytes = base.backend.least_slot_bytes().unwrap_or(200);
    let options = ReceiveOptions { slot_bytes, ..base };
    let mut receiver = start(&[local_line("A")], &options);
    let sender = sender_to(&receiver, 0);
    let before_ns = realtime_ns();
    let sent: Vec<Vec<u8>> = (0..=200_u8).map(|len| (0..len).map(|index| index ^ len).collect()).collect();
    for payload in &sent {
        assert_eq!(sender.send(payload).unwrap(), payload.len());
    }
    let arrived = take_all_sent(&mut receiver);
    assert!(arrived.iter().map(|datagram| &datagram.payload).eq(&sent));
    let mut last_ns = before_ns;
    for datagram in &arrived {
        assert!(datagram.header.ts_recv_ns >= last_ns, "stamps come in the order of the datagrams");
        assert!(datagram.header.taken_ns >= datagram.header.ts_recv_ns, "a datagram is taken after it has arrived");
        assert_eq!(datagram.header.flags, SlotFlags::default());
        last_ns = datagram.header.ts_recv_ns;
    }
    assert!(arrived.iter().all(|datagram| datagram.header.taken_ns <= realtime_ns()));
    let stats = &receiver.stats()[0];
    assert_eq!((stats.datagrams, stats.bytes), (201, 200 * 201 / 2));
    assert!(stats.socket_drops_read && stats.socket_drops == 0);
}

fn a_datagram_longer_than_the_slot_is_cut_flagged_and_counted(base: ReceiveOptions) {
    let mut receiver = start(&[local_line("A")], &ReceiveOptions { slot_bytes: 200, ..base });
    let sender = sender_to(&receiver, 0);
    sender.send(&[7; 201]).unwrap();
    sender.send(&[8; 200]).unwrap();
    let arrived = take_all_sent(&mut receiver);
    assert_eq!((arrived[0].payload.as_slice(), arrived[1].payload.as_slice()), (&[7; 200][..], &[8; 200][..]));
    assert!(arrived[0].header.flags.contains(SlotFlags::TRUNCATED));
    assert!(!arrived[1].header.flags.contains(SlotFlags::TRUNCATED));
    assert_eq!([arrived[0].header.sent_bytes, arrived[1].header.sent_bytes], [201, 200]);
    assert_eq!((receiver.stats()[0].truncated, receiver.stats()[0].bytes), (1, 401));
}

fn every_line_has_its_own_number_and_counters(base: ReceiveOptions) {
    let mut receiver = start(&[local_line("A"), local_line("B"), local_line("C")], &base);
    for line in 0..3_u8 {
        let sender = sender_to(&receiver, line.into());
        (0..=line).for_each(|_| assert_eq!(sender.send(&[line]).unwrap(), 1));
    }
    let arrived = take_all_sent(&mut receiver);
    assert_eq!(arrived.len(), 6);
    assert!(arrived.iter().all(|datagram| datagram.payload == [u8::try_from(datagram.header.line).unwrap()]));
    assert!(receiver.stats().iter().map(|line| line.datagrams).eq([1, 2, 3]));
}

fn what_the_socket_drops_is_counted_exactly(base: ReceiveOptions) {
    const SENT: u32 = 2_000;
    let line = LineSpec { rcvbuf_bytes: Some(16 * 1024), ..local_line("A") };
    let mut receiver = start(&[line], &one_slot(base, FullPolicy::LeaveInSocket));
    let sender = sender_to(&receiver, 0);
    send_numbers(&sender, 0, SENT); // one gets into the ring, a few into the receive buffer
    let arrived = take_all_sent(&mut receiver);
    let drops = receiver.stats()[0].socket_drops;
    assert!(drops > 0, "the burst was too small");
    assert_eq!(arrived.len() as u64 + drops, u64::from(SENT));
    assert_eq!(receiver.stats()[0].datagrams, arrived.len() as u64);
    // What the kernel tells beside the next datagram is the same number.
    send_numbers(&sender, SENT, 1);
    let next = take_all_sent(&mut receiver);
    assert_eq!((number(&next[0]), next[0].header.socket_drops), (SENT, drops));
    // And each datagram says how many are missing before it.
    for (datagram, received_before) in arrived.iter().zip(0..) {
        assert_eq!(u64::from(number(datagram)), received_before + datagram.header.socket_drops);
    }
    receiver.stop();
    assert_eq!(receiver.stats()[0].socket_drops, drops);
    assert!(receiver.stats()[0].socket_drops_read);
}

fn drops_after_the_last_datagram_are_known_at_the_stop(base: ReceiveOptions) {
    let line = LineSpec { rcvbuf_bytes: Some(16 * 1024), ..local_line("A") };
    let mut receiver = start(&[line], &one_slot(base, FullPolicy::LeaveInSocket));
    let sender = sender_to(&receiver, 0);
    send_numbers(&sender, 0, 1);
    wait_until(&mut receiver, |stats| stats[0].datagrams == 1);
    send_numbers(&sender, 1, 999);
    receiver.stop(); // the ring is full, so what waits in the socket stays there
    let stats = &receiver.stats()[0];
    assert!(stats.socket_drops > 900 && stats.socket_drops < 999, "{stats:?}");
    assert!(stats.socket_drops_read && !stats.drained);
    assert_eq!(take_all(&mut receiver)[0].header.socket_drops, 0, "none had been dropped before it");
}

fn a_full_ring_leaves_datagrams_in_the_socket(base: ReceiveOptions) {
    let mut receiver = start(&[local_line("A")], &ReceiveOptions { slots: 4, ..base });
    let sender = sender_to(&receiver, 0);
    send_numbers(&sender, 0, 100);
    wait_until(&mut receiver, |stats| stats[0].datagrams == 4 && !stats[0].drained);
    let arrived = take_all_sent(&mut receiver);
    assert!(arrived.iter().map(number).eq(0..100));
    let stats = &receiver.stats()[0];
    assert_eq!((stats.datagrams, stats.ring_drops, stats.socket_drops), (100, 0, 0));
    assert_eq!(receiver.consumer().high_water(), 4);
}

fn a_full_ring_drops_the_newest_and_counts_them(base: ReceiveOptions) {
    let options = ReceiveOptions { slots: 4, full: FullPolicy::DropNewest, ..base };
    let mut receiver = start(&[local_line("A")], &options);
    let sender = sender_to(&receiver, 0);
    send_numbers(&sender, 0, 100);
    let sent_ns = realtime_ns();
    while receiver.polled_ns() <= sent_ns {
        thread::yield_now();
    }
    let stats = &receiver.stats()[0];
    assert_eq!((stats.datagrams, stats.ring_drops, stats.socket_drops), (4, 96, 0));
    assert!(take_all(&mut receiver).iter().map(number).eq(0..4));
    send_numbers(&sender, 100, 1);
    let next = take_all_sent(&mut receiver);
    assert_eq!((number(&next[0]), next[0].header.ring_drops), (100, 96));
}

fn no_line_starves_while_another_fills_the_ring(base: ReceiveOptions) {
    let mut receiver = start(&[local_line("A"), local_line("B")], &one_slot(base, FullPolicy::LeaveInSocket));
    let (a, b) = (sender_to(&receiver, 0), sender_to(&receiver, 1));
    send_numbers(&a, 0, 100);
    send_numbers(&b, 0, 100);
    let arrived = take_all_sent(&mut receiver);
    assert_eq!(arrived.len(), 200);
    let in_turn = arrived.windows(2).filter(|pair| pair[0].header.line != pair[1].header.line).count();
    assert!(in_turn > 190, "only {in_turn} of 199 datagrams are of another line than the one before");
}

fn what_was_sent_before_the_watermark_is_in_the_ring(base: ReceiveOptions) {
    for wait in POLICIES {
        let lines = [local_line("A"), local_line("B"), local_line("C")];
        let mut receiver = start(&lines, &ReceiveOptions { wait, ..base });
        let senders = [0, 1, 2].map(|line| sender_to(&receiver, line));
        for turn in 0..300_u32 {
            send_numbers(&senders[turn as usize % 3], turn, 1);
            let arrived = take_all_sent(&mut receiver);
            assert!(arrived.iter().map(number).eq([turn]), "{wait:?}");
        }
    }
}

fn the_watermark_advances_while_nothing_comes(base: ReceiveOptions) {
    for wait in POLICIES {
        let mut receiver = start(&[local_line("A"), local_line("B")], &ReceiveOptions { wait, ..base });
        let goal_ns = realtime_ns() + 20_000_000;
        while receiver.polled_ns() < goal_ns {
            receiver.look();
            assert!(realtime_ns() < goal_ns + 20_000_000_000, "{wait:?}");
            thread::yield_now();
        }
        assert!(receiver.polled_ns() <= realtime_ns(), "it does not run ahead of the clock");
    }
}

fn the_watermark_stands_still_while_datagrams_are_left_in_the_socket(base: ReceiveOptions) {
    let mut receiver = start(&[local_line("A")], &one_slot(base, FullPolicy::LeaveInSocket));
    let sender = sender_to(&receiver, 0);
    send_numbers(&sender, 0, 2);
    wait_until(&mut receiver, |stats| stats[0].datagrams == 1);
    let stuck_ns = realtime_ns();
    thread::sleep(Duration::from_millis(5)); // so that a thread that did look would have said so
    assert!(receiver.polled_ns() < stuck_ns);
    assert_eq!(take_all_sent(&mut receiver).len(), 2);
    assert!(receiver.polled_ns() > stuck_ns);
}

fn a_waiting_consumer_is_woken_by_each_policy_of_both_sides(base: ReceiveOptions) {
    for (thread_waits, consumer_waits) in POLICIES.into_iter().zip(POLICIES.into_iter().rev()) {
        let mut receiver = start(&[local_line("A")], &ReceiveOptions { wait: thread_waits, ..base });
        let sender = sender_to(&receiver, 0);
        for turn in 0..200 {
            send_numbers(&sender, turn, 1);
            assert_eq!(receiver.wait(consumer_waits, PATIENCE), WaitOutcome::Ready);
            assert!(take_all(&mut receiver).iter().map(number).eq([turn]));
        }
        assert_eq!(receiver.wait(consumer_waits, Duration::from_millis(1)), WaitOutcome::TimedOut);
    }
}

fn a_stop_takes_what_was_sent_and_closes_the_ring(base: ReceiveOptions) {
    for wait in POLICIES {
        let mut receiver = start(&[local_line("A")], &ReceiveOptions { wait, ..base });
        let sender = sender_to(&receiver, 0);
        send_numbers(&sender, 0, 150);
        receiver.stop();
        assert!(receiver.stats()[0].drained);
        assert_eq!(receiver.wait(wait, PATIENCE), WaitOutcome::Ready);
        assert!(take_all(&mut receiver).iter().map(number).eq(0..150));
        assert_eq!(receiver.wait(wait, PATIENCE), WaitOutcome::Closed);
        receiver.stop(); // once more changes nothing
        assert_eq!(receiver.stats()[0].datagrams, 150);
    }
}

fn a_stop_from_elsewhere_ends_the_consumers_wait(base: ReceiveOptions) {
    for wait in POLICIES {
        let mut receiver = start(&[local_line("A")], &ReceiveOptions { wait, ..base });
        let stopper = receiver.stopper();
        let stops = thread::spawn(move || stopper.request_stop());
        assert_eq!(receiver.wait(wait, PATIENCE), WaitOutcome::Closed, "{wait:?}");
        stops.join().unwrap();
    }
}

/// Puts something that is readable, and no socket, in the place of a line's socket.
fn break_socket(receiver: &Receiver) -> File {
    let zeros = File::open("/dev/zero").unwrap();
    let is_ours = |fd: i32| {
        // SAFETY: the descriptor is only asked for its address, and given back unclosed.
        let socket = ManuallyDrop::new(unsafe { UdpSocket::from_raw_fd(fd) });
        socket.local_addr().is_ok_and(|local| local == address(receiver, 0))
    };
    let fd = (3..4096).find(|&fd| is_ours(fd)).unwrap();
    // SAFETY: both are open, and the line closes the copy as it would have closed its socket.
    assert_eq!(unsafe { libc::dup2(zeros.as_raw_fd(), fd) }, fd);
    zeros
}

fn a_look_that_fails_again_and_again_is_no_reason_to_spin(base: ReceiveOptions) {
    let mut receiver = start(&[line_of_own_address("A")], &base);
    let _zeros = break_socket(&receiver);
    let before = wait_until(&mut receiver, |stats| stats[0].errors > 0)[0].errors;
    let started = Instant::now();
    assert_eq!(receiver.wait(Wait::Block, Duration::from_millis(30)), WaitOutcome::TimedOut);
    let stats = receiver.stats().remove(0);
    let most = started.elapsed().as_millis() + 2;
    assert!(u128::from(stats.errors - before) <= most, "{stats:?} in {most} ms");
    assert!(!stats.drained);
}

/// A line whose port no other test is given once it is closed, however long somebody goes on sending there.
fn line_of_own_address(name: &str) -> LineSpec {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let host = Ipv4Addr::new(127, 0, 9, NEXT.fetch_add(1, Ordering::Relaxed));
    LineSpec { address: (host, 0).into(), ..local_line(name) }
}

fn a_stop_does_not_wait_for_space_or_for_quiet(base: ReceiveOptions) {
    let other = if base.mode == Mode::Inline { FullPolicy::LeaveInSocket } else { FullPolicy::DropNewest };
    for (wait, full) in POLICIES.into_iter().zip([FullPolicy::LeaveInSocket, other].repeat(2)) {
        let mut receiver = start(&[line_of_own_address("A")], &ReceiveOptions { wait, ..one_slot(base, full) });
        let sender = sender_to(&receiver, 0);
        let stopper = receiver.stopper();
        thread::scope(|scope| {
            // Once the socket is closed, the sender hears so, and ends.
            scope.spawn(|| (0..20_000_u32).all(|number| sender.send(&number.to_le_bytes()).is_ok()));
            wait_until(&mut receiver, |stats| stats[0].datagrams == 1);
            stopper.request_stop();
            assert_eq!(take_all(&mut receiver).len(), 1);
            receiver.stop();
        });
    }
}

fn who_has_sent_a_datagram_is_known_where_that_is_asked_for(base: ReceiveOptions) {
    for senders in [true, false] {
        let mut receiver = start(&[local_line("A")], &ReceiveOptions { senders, ..base });
        let sockets = [sender_to(&receiver, 0), sender_to(&receiver, 0)];
        for number in 0..6_u32 {
            sockets[number as usize % 2].send(&number.to_le_bytes()).unwrap();
        }
        let known = receiver.senders();
        let taken = take_all_sent(&mut receiver);
        assert_eq!(taken.len(), 6);
        for datagram in taken {
            let sender = sockets[number(&datagram) as usize % 2].local_addr().unwrap();
            assert_eq!(known.get(datagram.header.sender), senders.then_some(sender));
        }
    }
}

fn a_processor_that_does_not_exist_is_a_warning(base: ReceiveOptions) {
    let mut receiver = start(&[local_line("A")], &ReceiveOptions { cpu: Some(100_000), ..base });
    let warnings: Vec<_> = receiver.warnings().collect();
    assert_eq!((warnings.len(), warnings[0].setting), (1, "sched_setaffinity"));
    assert!(warnings[0].to_string().contains("processor 100000"), "{}", warnings[0]);
    send_numbers(&sender_to(&receiver, 0), 0, 1);
    assert_eq!(take_all_sent(&mut receiver).len(), 1);
}

fn a_processor_that_exists_is_granted(base: ReceiveOptions) {
    let receiver = start(&[local_line("A")], &ReceiveOptions { cpu: Some(0), ..base });
    assert_eq!(receiver.warnings().count(), 0);
}

/// The number that fills a datagram, where it is whole.
fn filled(datagram: &support::Received, bytes: usize) -> u8 {
    assert_eq!(datagram.payload.len(), bytes);
    assert!(datagram.payload.iter().all(|byte| *byte == datagram.payload[0]));
    datagram.payload[0]
}

fn coalesced_datagrams_are_told_apart(base: ReceiveOptions) {
    let mut receiver = start(&[local_line("A")], &base);
    let sender = sender_to(&receiver, 0);
    send_coalesced(&sender, 0, 40, 30);
    send_coalesced(&sender, 40, 20, 1400);
    sender.send(&[60; 31]).unwrap();
    let arrived = take_all_sent(&mut receiver);
    let lengths = [vec![30; 40], vec![1400; 20], vec![31]].concat();
    assert!(arrived.iter().zip(lengths).map(|(datagram, bytes)| filled(datagram, bytes)).eq(0..61));
    let stats = &receiver.stats()[0];
    assert_eq!((stats.datagrams, stats.coalesced), (61, 60));
    assert_eq!((stats.bytes, stats.truncated), (40 * 30 + 20 * 1400 + 31, 0));
    assert!(receiver.consumer().high_water() <= 3, "three slots are enough");
    assert!(receiver.reports()[0].coalesced);
}

/// The kernel counts what it drops as it has queued it, and no more can be said of it.
fn coalesced_datagrams_that_the_socket_drops_count_as_one(base: ReceiveOptions) {
    let line = LineSpec { rcvbuf_bytes: Some(16 * 1024), ..local_line("A") };
    let mut receiver = start(&[line], &one_slot(base, FullPolicy::LeaveInSocket));
    let sender = sender_to(&receiver, 0);
    (0..500).for_each(|_| send_coalesced(&sender, 0, 10, 30));
    let arrived = take_all_sent(&mut receiver).len() as u64;
    let drops = receiver.stats()[0].socket_drops;
    assert!(drops > 0 && arrived > 0);
    assert_eq!((arrived % 10, arrived / 10 + drops), (0, 500));
}

fn coalesced_datagrams_that_find_the_ring_full_are_counted_each(base: ReceiveOptions) {
    let mut receiver = start(&[local_line("A")], &one_slot(base, FullPolicy::DropNewest));
    let sender = sender_to(&receiver, 0);
    send_coalesced(&sender, 0, 10, 30);
    send_coalesced(&sender, 10, 7, 30);
    sender.send(&[17; 30]).unwrap();
    wait_until(&mut receiver, |stats| stats[0].ring_drops == 8);
    assert!(take_all(&mut receiver).iter().map(|datagram| filled(datagram, 30)).eq(0..10));
    assert_eq!((receiver.stats()[0].datagrams, receiver.stats()[0].socket_drops), (10, 0));
}

fn what_is_sent_as_one_arrives_as_several(base: ReceiveOptions) {
    let mut receiver = start(&[local_line("A")], &base);
    send_coalesced(&sender_to(&receiver, 0), 0, 40, 30);
    assert!(take_all_sent(&mut receiver).iter().map(|datagram| filled(datagram, 30)).eq(0..40));
    assert_eq!((receiver.stats()[0].datagrams, receiver.stats()[0].coalesced), (40, 0));
}

fn a_datagram_of_another_source_is_flagged(base: ReceiveOptions) {
    let sources = vec!["127.0.0.2".parse().unwrap()];
    let lines = [LineSpec { sources, ..local_line("A") }, local_line("B")];
    let mut receiver = start(&lines, &base);
    for line in 0..2 {
        for from in ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"] {
            let sender = UdpSocket::bind(from).unwrap();
            sender.send_to(&[line], support::address(&receiver, line.into())).unwrap();
        }
    }
    let arrived = take_all_sent(&mut receiver);
    let other = |line: u8| {
        let of_line = arrived.iter().filter(move |datagram| datagram.payload == [line]);
        of_line.map(|datagram| datagram.header.flags == SlotFlags::OTHER_SOURCE).collect::<Vec<_>>()
    };
    assert_eq!((other(0), other(1)), (vec![true, false, true], vec![false; 3]));
}
