//! Damage tried everywhere: each length a packet can be cut to, each place a length or count may stand in.

use feedhandler_core::report::Report;
use feedhandler_core::spec::HeaderSpec;

use crate::fuzz::chance::Chance;
use crate::fuzz::encoder::{self, Header};
use crate::fuzz::protocols::{self, Protocol};
use crate::fuzz::session::Session;

/// Packets with every message type, as few as the protocol allows; `count` changes what the headers say.
fn packets(protocol: &Protocol, count: impl Fn(u64) -> u64) -> Vec<Vec<u8>> {
    let spec = &protocol.spec;
    let choices: Vec<_> = (0..=255).cycle().take(4_096).collect();
    let mut chance = Chance::new(&choices);
    let messages: Vec<_> = (0..encoder::types(spec)).map(|index| encoder::message(spec, index, &mut chance)).collect();
    let packets = if has_count(protocol) { messages.chunks(messages.len()) } else { messages.chunks(1) };
    packets
        .map(|messages| {
            let header = Header { session: 1, sequence: 1, count: count(messages.len() as u64) };
            encoder::packet(spec, header, messages)
        })
        .collect()
}

/// Whether packets say how many messages they have: one that does not is good wherever a message ends.
fn has_count(protocol: &Protocol) -> bool {
    match &protocol.spec.framing.header {
        HeaderSpec::None {} => false,
        HeaderSpec::Binary(header) => header.count.is_some(),
        HeaderSpec::Msgpack(header) => header.count.is_some(),
    }
}

/// Length of a packet of no message, where it is good for that reason.
fn empty_bytes(protocol: &Protocol) -> usize {
    match &protocol.spec.framing.header {
        HeaderSpec::Binary(header) if !has_count(protocol) => header.bytes,
        _ => 0,
    }
}

/// What comes of one packet on a channel of which nothing else is heard.
fn alone(protocol: &Protocol, packet: &[u8]) -> Report {
    let mut session = Session::new(protocol);
    session.on(0, packet);
    session.finish();
    session.report()
}

fn rows(report: &Report) -> u64 {
    report.by_type.values().map(|kind| kind.count).sum()
}

#[test]
fn good_packets_are_good() {
    for protocol in protocols::all() {
        let reports: Vec<_> = packets(&protocol, |count| count).iter().map(|packet| alone(&protocol, packet)).collect();
        let all: u64 = reports.iter().map(rows).sum();
        assert_eq!(all, encoder::types(&protocol.spec) as u64, "{}: {reports:#?}", protocol.spec.name);
        assert_eq!(reports.iter().map(|report| report.malformed).sum::<u64>(), 0, "{reports:#?}");
    }
}

#[test]
fn every_truncation_of_a_packet_is_malformed() {
    for protocol in protocols::all() {
        for packet in packets(&protocol, |count| count) {
            for length in (1..packet.len()).filter(|length| *length != empty_bytes(&protocol)) {
                let report = alone(&protocol, &packet[..length]);
                let name = &protocol.spec.name;
                assert_eq!((report.malformed, rows(&report)), (1, 0), "{name} cut to {length} bytes: {report:#?}");
                assert!(report.malformed_samples[0].length <= length, "a sample is kept: {report:#?}");
            }
        }
    }
}

#[test]
fn a_count_beyond_the_packet_is_malformed() {
    for protocol in protocols::all() {
        for more in [1, 2, 1_000, 0xfff0] {
            for packet in packets(&protocol, |count| (count + more).min(0xfffe)).iter().filter(|_| has_count(&protocol))
            {
                let report = alone(&protocol, packet);
                assert_eq!((report.malformed, rows(&report)), (1, 0), "{}: {report:#?}", protocol.spec.name);
            }
        }
    }
}

#[test]
fn numbers_that_lie_anywhere_in_a_packet_do_no_harm() {
    let lies: [&[u8]; 8] = [&[0], &[0xff], &[0x7f], &[0x80], &[0xff; 2], &[0; 2], &[0xff; 4], &[0xff; 8]];
    for protocol in protocols::all() {
        for packet in packets(&protocol, |count| count) {
            let mut session = Session::new(&protocol);
            for (at, lie) in (0..packet.len()).flat_map(|at| lies.iter().map(move |lie| (at, lie))) {
                let mut packet = packet.clone();
                let end = (at + lie.len()).min(packet.len());
                packet[at..end].copy_from_slice(&lie[..end - at]);
                session.on(at % 2, &packet);
            }
            session.finish();
        }
    }
}

#[test]
fn random_datagrams_do_no_harm() {
    let mut random = crate::random::Random::new(1);
    for protocol in protocols::all() {
        let mut session = Session::new(&protocol);
        for length in (0..1_500).chain(0..64) {
            session.on(length % 2, &random.bytes(length));
        }
        session.finish();
    }
}
