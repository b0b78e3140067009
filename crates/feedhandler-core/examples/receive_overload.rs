//! How many datagrams a second the receive thread and a consumer that drains the ring take, as a ratio to a bare
//! `recvmmsg` loop that only counts, both overloaded by a sender on the other core.
//!
//! `cargo run --release -p feedhandler-core --example receive_overload -- [bytes] [rounds] [policy]`

#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made has nothing else to do")]

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use feedhandler_core::receive::{ReceiveOptions, Receiver};
use feedhandler_core::ring::Arena;
use feedhandler_core::wait::Wait;
use feedhandler_core::wire::LineSpec;

const ROUND: Duration = Duration::from_millis(1500);
const RCVBUF_BYTES: usize = 4 << 20;
const RECEIVE_CPU: usize = 0;
const SEND_CPU: usize = 1;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize, default: &str| arguments.get(index).cloned().unwrap_or(default.into());
    if argument(0, "") == "send" {
        return send(arguments[1].parse().unwrap(), arguments[2].parse().unwrap());
    }
    let bytes: usize = argument(0, "30").parse().unwrap();
    let rounds: usize = argument(1, "5").parse().unwrap();
    let policy = argument(2, "block");
    let wait: Wait = serde_json::from_str(&policy).or_else(|_| serde_json::from_str(&format!("\"{policy}\""))).unwrap();
    pin(RECEIVE_CPU);
    let mut results = [(); 3].map(|()| Vec::new());
    for _ in 0..rounds {
        results[0].push(bare_loop(bytes, false));
        results[1].push(bare_loop(bytes, true));
        results[2].push(receiver(bytes, wait));
    }
    let [bare, stamped, ours] = results.map(summary);
    println!("{bytes} bytes, {rounds} rounds of {ROUND:?}, consumer waits by {policy}");
    for (name, result) in [("bare loop", &bare), ("bare loop, stamps and drops told", &stamped), ("receiver", &ours)] {
        println!(
            "{name:35} {:>9.0} datagrams/s ({:.3} of bare, {:.3} of stamped), CPU at least {:.0} ns/datagram, lost {:.1} %",
            result.rate,
            result.rate / bare.rate,
            result.rate / stamped.rate,
            result.cpu_ns,
            result.lost * 100.0
        );
    }
}

#[derive(Clone, Copy)]
struct Outcome {
    rate: f64,
    cpu_ns: f64,
    lost: f64,
}

/// The median, but the least CPU time: what others do on this machine only adds to it.
fn summary(mut rounds: Vec<Outcome>) -> Outcome {
    rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let cpu_ns = rounds.iter().map(|round| round.cpu_ns).fold(f64::INFINITY, f64::min);
    Outcome { cpu_ns, ..rounds[rounds.len() / 2] }
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn outcome(count: u64, drops: u64, elapsed: Duration, cpu: Duration) -> Outcome {
    Outcome {
        rate: count as f64 / elapsed.as_secs_f64(),
        cpu_ns: cpu.as_secs_f64() * 1e9 / count as f64,
        lost: drops as f64 / (count + drops) as f64,
    }
}

fn line() -> LineSpec {
    LineSpec {
        channel: 0,
        line: 0,
        name: "A".into(),
        address: "127.0.0.1:0".parse().unwrap(),
        interface: None,
        rcvbuf_bytes: Some(RCVBUF_BYTES),
    }
}

fn receiver(bytes: usize, wait: Wait) -> Outcome {
    let options = ReceiveOptions { cpu: Some(RECEIVE_CPU), wait: Wait::Block, ..ReceiveOptions::default() };
    let arena = Arena::allocate(options.layout().unwrap().arena_bytes());
    let mut receiver = Receiver::start(&[line()], &options, arena).unwrap();
    let mut sender = start_sender(bytes, receiver.reports()[0].address);
    let consumer = receiver.consumer();
    consumer.wait(Wait::Block, ROUND);
    let (started, cpu) = (Instant::now(), cpu_time());
    let (mut count, mut sum) = (0, 0_u64);
    while started.elapsed() < ROUND {
        let taken = consumer.peek(256).inspect(|slot| sum += u64::from(slot.payload.bytes()[0])).count();
        consumer.release(taken);
        count += taken as u64;
        if taken == 0 {
            consumer.wait(wait, ROUND);
        }
    }
    let (elapsed, cpu) = (started.elapsed(), cpu_time().checked_sub(cpu).unwrap());
    std::hint::black_box(sum);
    stop_sender(&mut sender);
    outcome(count, receiver.stats()[0].socket_drops, elapsed, cpu)
}

/// What a program in C would do.
fn bare_loop(bytes: usize, tell: bool) -> Outcome {
    const BATCH: u32 = 64;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_recv_buffer_size(RCVBUF_BYTES).unwrap();
    if tell {
        set_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
        set_option(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1);
    }
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let mut sender = start_sender(bytes, socket.local_addr().unwrap().as_socket().unwrap());
    let mut payloads = vec![[0_u8; 2048]; BATCH as usize];
    let mut controls = vec![[0_u64; 8]; BATCH as usize];
    let mut vectors: Vec<libc::iovec> = payloads
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
            if tell {
                message.msg_hdr.msg_control = control.as_mut_ptr().cast();
            }
            message
        })
        .collect();
    let mut receive = || {
        if tell {
            for message in &mut messages {
                message.msg_hdr.msg_controllen = 64;
            }
        }
        // SAFETY: all pointers are valid and stay so through the call.
        let taken = unsafe {
            libc::recvmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), BATCH, libc::MSG_WAITFORONE, std::ptr::null_mut())
        };
        u64::try_from(taken).unwrap()
    };
    receive();
    let (started, cpu) = (Instant::now(), cpu_time());
    let mut count = 0;
    while started.elapsed() < ROUND {
        count += receive();
    }
    let (elapsed, cpu) = (started.elapsed(), cpu_time().checked_sub(cpu).unwrap());
    stop_sender(&mut sender);
    outcome(count, drops(socket.as_raw_fd()), elapsed, cpu)
}

fn drops(socket: i32) -> u64 {
    let mut info = [0_u32; 9];
    let mut len = 36;
    // SAFETY: the kernel writes at most `len` bytes.
    unsafe {
        libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_MEMINFO, info.as_mut_ptr().cast(), &raw mut len);
    }
    info[8].into()
}

fn start_sender(bytes: usize, to: SocketAddr) -> Child {
    let arguments = ["send".into(), bytes.to_string(), to.to_string()];
    Command::new(std::env::current_exe().unwrap()).args(arguments).spawn().unwrap()
}

fn stop_sender(sender: &mut Child) {
    sender.kill().unwrap();
    sender.wait().unwrap();
}

/// Sends as fast as it can, for a few seconds at most: `UDP_SEGMENT` lets the kernel cut many datagrams out of one.
fn send(bytes: usize, to: SocketAddr) {
    pin(SEND_CPU);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(to).unwrap();
    set_option(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, bytes.try_into().unwrap());
    let burst = vec![1_u8; bytes * (65_000 / bytes).min(64)];
    let started = Instant::now();
    while started.elapsed() < ROUND * 4 {
        let _ = socket.send(&burst);
    }
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
