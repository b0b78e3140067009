use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

use proptest::prelude::*;

use super::super::clock::tests::ManualClock;
use super::super::{Reach, UdpTransmit};
use super::*;

/// A kernel that does what it is told, call by call, and keeps what it took.
#[derive(Debug, Default)]
struct Scripted {
    script: VecDeque<Turn>,
    took: Vec<Vec<u8>>,
    refused: Vec<SocketAddr>,
    waits: usize,
}

#[derive(Clone, Debug)]
enum Turn {
    Take(usize),
    Fail(i32),
}

impl Transmit for Scripted {
    fn transmit(&mut self, batch: &Batch, from: usize) -> io::Result<usize> {
        let left = &batch.packets()[from..];
        match self.script.pop_front().unwrap_or(Turn::Take(left.len())) {
            Turn::Fail(code) => Err(io::Error::from_raw_os_error(code)),
            Turn::Take(count) => {
                let taken = &left[..count.clamp(1, left.len())];
                self.took.extend(taken.iter().map(|packet| batch.payload(packet).to_vec()));
                Ok(taken.len())
            }
        }
    }

    fn wait_writable(&mut self) {
        self.waits += 1;
    }

    fn next_refused(&mut self) -> Option<SocketAddr> {
        self.refused.pop()
    }
}

const TO: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

fn scripted(script: impl IntoIterator<Item = Turn>) -> Sender<Scripted, ManualClock> {
    let transmit = Scripted { script: script.into_iter().collect(), ..Scripted::default() };
    Sender::new(transmit, &[TO], ManualClock::default(), DeadlineWait::Spin, Arc::default())
}

fn numbered(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|number| number.to_be_bytes().to_vec()).collect()
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let passing =
        prop::sample::select(vec![libc::EINTR, libc::EAGAIN, libc::ENOBUFS, libc::ENOMEM, libc::ECONNREFUSED]);
    prop::collection::vec(prop_oneof![(1..70_usize).prop_map(Turn::Take), passing.prop_map(Turn::Fail)], 0..60)
}

proptest! {
    #[test]
    fn whatever_the_kernel_does_each_datagram_leaves_once_and_in_order(script in turns(), gaps_ns in prop::collection::vec(prop::option::of(0..200_u64), 0..300)) {
        let mut sender = scripted(script);
        let payloads = numbered(u32::try_from(gaps_ns.len()).expect("few"));
        let mut deadline_ns = 0;
        for (payload, gap_ns) in payloads.iter().zip(&gaps_ns) {
            deadline_ns += gap_ns.unwrap_or(0);
            sender.send(gap_ns.map(|_| deadline_ns), 0, payload).expect("sent");
        }
        sender.flush().expect("sent");
        prop_assert_eq!(&sender.transmit.took, &payloads);
        let report = sender.report();
        prop_assert_eq!(report.packets, gaps_ns.len() as u64);
        prop_assert_eq!(report.bytes, 4 * gaps_ns.len() as u64);
        prop_assert_eq!(report.lateness_ns.count, gaps_ns.iter().flatten().count() as u64);
    }
}

#[test]
fn a_datagram_is_sent_at_its_deadline_and_its_lateness_recorded() {
    let mut sender = scripted([]);
    for deadline_ns in [1_000_000, 1_000_000, 3_000_000] {
        sender.send(Some(deadline_ns), 0, b"x").expect("sent");
    }
    assert_eq!(sender.transmit.took.len(), 2, "what is not yet due waits, what was due left before the wait");
    sender.flush().expect("sent");
    assert!(sender.now_ns >= 3_000_000);
    assert!(sender.report().lateness_ns.max < 100, "a clock that moves by 10 ns a look");
}

#[test]
fn a_full_socket_buffer_is_waited_for_and_a_missing_buffer_slept_for() {
    let mut sender = scripted([Turn::Fail(libc::EAGAIN), Turn::Fail(libc::ENOBUFS)]);
    sender.send(None, 0, b"x").expect("gathered");
    sender.flush().expect("sent");
    assert_eq!((sender.transmit.waits, sender.clock.sleeps.len()), (1, 1));
    assert_eq!(sender.report().retries, 2);
}

#[test]
fn an_error_that_will_not_pass_names_the_destination() {
    let mut sender = scripted([Turn::Fail(libc::EPERM)]);
    sender.send(None, 0, b"x").expect("gathered");
    let halt = sender.flush().expect_err("not permitted");
    assert_eq!(halt.to_string(), "cannot send to 127.0.0.1:9: Operation not permitted (os error 1)");
}

