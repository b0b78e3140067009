//! How many datagrams a second the receive thread and a consumer that drains the ring take, as a ratio to a bare
//! `recvmmsg` loop that only counts, on one processor.
//!
//! `cargo run --release -p feedhandler-core --example receive_rate -- MODE [BYTES [ROUNDS [WAIT [WAIT]]]]`
//!
//! The first WAIT is the consumer's, the second the receive thread's: `spin`, `yield`, `block` or `sleep:MICROSECONDS`.
//!
//! MODE `overload`: a sender on another processor sends as fast as it can, all the time. What arrives may be limited by the
//! sender. MODE `backlog`: everything waits in the receive buffer before the clock starts, so the receiver is the limit.
//! The ways take turns; rates are medians, and CPU time is the least of all rounds, because what else runs only adds to it.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made has nothing else to do")]

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use feedhandler_core::receive::{ReceiveOptions, Receiver};
use feedhandler_core::ring::Arena;
use feedhandler_core::wait::{Wait, WaitOutcome};
use feedhandler_core::wire::{BackendKind, LineSocket, LineSpec};

const OVERLOAD: Duration = Duration::from_millis(1500);
const OVERLOAD_RCVBUF_BYTES: usize = 4 << 20;
const BACKLOG: u64 = 150_000;
const BACKLOG_RCVBUF_BYTES: usize = 1 << 30;
const RECEIVE_CPU: usize = 0;
const SEND_CPU: usize = 1;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Overload,
    Backlog,
}

#[derive(Clone, Copy)]
struct Setup {
    mode: Mode,
    bytes: usize,
    /// Of the consumer, and of the receive thread.
    waits: [Wait; 2],
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize, default: &str| arguments.get(index).cloned().unwrap_or(default.into());
    let mode = match argument(0, "overload").as_str() {
        "send" => return send_for(OVERLOAD * 4, argument(1, "").parse().unwrap(), &argument(2, "")),
        "backlog" => Mode::Backlog,
        _ => Mode::Overload,
    };
    let waits = [3, 4].map(|index| wait(&argument(index, "block")));
    let setup = Setup { mode, bytes: argument(1, "30").parse().unwrap(), waits };
    pin(RECEIVE_CPU);
    let mut rounds = [const { Vec::new() }; 3];
    for _ in 0..argument(2, "5").parse().unwrap() {
        rounds[0].push(bare_loop(setup, false));
        rounds[1].push(bare_loop(setup, true));
        rounds[2].push(receiver(setup));
    }
    let [bare, stamped, ours] = rounds.map(summary);
    for (name, result) in [("bare loop", bare), ("bare loop, with stamps and drops", stamped), ("receiver", ours)] {
        println!(
            "{name:33} {:>9.0} datagrams/s, {:.3} of bare, {:.3} of stamped; CPU {:.0} ns/datagram; lost {:.1} %",
            result.rate,
            result.rate / bare.rate,
            result.rate / stamped.rate,
            result.cpu_ns,
            result.lost * 100.0
        );
    }
}

/// A policy by name, or `sleep:MICROSECONDS`.
fn wait(policy: &str) -> Wait {
    match policy.strip_prefix("sleep:") {
        Some(us) => Wait::Sleep { us: us.parse().unwrap() },
        None => serde_json::from_str(&format!("\"{policy}\"")).unwrap(),
    }
}

#[derive(Clone, Copy)]
struct Outcome {
    rate: f64,
    cpu_ns: f64,
    lost: f64,
}

fn summary(mut rounds: Vec<Outcome>) -> Outcome {
    rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let cpu_ns = rounds.iter().map(|round| round.cpu_ns).fold(f64::INFINITY, f64::min);
    Outcome { cpu_ns, ..rounds[rounds.len() / 2] }
}

/// Counts what `receive` takes until the mode says that it is enough.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn measure(
    setup: Setup,
    to: SocketAddr,
    taken_early: u64,
    drops: impl Fn() -> u64,
    mut receive: impl FnMut() -> u64,
) -> Outcome {
    let mut sender = match setup.mode {
        Mode::Overload => Some(start_sender(setup.bytes, to)),
        Mode::Backlog => {
            send_count(BACKLOG + taken_early, setup.bytes, to);
            None
        }
    };
    let mut count = if setup.mode == Mode::Overload { receive() } else { 0 };
    let (started, cpu) = (Instant::now(), cpu_time());
    while match setup.mode {
        Mode::Overload => started.elapsed() < OVERLOAD,
        Mode::Backlog => count < BACKLOG + taken_early,
    } {
        count += receive();
    }
    let (elapsed, cpu) = (started.elapsed(), cpu_time().checked_sub(cpu).unwrap());
    sender.iter_mut().for_each(stop_sender);
    if setup.mode == Mode::Backlog {
        count -= taken_early;
    }
    Outcome {
        rate: count as f64 / elapsed.as_secs_f64(),
        cpu_ns: cpu.as_secs_f64() * 1e9 / count as f64,
        lost: drops() as f64 / (count + drops()) as f64,
    }
}

