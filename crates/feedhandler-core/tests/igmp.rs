//! Groups joined for any source and for some, with real reports (`IGMPv3`, `MLDv2`) over a pair of interfaces between two
//! namespaces.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]

mod support;

use std::io::Read;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::FromRawFd;
use std::time::{Duration, Instant};

use feedhandler_core::receive::{ReceiveOptions, Receiver};
use feedhandler_core::ring::SlotFlags;
use feedhandler_core::wire::{Join, LineSpec, Membership};
use socket2::{Domain, Protocol, Socket, Type};
use support::namespace::{self, Far, index_of, ip};
use support::{PATIENCE, Received, local_line, start, take_all, take_all_sent};

const NEAR: [&str; 2] = ["10.1.0.1/24", "fd00::1/64"];
const FAR: [&str; 4] = ["10.1.0.2/24", "10.1.0.3/24", "fd00::2/64", "fd00::3/64"];

fn between_namespaces(test: impl FnOnce(&Far) + Send + 'static) {
    namespace::run(|| Far::connected(&NEAR, &FAR).map(|far| test(&far)));
}

fn line(group: &str, sources: &[&str], join: Join) -> LineSpec {
    LineSpec {
        address: group.parse().unwrap(),
        interface: Some("near".into()),
        sources: sources.iter().map(|source| source.parse().unwrap()).collect(),
        join,
        ..local_line(group)
    }
}

fn options() -> ReceiveOptions {
    ReceiveOptions { slots: 256, ..ReceiveOptions::default() }
}

/// Sends one datagram that holds its number, from that address at the far end.
fn send(far: &Far, from: &str, group: &str, number: u8) {
    let (from, group): (IpAddr, SocketAddr) = (from.parse().unwrap(), group.parse().unwrap());
    far.run(move || {
        let socket = Socket::new(Domain::for_address(group), Type::DGRAM, Some(Protocol::UDP)).unwrap();
        match group {
            SocketAddr::V4(_) => socket.set_multicast_if_v4(&"10.1.0.2".parse().unwrap()).unwrap(),
            SocketAddr::V6(_) => socket.set_multicast_if_v6(index_of("far")).unwrap(),
        }
        let bound = Instant::now();
        while let Err(error) = socket.bind(&SocketAddr::new(from, 0).into()) {
            assert!(bound.elapsed() < PATIENCE, "{error}"); // an address of version 6 takes its time to be there
        }
        // With the link down there is no way to send, and with it just up none yet.
        let _ = UdpSocket::from(socket).send_to(&[number], group);
    });
}

/// Number, line, and whether it is of a source that the line names.
fn heard(arrived: &[Received]) -> Vec<(u8, u16, bool)> {
    let is_other = |datagram: &Received| datagram.header.flags.contains(SlotFlags::OTHER_SOURCE);
    let mut heard: Vec<_> =
        arrived.iter().map(|datagram| (datagram.payload[0], datagram.header.line, !is_other(datagram))).collect();
    heard.sort_unstable();
    heard
}

/// Everything that comes until `number` does, which is sent again and again.
fn until_heard(far: &Far, receiver: &mut Receiver, from: &str, group: &str, number: u8) -> Vec<Received> {
    let (started, mut arrived) = (Instant::now(), Vec::new());
    while !arrived.iter().any(|datagram: &Received| datagram.payload == [number]) {
        assert!(
            started.elapsed() < PATIENCE,
            "{group} from {from}: {arrived:?}\n{}{}",
            proc_net("igmp"),
            proc_net("mcfilter")
        );
        send(far, from, group, number);
        arrived.extend(take_all_sent(receiver));
    }
    arrived
}

/// A socket that sees every packet of an Ethernet type that arrives at the far end.
fn tap(far: &Far, ethernet_type: u16) -> std::fs::File {
    far.run(move || {
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(i32::from(ethernet_type.to_be()))));
        let socket = socket.unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // SAFETY: the descriptor is the socket's, which gives it away.
        unsafe { std::fs::File::from_raw_fd(std::os::fd::IntoRawFd::into_raw_fd(socket)) }
    })
}

/// A record of an `IGMPv3` report (RFC 3376, section 4.2.12): its type, group and sources.
type Record = (u8, [u8; 4], Vec<[u8; 4]>);

const CHANGE_TO_EXCLUDE: u8 = 4;
const ALLOW_NEW_SOURCES: u8 = 5;

fn records(packet: &[u8]) -> Vec<Record> {
    const IGMP: u8 = 2;
    const REPORT_V3: u8 = 0x22;
    let header_bytes = usize::from(packet[0] & 0x0f) * 4;
    let report = &packet[header_bytes..];
    if packet[9] != IGMP || report[0] != REPORT_V3 {
        return Vec::new();
    }
    let (mut left, mut records) = (&report[8..], Vec::new());
    for _ in 0..report[7] {
        let addresses: Vec<[u8; 4]> = left[4..].chunks_exact(4).map(|bytes| bytes.try_into().unwrap()).collect();
        let sources = usize::from(left[3]);
        records.push((left[0], addresses[0], addresses[1..=sources].to_vec()));
        left = &left[8 + 4 * sources..];
    }
    records
}

/// Waits until a report has told this.
fn wait_for_record(tap: &mut std::fs::File, wanted: &Record) {
    let (started, mut packet, mut seen) = (Instant::now(), [0; 2048], Vec::new());
    while !seen.contains(wanted) {
        assert!(started.elapsed() < PATIENCE, "{seen:?}");
        let len = tap.read(&mut packet).unwrap_or_else(|error| panic!("{error}: {seen:?}"));
        seen.extend(records(&packet[..len]));
    }
}