#[test]
fn an_error_about_an_earlier_datagram_is_counted_and_passed_over() {
    let mut sender = scripted([Turn::Fail(libc::EHOSTUNREACH)]);
    sender.transmit.refused.push(TO);
    sender.send(None, 0, b"x").expect("gathered");
    sender.flush().expect("sent");
    assert_eq!(sender.transmit.took.len(), 1);
    assert_eq!(sender.report().destinations[0].refused, 1);
}

#[test]
fn stop_drops_what_was_not_sent_and_says_so() {
    let mut sender = scripted([Turn::Take(1)]);
    sender.send(None, 0, b"x").expect("gathered");
    sender.control.stop.store(true, Ordering::Relaxed);
    assert!(matches!(sender.flush(), Err(Halt::Stopped)));
    assert!(matches!(sender.send(Some(u64::MAX), 0, b"y"), Err(Halt::Stopped)));
    sender.control.stop.store(false, Ordering::Relaxed);
    sender.flush().expect("nothing is left of it");
    assert_eq!(sender.report().packets, 0);
}

#[test]
fn a_datagram_longer_than_udp_carries_is_counted_and_skipped() {
    let mut sender = scripted([]);
    sender.send(None, 0, &vec![0; MAX_PAYLOAD_BYTES + 1]).expect("skipped");
    sender.send(None, 0, &vec![0; MAX_PAYLOAD_BYTES]).expect("gathered");
    sender.flush().expect("sent");
    let report = sender.report();
    assert_eq!((report.packets, report.too_long), (1, 1));
}

fn real(receivers: &[&UdpSocket]) -> Sender<UdpTransmit, super::super::Monotonic> {
    let to: Vec<SocketAddr> = receivers.iter().map(|receiver| receiver.local_addr().expect("bound")).collect();
    let transmit = UdpTransmit::open(&to, &Reach::default()).expect("loopback");
    Sender::new(transmit, &to, super::super::Monotonic, DeadlineWait::Sleep, Arc::default())
}

fn received(receiver: &UdpSocket) -> Vec<Vec<u8>> {
    receiver.set_nonblocking(true).expect("a socket");
    let mut buffer = [0; 100];
    std::iter::from_fn(|| receiver.recv(&mut buffer).ok().map(|bytes| buffer[..bytes].to_vec())).collect()
}

#[test]
fn real_sockets_of_both_families_get_every_datagram_once_in_order() {
    let receivers = [
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"),
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"),
        UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("a port"),
    ];
    let mut sender = real(&receivers.each_ref());
    let payloads = numbered(150);
    for payload in &payloads {
        for to in 0..receivers.len() {
            sender.send(None, to, payload).expect("sent");
        }
    }
    sender.flush().expect("sent");
    for receiver in &receivers {
        assert_eq!(received(receiver), payloads);
    }
    let report = sender.report();
    assert_eq!(report.packets, 450);
    assert!(report.destinations.iter().all(|destination| destination.packets == 150 && destination.bytes == 600));
}

#[test]
fn joined_datagrams_arrive_as_they_were_whatever_their_sizes() {
    let receivers = [
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"),
        UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("a port"),
    ];
    for joins in [&receivers[..1], &receivers[..]] {
        let joins: Vec<&UdpSocket> = joins.iter().collect();
        let mut sender = real(&joins);
        sender.join_segments(true);
        let sizes = [60, 60, 60, 20, 20, 90, 90, 0, 0, 90, 90, 90, 89, 89, 5];
        let payloads: Vec<Vec<u8>> =
            (0..120_usize).map(|at| vec![u8::try_from(at % 251).expect("small"); sizes[at / 3 % 15]]).collect();
        for payload in &payloads {
            (0..joins.len()).for_each(|to| sender.send(None, to, payload).expect("sent"));
        }
        sender.flush().expect("sent");
        assert!(joins.iter().all(|receiver| received(receiver) == payloads));
        assert_eq!(sender.report().packets, 120 * joins.len() as u64);
    }
}

#[test]
fn a_port_where_nobody_listens_stops_nothing_and_is_counted() {
    let listening = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    // Connected to itself it takes nothing from others, and nobody else can come by its port.
    let deaf = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    deaf.connect(deaf.local_addr().expect("bound")).expect("to itself");
    let payloads = numbered(200);
    for receivers in [&[&deaf][..], &[&listening, &deaf]] {
        let mut sender = real(receivers);
        for payload in &payloads {
            (0..receivers.len()).for_each(|to| sender.send(None, to, payload).expect("sent"));
        }
        sender.flush().expect("sent");
        let report = sender.report();
        assert_eq!(report.packets, 200 * receivers.len() as u64);
        assert_eq!(report.destinations.last().expect("one").refused, 200);
    }
    assert_eq!(received(&listening), payloads);
}