fn line(setup: Setup) -> LineSpec {
    let rcvbuf_bytes = match setup.mode {
        Mode::Overload => OVERLOAD_RCVBUF_BYTES,
        Mode::Backlog => BACKLOG_RCVBUF_BYTES,
    };
    LineSpec { rcvbuf_bytes: Some(rcvbuf_bytes), ..LineSpec::new("A", "127.0.0.1:0".parse().unwrap()) }
}

fn receiver(setup: Setup) -> Outcome {
    let options = ReceiveOptions { cpu: Some(RECEIVE_CPU), wait: setup.waits[1], ..ReceiveOptions::default() };
    let arena = Arena::allocate(options.layout().unwrap().arena_bytes());
    let mut receiver = Receiver::start(&[line(setup)], &options, arena).unwrap();
    let to = receiver.reports()[0].address;
    let receiver = std::cell::RefCell::new(&mut receiver);
    let mut sum = 0;
    let drops = || receiver.borrow().stats()[0].socket_drops;
    // The ring has been filled from the backlog before the clock starts.
    let outcome = measure(setup, to, options.slots as u64, drops, || {
        let mut receiver = receiver.borrow_mut();
        let consumer = receiver.consumer();
        if consumer.depth() == 0 && consumer.wait(setup.waits[0], OVERLOAD) != WaitOutcome::Ready {
            return 0;
        }
        let taken = consumer.peek(256).inspect(|slot| sum += u64::from(slot.payload.bytes()[0])).count();
        consumer.release(taken);
        taken as u64
    });
    std::hint::black_box(sum);
    outcome
}

/// What a program in C would do.
fn bare_loop(setup: Setup, tell: bool) -> Outcome {
    const BATCH: u32 = 64;
    let spec = line(setup);
    let socket = LineSocket::open(&spec, BackendKind::Recvmmsg).unwrap();
    let fd = socket.as_fd().as_raw_fd();
    let to = socket.report().address;
    socket2::SockRef::from(&socket).set_nonblocking(false).unwrap();
    for option in [libc::SO_TIMESTAMPNS, libc::SO_RXQ_OVFL] {
        set_option(fd, libc::SOL_SOCKET, option, tell.into());
    }
    let mut payloads = vec![[0_u8; 2048]; BATCH as usize];
    let mut controls = vec![[0_u64; 8]; BATCH as usize];
    let mut vectors: Vec<_> = payloads
        .iter_mut()
        .map(|payload| libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = vectors
        .iter_mut()
        .zip(&mut controls)
        .map(|(vector, control)| {
            // SAFETY: zeros are a valid header.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            message.msg_hdr.msg_iov = vector;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = if tell { control.as_mut_ptr().cast() } else { std::ptr::null_mut() };
            message
        })
        .collect();
    measure(
        setup,
        to,
        0,
        || socket.drops(0).unwrap(),
        || {
            if tell {
                for message in &mut messages {
                    message.msg_hdr.msg_controllen = 64;
                }
            }
            let (start, flags) = (messages.as_mut_ptr(), libc::MSG_WAITFORONE);
            // SAFETY: all pointers are valid and stay so through the call.
            let taken = unsafe { libc::recvmmsg(fd, start, BATCH, flags, std::ptr::null_mut()) };
            u64::try_from(taken).unwrap()
        },
    )
}

fn start_sender(bytes: usize, to: SocketAddr) -> Child {
    let arguments = ["send".into(), bytes.to_string(), to.to_string()];
    Command::new(std::env::current_exe().unwrap()).args(arguments).spawn().unwrap()
}

fn stop_sender(sender: &mut Child) {
    sender.kill().unwrap();
    sender.wait().unwrap();
}

/// Sends as fast as it can, and ends by itself should nobody end it.
fn send_for(time: Duration, bytes: usize, to: &str) {
    pin(SEND_CPU);
    let (socket, burst) = (sending_socket(bytes, to.parse().unwrap()), vec![1; bytes * segments(bytes)]);
    let started = Instant::now();
    while started.elapsed() < time {
        let _ = socket.send(&burst);
    }
}

fn send_count(count: u64, bytes: usize, to: SocketAddr) {
    let (socket, mut left) = (sending_socket(bytes, to), usize::try_from(count).unwrap());
    let burst = vec![1; bytes * segments(bytes)];
    while left > 0 {
        let segments = segments(bytes).min(left);
        socket.send(&burst[..segments * bytes]).unwrap();
        left -= segments;
    }
}

/// `UDP_SEGMENT` lets the kernel cut many datagrams out of one.
fn sending_socket(bytes: usize, to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    set_option(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, bytes.try_into().unwrap());
    socket
}

fn segments(bytes: usize) -> usize {
    (65_000 / bytes).min(64)
}

fn set_option(socket: i32, level: i32, option: i32, value: i32) {
    // SAFETY: the pointer and the length are those of `value`.
    let refused = unsafe { libc::setsockopt(socket, level, option, (&raw const value).cast(), 4) };
    assert_eq!(refused, 0);
}

fn pin(cpu: usize) {
    // SAFETY: the set is made of zeros and one processor.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

fn cpu_time() -> Duration {
    // SAFETY: zeros are a valid timespec, which the call fills.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time);
        time
    };
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
