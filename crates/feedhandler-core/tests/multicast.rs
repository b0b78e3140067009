//! Multicast in a network namespace of the test's own: joins, and that no other group leaks in.
//!
//! Nothing leaves the namespace: its interfaces lead nowhere. Without the right to make one, the tests say so and pass.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]

mod support;

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Instant;

use feedhandler_core::receive::{ReceiveOptions, Receiver};
use feedhandler_core::wire::{BackendKind, LineSocket, LineSpec};
use socket2::{Domain, InterfaceIndexOrAddress, SockRef, Socket, Type};
use support::namespace::{self, index_of, ip};
use support::{PATIENCE, address, local_line, number, send_numbers, start, take_all_sent};

/// Runs `test` in a namespace with the interfaces `left` (10.1.0.1) and `right` (10.2.0.1), and a route for groups to `left`.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    namespace::run(|| make_interfaces().map(|()| test()));
}

fn make_interfaces() -> Result<(), String> {
    for (name, net) in [("left", 1), ("right", 2)] {
        ip(&format!("link add {name} type veth peer name {name}-end"))?;
        ip(&format!("address add 10.{net}.0.1/24 dev {name}"))?;
        ip(&format!("address add fd00::{net}:1/112 dev {name} nodad"))?;
        ip(&format!("link set {name} up"))?;
        ip(&format!("link set {name}-end up"))?;
    }
    ip("route add 224.0.0.0/4 dev left")
}

fn options() -> ReceiveOptions {
    ReceiveOptions { slots: 256, ..ReceiveOptions::default() }
}

fn group_line(group: &str, interface: Option<&str>) -> LineSpec {
    LineSpec {
        address: group.parse().unwrap(),
        interface: interface.map(Into::into),
        ..local_line(&format!("{group} on {interface:?}"))
    }
}

/// A socket that sends to `group` through `interface`.
fn sender(interface: &str, group: SocketAddr) -> UdpSocket {
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, None).unwrap();
    match group {
        SocketAddr::V4(_) => {
            let from = if interface == "left" { [10, 1, 0, 1] } else { [10, 2, 0, 1] };
            socket.set_multicast_if_v4(&from.into()).unwrap();
        }
        SocketAddr::V6(_) => socket.set_multicast_if_v6(index_of(interface)).unwrap(),
    }
    // The kernel makes routes of version 6 some time after the interface is up.
    let started = Instant::now();
    while let Err(error) = socket.connect(&group.into()) {
        assert!(error.kind() == ErrorKind::NetworkUnreachable && started.elapsed() < PATIENCE, "{error}");
        thread::yield_now();
    }
    socket.into()
}

/// The lines that datagrams sent to each of `to`, by interface and address, are received on.
fn heard_by(receiver: &mut Receiver, to: &[(&str, SocketAddr)]) -> Vec<Vec<u16>> {
    for (number, (interface, group)) in (0..).zip(to) {
        send_numbers(&sender(interface, *group), number, 1);
    }
    let arrived = take_all_sent(receiver);
    let heard = |sent: u32| arrived.iter().filter(move |datagram| number(datagram) == sent);
    (0..).take(to.len()).map(|sent| heard(sent).map(|datagram| datagram.header.line).collect()).collect()
}

#[test]
fn groups_on_one_port_do_not_leak_into_each_other() {
    in_namespace(|| {
        let lines = ["239.1.1.1:5000", "239.1.1.2:5000"].map(|group| group_line(group, Some("left")));
        let mut receiver = start(&lines, &options());
        // Another program's join would let the group in, were the socket not told otherwise.
        let other = UdpSocket::bind("0.0.0.0:0").unwrap();
        other.join_multicast_v4(&[239, 1, 1, 3].into(), &[10, 1, 0, 1].into()).unwrap();
        let groups = ["239.1.1.1:5000", "239.1.1.2:5000", "239.1.1.3:5000", "10.1.0.1:5000", "239.1.1.1:5001"];
        let heard = heard_by(&mut receiver, &groups.map(|group| ("left", group.parse().unwrap())));
        assert_eq!(heard, [vec![0], vec![1], vec![], vec![], vec![]]);
        assert_eq!(address(&receiver, 0).to_string(), "239.1.1.1:5000");
    });
}

