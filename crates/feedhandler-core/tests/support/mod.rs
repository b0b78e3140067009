//! What the tests of reception share: a feed on this machine, and a reader that knows when it has seen everything.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod namespace;

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use feedhandler_core::clock::realtime_ns;
use feedhandler_core::padded::Padded;
use feedhandler_core::receive::{LineStats, ReceiveOptions, Receiver};
use feedhandler_core::ring::{Arena, SlotHeader};
use feedhandler_core::wire::LineSpec;

/// Long enough for anything that is going to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A datagram as it came out of the ring.
#[derive(Debug)]
pub struct Received {
    pub header: SlotHeader,
    pub payload: Vec<u8>,
}

/// A line on a port that the system chooses.
pub fn local_line(name: &str) -> LineSpec {
    LineSpec { channel: 1, ..LineSpec::new(name, "127.0.0.1:0".parse().unwrap()) }
}

/// Starts to receive `lines` with memory of our own.
pub fn start(lines: &[LineSpec], options: &ReceiveOptions) -> Receiver {
    let arena = Arena::allocate(options.layout().unwrap().arena_bytes());
    Receiver::start(lines, options, arena).unwrap()
}

/// Where a line is received.
pub fn address(receiver: &Receiver, line: usize) -> SocketAddr {
    receiver.reports()[line].address
}

/// A socket that sends to a line.
pub fn sender_to(receiver: &Receiver, line: usize) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address(receiver, line)).unwrap();
    socket
}

/// Sends `count` datagrams that carry the numbers from `first` on.
pub fn send_numbers(sender: &UdpSocket, first: u32, count: u32) {
    for number in first..first + count {
        sender.send(&number.to_le_bytes()).unwrap();
    }
}

/// The number that a datagram carries.
pub fn number(datagram: &Received) -> u32 {
    u32::from_le_bytes(datagram.payload[..4].try_into().unwrap())
}

/// Everything that is in the ring, released.
pub fn take_all(receiver: &mut Receiver) -> Vec<Received> {
    let mut taken = Vec::new();
    let mut slots = 0;
    for slot in receiver.consumer().peek(usize::MAX) {
        let copy = |datagram: Padded<'_>| Received { header: *slot.header, payload: datagram.bytes().to_vec() };
        taken.extend(slot.datagrams().map(copy));
        slots += 1;
    }
    receiver.consumer().release(slots);
    taken
}

/// Everything that had been sent before the call.
pub fn take_all_sent(receiver: &mut Receiver) -> Vec<Received> {
    let (now_ns, started) = (realtime_ns(), Instant::now());
    let mut taken = Vec::new();
    loop {
        receiver.look();
        let polled_ns = receiver.polled_ns(); // before the look into the ring
        taken.extend(take_all(receiver));
        if polled_ns > now_ns {
            return taken;
        }
        assert!(started.elapsed() < PATIENCE, "the watermark stands still at {polled_ns}, waited for {now_ns}");
        std::thread::yield_now();
    }
}

/// Waits until `done` says so of what the lines have counted.
pub fn wait_until(receiver: &mut Receiver, done: impl Fn(&[LineStats]) -> bool) -> Vec<LineStats> {
    let started = Instant::now();
    loop {
        receiver.look();
        let stats = receiver.stats();
        if done(&stats) {
            return stats;
        }
        assert!(started.elapsed() < PATIENCE, "{stats:#?}");
        std::thread::yield_now();
    }
}

/// Sends datagrams of `bytes` bytes, each filled with its number from `first` on, as one that the kernel is to divide.
pub fn send_coalesced(sender: &UdpSocket, first: u8, count: u8, bytes: usize) {
    let payload: Vec<u8> = (first..first + count).flat_map(|number| std::iter::repeat_n(number, bytes)).collect();
    let segment = i32::try_from(bytes).unwrap();
    let len = size_of_val(&segment).try_into().unwrap();
    // SAFETY: the pointer and the length are those of `segment`.
    let refused = unsafe {
        let value = (&raw const segment).cast();
        libc::setsockopt(sender.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, len)
    };
    assert_eq!(refused, 0, "{}", std::io::Error::last_os_error());
    assert_eq!(sender.send(&payload).unwrap(), payload.len());
}
