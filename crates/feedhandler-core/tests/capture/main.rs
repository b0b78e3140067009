//! Capture files as their reader sees them: everything goes in as the bytes of a file, and comes out as datagrams and
//! counts.

mod broken_off;
mod damage;
mod files;
mod packets;
mod pcap;
mod pcapng;
mod pipes;
mod real;
mod writer;
mod written;

use feedhandler_core::capture::{Capture, CaptureStats};
use packets::Packet;

/// A datagram, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    ts_ns: u64,
    packet: Packet,
    has_slack: bool,
}

/// Reads to the end, and checks that every record has exactly one fate and that the end stays the end.
fn drain(mut capture: Capture) -> (Vec<Seen>, CaptureStats) {
    let mut seen = Vec::new();
    while let Some(datagram) = capture.next_datagram().expect("damage is no error") {
        seen.push(Seen {
            ts_ns: datagram.ts_ns,
            packet: Packet {
                source: *datagram.source,
                destination: *datagram.destination,
                payload: datagram.payload.bytes().to_vec(),
            },
            has_slack: datagram.payload.has_slack(),
        });
    }
    let stats = capture.stats().clone();
    assert_eq!(stats.records, fates(&stats), "a record has no fate, or two: {stats:?}");
    assert_eq!(stats.datagrams, seen.len() as u64);
    assert_eq!(stats.bytes, seen.iter().map(|seen| seen.packet.payload.len() as u64).sum::<u64>());
    assert!(capture.next_datagram().expect("the end").is_none());
    assert_eq!(capture.stats().truncated, stats.truncated);
    (seen, stats)
}

fn fates(stats: &CaptureStats) -> u64 {
    let malformed = stats.malformed_record + stats.malformed_link + stats.malformed_ip + stats.malformed_udp;
    stats.datagrams + stats.fragments + stats.not_udp + stats.snapped + stats.unsupported_link + malformed
}

fn read(file: &[u8]) -> (Vec<Seen>, CaptureStats) {
    drain(Capture::from_bytes(file.to_vec()).expect("a capture"))
}

fn packets(seen: &[Seen]) -> Vec<Packet> {
    seen.iter().map(|seen| seen.packet.clone()).collect()
}

fn times(seen: &[Seen]) -> Vec<u64> {
    seen.iter().map(|seen| seen.ts_ns).collect()
}