fn proc_net(table: &str) -> String {
    std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap()
}

#[test]
fn groups_on_one_port_are_joined_for_any_source_and_for_one() {
    between_namespaces(|far| {
        let mut tap = tap(far, 0x0800);
        let lines = [
            line("232.1.1.1:5000", &["10.1.0.2"], Join::Source),
            line("239.1.1.1:5000", &[], Join::Source),
            line("239.1.1.2:5000", &["10.1.0.2"], Join::Any),
        ];
        let mut receiver = start(&lines, &options());
        let memberships: Vec<_> = receiver.reports().iter().map(|report| report.membership.unwrap()).collect();
        assert_eq!(memberships, [Membership::SourceSpecific, Membership::AnySource, Membership::AnySource]);
        wait_for_record(&mut tap, &(ALLOW_NEW_SOURCES, [232, 1, 1, 1], vec![[10, 1, 0, 2]]));
        wait_for_record(&mut tap, &(CHANGE_TO_EXCLUDE, [239, 1, 1, 1], vec![]));
        let joined = proc_net("igmp");
        assert!(["010101E8", "010101EF", "020101EF"].iter().all(|group| joined.contains(group)), "{joined}");
        let groups = ["232.1.1.1:5000", "239.1.1.1:5000", "239.1.1.2:5000", "232.1.1.2:5000", "232.1.1.1:5001"];
        for (number, group) in (0..).step_by(2).zip(groups) {
            send(far, "10.1.0.2", group, number);
            send(far, "10.1.0.3", group, number + 1);
        }
        let arrived = take_all_sent(&mut receiver);
        assert_eq!(heard(&arrived), [(0, 0, true), (2, 1, true), (3, 1, true), (4, 2, true), (5, 2, false)]);
    });
}

#[test]
fn a_line_of_several_sources_hears_each_and_two_lines_of_one_group_hear_their_own() {
    between_namespaces(|far| {
        let lines = [
            line("232.1.1.1:5000", &["10.1.0.2", "10.1.0.3"], Join::Source),
            line("232.1.1.2:5000", &["10.1.0.2"], Join::Source),
            line("232.1.1.2:5000", &["10.1.0.3"], Join::Source),
        ];
        let mut receiver = start(&lines, &options());
        for (number, group) in [(0, "232.1.1.1:5000"), (2, "232.1.1.2:5000")] {
            send(far, "10.1.0.2", group, number);
            send(far, "10.1.0.3", group, number + 1);
        }
        let arrived = take_all_sent(&mut receiver);
        assert_eq!(heard(&arrived), [(0, 0, true), (1, 0, true), (2, 1, true), (3, 2, true)]);
    });
}

#[test]
fn groups_of_version_6_are_joined_for_one_source() {
    if !std::fs::exists("/proc/net/if_inet6").unwrap() {
        eprintln!("skipped: no IPv6 here");
        return;
    }
    between_namespaces(|far| {
        let group = "[ff35::8000:1]:5000";
        let mut receiver = start(&[line(group, &["fd00::2"], Join::Source)], &options());
        assert!(proc_net("igmp6").contains("ff350000000000000000000080000001"), "{}", proc_net("igmp6"));
        until_heard(far, &mut receiver, "fd00::2", group, 1);
        send(far, "fd00::3", group, 2);
        let arrived = until_heard(far, &mut receiver, "fd00::2", group, 3);
        assert!(arrived.iter().all(|datagram| datagram.payload != [2]), "{arrived:?}");
    });
}

#[test]
fn an_interface_that_goes_down_and_comes_up_is_heard_again() {
    between_namespaces(|far| {
        let groups = ["232.1.1.1:5000", "239.1.1.1:5000"];
        let lines = [line(groups[0], &["10.1.0.2"], Join::Source), line(groups[1], &[], Join::Source)];
        let mut receiver = start(&lines, &options());
        for (number, group) in (0..).zip(groups) {
            until_heard(far, &mut receiver, "10.1.0.2", group, number);
        }
        ip("link set near down").unwrap();
        send(far, "10.1.0.2", groups[0], 9);
        assert!(take_all_sent(&mut receiver).iter().all(|datagram| datagram.payload != [9]));
        ip("link set near up").unwrap();
        namespace::wait_until_up("near").unwrap();
        for (number, group) in (2..).zip(groups) {
            until_heard(far, &mut receiver, "10.1.0.2", group, number);
        }
        // Filtered as before.
        send(far, "10.1.0.3", groups[0], 4);
        let arrived = until_heard(far, &mut receiver, "10.1.0.2", groups[0], 5);
        assert!(arrived.iter().all(|datagram| datagram.payload != [4]), "{arrived:?}");
        assert_eq!(receiver.stats()[0].errors, 0);
    });
}

#[test]
fn the_kernel_filters_for_as_long_as_the_line_is_open() {
    between_namespaces(|_| {
        let mut receiver = start(&[line("232.1.1.1:5000", &["10.1.0.2"], Join::Source)], &options());
        let filter = proc_net("mcfilter");
        assert!(filter.contains("0xe8010101 0x0a010002      1      0"), "{filter}");
        assert!(take_all(&mut receiver).is_empty());
        receiver.stop();
        let stopped = Instant::now();
        while proc_net("mcfilter").contains("0xe8010101") {
            assert!(stopped.elapsed() < PATIENCE, "{}", proc_net("mcfilter"));
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}
