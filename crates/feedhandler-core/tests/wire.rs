//! Opening lines: what the system grants, and what is said where it does not.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]

mod support;

use std::net::UdpSocket;
use std::thread;

use feedhandler_core::receive::{FullPolicy, Mode, ReceiveOptions, Receiver};
use feedhandler_core::ring::{Arena, Pages};
use feedhandler_core::wire::{BackendKind, LineSocket, LineSpec, Stamps, WireError};
use support::{local_line, start};

fn refused(spec: &LineSpec) -> WireError {
    LineSocket::open(spec, BackendKind::Recvmmsg).unwrap_err()
}

#[test]
fn a_line_tells_its_address_and_what_was_granted() {
    let asked = LineSpec { rcvbuf_bytes: Some(100_000), ..local_line("A") };
    let socket = LineSocket::open(&asked, BackendKind::Recvmmsg).unwrap();
    let report = socket.report();
    assert!(report.address.ip().is_loopback() && report.address.port() != 0);
    assert_eq!((report.rcvbuf_asked_bytes, report.rcvbuf_bytes), (Some(100_000), 200_000));
    assert!(report.stamps == Stamps::Kernel && report.drops_told && report.warnings.is_empty());
    assert_eq!(socket.drops(0).unwrap(), 0);
}

#[test]
fn a_buffer_above_the_limit_is_granted_to_administrators_and_a_warning_to_others() {
    let limit: usize = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap().trim().parse().unwrap();
    let asked = LineSpec { rcvbuf_bytes: Some(limit + 4096), ..local_line("A") };
    let report = thread::spawn(move || {
        drop_capabilities();
        LineSocket::open(&asked, BackendKind::Recvmmsg).unwrap().report().clone()
    });
    let report = report.join().unwrap();
    assert_eq!(report.rcvbuf_bytes, 2 * limit);
    let [warning] = report.warnings.as_slice() else { panic!("{:?}", report.warnings) };
    assert_eq!((warning.subject.as_str(), warning.setting), ("A", "SO_RCVBUF"));
    assert_eq!(warning.granted, format!("{limit} bytes"));
    assert_eq!(warning.command, Some(format!("sysctl -w net.core.rmem_max={}", limit + 4096)));
}

/// This thread becomes an ordinary user's, as far as capabilities go.
fn drop_capabilities() {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    let header = Header { version: 0x2008_0522, pid: 0 };
    let none = [0_u32; 6];
    // SAFETY: version 3 of the interface takes this header and two triples of 32 bits.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const none) };
    assert_eq!(done, 0);
}

#[test]
fn a_port_in_use_is_an_error_that_says_how_to_find_who_uses_it() {
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let error = refused(&LineSpec { address, ..local_line("itch A") });
    assert_eq!((&error.subject, &error.doing), (&"itch A".to_string(), &format!("bind to {address}")));
    assert!(error.found.contains("in use"), "{error}");
    assert!(error.remedy.contains(&format!("sport = :{}", address.port())), "{error}");
}

#[test]
fn an_address_of_another_machine_is_an_error() {
    let error = refused(&LineSpec { address: "192.0.2.1:5000".parse().unwrap(), ..local_line("A") });
    assert!(error.to_string().contains("bind to 192.0.2.1:5000"), "{error}");
    assert!(error.remedy.contains("ip address"), "{error}");
}

#[test]
fn an_interface_that_is_not_there_is_answered_with_those_that_are() {
    for named in ["nowhere0", "192.0.2.1"] {
        let group = "239.192.0.1:0".parse().unwrap();
        let error = refused(&LineSpec { address: group, interface: Some(named.into()), ..local_line("A") });
        assert!(error.found.contains(named) && error.expected.contains("127.0.0.1"), "{error}");
    }
}

#[test]
fn an_interface_beside_a_local_address_is_an_error() {
    let error = refused(&LineSpec { interface: Some("127.0.0.1".into()), ..local_line("A") });
    assert!(error.expected.contains("multicast"), "{error}");
}

#[test]
fn impossible_options_are_refused_with_what_would_do() {
    let good = ReceiveOptions::default();
    let cases = [
        (ReceiveOptions { batch: 0, ..good }, "1 to 1024"),
        (ReceiveOptions { batch: 1025, ..good }, "1 to 1024"),
        (ReceiveOptions { slots: 1000, ..good }, "1024"),
        (ReceiveOptions { slot_bytes: 0, ..good }, "1 to 65535"),
    ];
    for (options, expected) in cases {
        let error = Receiver::start(&[local_line("A")], &options, Arena::allocate(0)).unwrap_err();
        assert!(error.expected.contains(expected), "{error}");
    }
    assert!(Receiver::start(&[], &good, Arena::allocate(0)).unwrap_err().expected.contains("lines"));
    let no_memory = Receiver::start(&[local_line("A")], &good, Arena::allocate(1000)).unwrap_err();
    assert!(no_memory.found.contains("arena_bytes: expected at least"), "{no_memory}");
}

#[test]
fn an_error_of_any_line_leaves_none_open() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let first = LineSpec { address: free_port(), ..local_line("A") };
    let second = LineSpec { address: taken.local_addr().unwrap(), ..local_line("B") };
    let options = ReceiveOptions { slots: 8, ..ReceiveOptions::default() };
    let arena = Arena::allocate(options.layout().unwrap().arena_bytes());
    assert_eq!(Receiver::start(&[first.clone(), second], &options, arena).unwrap_err().subject, "B");
    drop(start(&[first], &options));
}