#[test]
fn one_group_on_two_interfaces_is_two_lines() {
    in_namespace(|| {
        // By name, and by address.
        let lines = ["left", "10.2.0.1"].map(|interface| group_line("239.1.1.1:5000", Some(interface)));
        let mut receiver = start(&lines, &options());
        assert_eq!(receiver.reports()[1].interface.as_deref(), Some("right"));
        let group = "239.1.1.1:5000".parse().unwrap();
        assert_eq!(heard_by(&mut receiver, &[("left", group), ("right", group)]), [[0], [1]]);
    });
}

#[test]
fn without_an_interface_routing_decides() {
    in_namespace(|| {
        let mut receiver = start(&[group_line("239.1.1.1:5000", None)], &options());
        let group = "239.1.1.1:5000".parse().unwrap();
        assert_eq!(heard_by(&mut receiver, &[("left", group), ("right", group)]), [vec![0], vec![]]);
        assert_eq!(receiver.reports()[0].interface, None);
    });
}

#[test]
fn without_a_route_the_error_says_to_name_an_interface() {
    in_namespace(|| {
        ip("route delete 224.0.0.0/4").unwrap();
        let error = LineSocket::open(&group_line("239.1.1.1:5000", None), BackendKind::Recvmmsg).unwrap_err();
        assert!(error.doing.contains("join 239.1.1.1"), "{error}");
        assert!(error.remedy.contains("name the interface"), "{error}");
    });
}

#[test]
fn others_may_listen_to_the_same_group() {
    in_namespace(|| {
        let line = group_line("239.1.1.1:5000", Some("left"));
        let mut receivers = [(); 2].map(|()| start(std::slice::from_ref(&line), &options()));
        send_numbers(&sender("left", line.address), 7, 1);
        for receiver in &mut receivers {
            assert!(take_all_sent(receiver).iter().map(number).eq([7]));
        }
    });
}

#[test]
fn a_stopped_line_has_left_its_group() {
    in_namespace(|| {
        let mut receiver = start(&[group_line("239.1.1.1:5000", Some("left"))], &options());
        assert!(memberships().contains("010101EF"), "{}", memberships());
        receiver.stop();
        // A program that another test has just started may hold a copy of the socket for a moment.
        let stopped = Instant::now();
        while memberships().contains("010101EF") {
            assert!(stopped.elapsed() < PATIENCE, "{}", memberships());
            thread::yield_now();
        }
    });
}

/// The groups that this thread's namespace has joined, in the kernel's notation.
fn memberships() -> String {
    std::fs::read_to_string("/proc/thread-self/net/igmp").unwrap()
}

#[test]
fn groups_of_version_6_are_joined_on_their_interface() {
    if !std::fs::exists("/proc/net/if_inet6").unwrap() {
        eprintln!("skipped: no IPv6 here");
        return;
    }
    in_namespace(|| {
        // One that every link has for itself, and one of the whole site.
        for group in ["[ff02::1234]:5000", "[ff15::1234]:5000"] {
            let lines = ["left", "right"].map(|interface| group_line(group, Some(interface)));
            let mut receiver = start(&lines, &options());
            let group = group.parse().unwrap();
            assert_eq!(heard_by(&mut receiver, &[("left", group), ("right", group)]), [[0], [1]], "{group}");
        }
    });
}

#[test]
fn a_multicast_socket_hears_only_what_it_has_joined() {
    in_namespace(|| {
        let socket = LineSocket::open(&group_line("239.1.1.1:5000", Some("left")), BackendKind::Recvmmsg).unwrap();
        assert!(!SockRef::from(&socket).multicast_all_v4().unwrap());
        let again = SockRef::from(&socket)
            .join_multicast_v4_n(&[239, 1, 1, 1].into(), &InterfaceIndexOrAddress::Index(index_of("left")));
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse, "it has joined already");
    });
}