fn free_port() -> std::net::SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn settings_are_read_strictly() {
    let line = r#"{"channel": 1, "line": 0, "name": "A", "address": "239.1.1.1:5000", "interface": "lo"}"#;
    assert_eq!(serde_json::from_str::<LineSpec>(line).unwrap().interface.as_deref(), Some("lo"));
    assert!(serde_json::from_str::<LineSpec>(&line.replace("interface", "device")).is_err());
    let options = r#"{"wait": {"sleep": {"us": 50}}, "batch": 64, "slot_bytes": 2048, "slots": 1024,
                      "full": "drop_newest", "cpu": null}"#;
    assert!(serde_json::from_str::<ReceiveOptions>(options).is_ok());
    assert!(serde_json::from_str::<ReceiveOptions>(&options.replace("drop_newest", "drop_oldest")).is_err());
    for wait in ["spin", "yield", "block"] {
        let named = options.replace(r#"{"sleep": {"us": 50}}"#, &format!("\"{wait}\""));
        assert!(serde_json::from_str::<ReceiveOptions>(&named).is_ok(), "{wait}");
    }
}

#[test]
fn impossible_combinations_are_refused_with_what_would_do() {
    let good = ReceiveOptions::default();
    let cases = [
        (ReceiveOptions { backend: BackendKind::Gro, ..good }, "slot_bytes", "65535 with the backend gro"),
        (ReceiveOptions { mode: Mode::Inline, full: FullPolicy::DropNewest, ..good }, "full", "leave_in_socket"),
    ];
    for (options, setting, expected) in cases {
        let error = Receiver::start(&[local_line("A")], &options, Arena::allocate(0)).unwrap_err();
        assert!(error.doing.contains(setting) && error.expected.contains(expected), "{error}");
    }
}

#[test]
fn a_source_that_cannot_send_to_the_line_is_an_error() {
    for source in ["::1", "239.1.1.1", "0.0.0.0"] {
        let error = refused(&LineSpec { sources: vec![source.parse().unwrap()], ..local_line("A") });
        assert!(error.found == source && error.expected.contains("a sender's address"), "{error}");
    }
}

#[test]
fn a_card_that_does_not_stamp_is_a_warning_and_the_kernel_stamps() {
    let local = LineSpec { hardware_stamps: true, ..local_line("A") };
    let any = LineSpec { address: "0.0.0.0:0".parse().unwrap(), ..local.clone() };
    for (line, why) in [(local, "lo has no clock"), (any, "name the interface")] {
        let socket = LineSocket::open(&line, BackendKind::Recvmmsg).unwrap();
        let report = socket.report();
        let [warning] = report.warnings.as_slice() else { panic!("{:?}", report.warnings) };
        assert_eq!((report.stamps, warning.setting), (Stamps::Kernel, "SO_TIMESTAMPING"));
        assert!(warning.why.contains(why), "{warning}");
    }
}

#[test]
fn busy_polling_is_granted_to_administrators_and_a_warning_to_others() {
    let line = LineSpec { busy_poll_us: Some(50), ..local_line("A") };
    let report = thread::spawn(move || {
        drop_capabilities();
        LineSocket::open(&line, BackendKind::Recvmmsg).unwrap().report().clone()
    });
    let report = report.join().unwrap();
    if report.busy_poll_us == 0 {
        assert_eq!(report.warnings[0].setting, "SO_BUSY_POLL");
        assert_eq!(report.warnings[0].command.as_deref(), Some("sysctl -w net.core.busy_read=50"));
    } else {
        assert_eq!(report.warnings[0].setting, "SO_PREFER_BUSY_POLL");
    }
}

#[test]
fn what_is_granted_is_told() {
    let line = LineSpec { busy_poll_us: Some(50), ..local_line("A") };
    let report = LineSocket::open(&line, BackendKind::Gro).unwrap().report().clone();
    assert!(report.coalesced, "{:?}", report.warnings);
    let refused: Vec<_> = report.warnings.iter().map(|warning| warning.setting).collect();
    assert_eq!(report.busy_poll_us, if refused.contains(&"SO_BUSY_POLL") { 0 } else { 50 });
    assert!(refused.iter().all(|setting| setting.contains("BUSY_POLL")), "{refused:?}");
}

#[test]
fn huge_pages_that_are_not_ready_are_a_warning_and_what_the_ring_lies_in_is_told() {
    let options = ReceiveOptions { slots: 64, huge_pages: true, ..ReceiveOptions::default() };
    let receiver = start(&[local_line("A")], &options); // in memory that did not ask for them
    assert_ne!(receiver.pages(), Pages::Reserved);
    let warnings: Vec<_> = receiver.warnings().collect();
    assert_eq!((warnings.len(), warnings[0].setting), (1, "MAP_HUGETLB"));
    assert_eq!(warnings[0].command.as_deref(), Some("sysctl -w vm.nr_hugepages=1"));
}

#[test]
fn without_a_receive_thread_there_is_none_to_pin() {
    let options = ReceiveOptions { mode: Mode::Inline, cpu: Some(0), slots: 8, ..ReceiveOptions::default() };
    let receiver = start(&[local_line("A")], &options);
    let warning = receiver.warnings().next().unwrap();
    assert_eq!((warning.setting, warning.command.as_deref()), ("sched_setaffinity", Some("taskset -c 0 COMMAND")));
}
