//! The classic format, every link type, and the packets in them.

use proptest::prelude::*;

use crate::packets::{ETHERNET, Packet, UDP, ethernet, linux_sll, linux_sll2, vlan};
use crate::writer::{BIG, Fields, LITTLE, Pcap, len32};
use crate::{Seen, packets, read};

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

proptest! {
    #[test]
    fn what_is_written_comes_back(
        is_big: bool,
        is_nanoseconds: bool,
        records in prop::collection::vec(
            (any::<u32>(), 0..1_000_000_u32, prop::collection::vec(any::<u8>(), 0..300)),
            0..20,
        ),
    ) {
        let order = if is_big { BIG } else { LITTLE };
        let (magic, ns_per_fraction) = if is_nanoseconds { (NANOSECONDS, 1) } else { (MICROSECONDS, 1_000) };
        let start = Pcap::new(order, magic, ETHERNET);
        let pcap = records.iter().fold(start, |pcap, (seconds, fraction, payload)| {
            pcap.record(*seconds, *fraction, &Packet::v4(payload).ethernet())
        });
        let (seen, stats) = read(&pcap.file);
        prop_assert_eq!(stats.truncated, None);
        prop_assert_eq!(seen.len(), records.len());
        for (seen, (seconds, fraction, payload)) in seen.iter().zip(&records) {
            prop_assert_eq!(seen.ts_ns, u64::from(*seconds) * 1_000_000_000 + u64::from(*fraction) * ns_per_fraction);
            prop_assert_eq!(&seen.packet, &Packet::v4(payload));
        }
    }
}

/// Reads one frame and gives what became of it.
fn read_frame(link_type: u32, frame: &[u8]) -> (Vec<Packet>, String) {
    let (seen, stats) = read(&Pcap::microseconds(link_type).record(1, 2, frame).file);
    let fates = [
        ("datagram", stats.datagrams),
        ("fragment", stats.fragments),
        ("not_udp", stats.not_udp),
        ("snapped", stats.snapped),
        ("unsupported_link", stats.unsupported_link),
        ("malformed_link", stats.malformed_link),
        ("malformed_ip", stats.malformed_ip),
        ("malformed_udp", stats.malformed_udp),
    ];
    let fate = fates.into_iter().find(|(_, count)| *count == 1).expect("a fate").0;
    (packets(&seen), fate.to_owned())
}

fn assert_comes_back(packet: &Packet, link_type: u32, frame: &[u8]) {
    assert_eq!(read_frame(link_type, frame).0, std::slice::from_ref(packet), "link type {link_type}: {frame:02x?}");
}

fn fate(link_type: u32, frame: &[u8]) -> String {
    read_frame(link_type, frame).1
}

#[test]
fn every_link_type_gives_the_datagram_in_it() {
    for packet in [Packet::v4(b"four"), Packet::v6(b"six")] {
        let (kind, ip) = (packet.ethertype(), packet.ip());
        assert_comes_back(&packet, ETHERNET, &packet.ethernet());
        assert_comes_back(&packet, ETHERNET, &ethernet(0x8100, &vlan(kind, &ip)));
        assert_comes_back(&packet, ETHERNET, &ethernet(0x88a8, &vlan(0x8100, &vlan(kind, &ip))));
        assert_comes_back(&packet, ETHERNET, &ethernet(0x9100, &vlan(0x8100, &vlan(kind, &ip))));
        assert_comes_back(&packet, 113, &linux_sll(kind, &ip));
        assert_comes_back(&packet, 113, &linux_sll(0x8100, &vlan(kind, &ip)));
        assert_comes_back(&packet, 276, &linux_sll2(kind, &ip));
        assert_comes_back(&packet, 276, &linux_sll2(0x8100, &vlan(kind, &ip)));
        for raw in [12, 14, 101, 228, 229] {
            assert_comes_back(&packet, raw, &ip);
        }
        let families = if packet.source.is_ipv4() { vec![2] } else { vec![10, 23, 24, 28, 30] };
        for family in families {
            assert_comes_back(&packet, 0, &Fields::new(LITTLE).u32(family).raw(&ip).bytes);
            assert_comes_back(&packet, 0, &Fields::new(BIG).u32(family).raw(&ip).bytes);
            assert_comes_back(&packet, 108, &Fields::new(BIG).u32(family).raw(&ip).bytes);
        }
    }
}

#[test]
fn a_checksum_flag_in_the_link_type_is_not_part_of_it() {
    assert_comes_back(&Packet::v4(b"fcs"), 0x4400_0001, &[Packet::v4(b"fcs").ethernet(), vec![9; 4]].concat());
}

#[test]
fn what_is_not_udp_is_counted_as_such() {
    let packet = Packet::v4(b"x");
    assert_eq!(fate(ETHERNET, &ethernet(0x0806, &[0; 28])), "not_udp");
    assert_eq!(fate(ETHERNET, &ethernet(0x0026, &[0; 38])), "not_udp");
    assert_eq!(fate(ETHERNET, &ethernet(0x0800, &packet.ipv4(&[], 0, 6, &[0; 20]))), "not_udp");
    assert_eq!(fate(ETHERNET, &ethernet(0x86dd, &Packet::v6(b"x").ipv6(58, &[0; 8]))), "not_udp");
    assert_eq!(fate(0, &Fields::new(LITTLE).u32(7).raw(&packet.ip()).bytes), "not_udp");
    assert_eq!(fate(147, &packet.ethernet()), "unsupported_link");
}

#[test]
fn ipv4_options_and_padding_are_not_payload() {
    let packet = Packet::v4(b"options");
    let ip = packet.ipv4(&[1; 12], 0, UDP, &packet.udp());
    assert_comes_back(&packet, ETHERNET, &ethernet(0x0800, &[ip, vec![0xee; 30]].concat()));
}

#[test]
fn a_udp_length_shorter_than_the_ip_packet_rules() {
    let long = Packet::v4(b"payload and more");
    let packet = Packet::v4(b"payload");
    assert_comes_back(&packet, 101, &long.ipv4(&[], 0, UDP, &long.udp_of_length(15)));
}

#[test]
fn ipv6_extension_headers_are_passed_over() {
    let packet = Packet::v6(b"extended");
    let hop_by_hop = [43, 0, 1, 4, 0, 0, 0, 0];
    let routing = [60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let destination = [51, 0, 1, 4, 0, 0, 0, 0];
    let authentication = [44, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    let atomic_fragment = [UDP, 0, 0, 0, 0, 0, 0, 1];
    let headers = [&hop_by_hop[..], &routing, &destination, &authentication, &atomic_fragment].concat();
    assert_comes_back(&packet, 101, &packet.ipv6(0, &[headers, packet.udp()].concat()));
}

#[test]
fn fragments_are_counted_and_not_handed_out() {
    let packet = Packet::v4(b"a part of it");
    assert_eq!(fate(101, &packet.ipv4(&[], 0x2000, UDP, &packet.udp())), "fragment");
    assert_eq!(fate(101, &packet.ipv4(&[], 0x0010, UDP, &packet.udp())), "fragment");
    assert_comes_back(&packet, 101, &packet.ipv4(&[], 0x4000, UDP, &packet.udp()));
    let packet = Packet::v6(b"a part of it");
    for offset_and_more in [0x01, 0x40] {
        let header = [UDP, 0, 0, offset_and_more, 0, 0, 0, 1];
        assert_eq!(fate(101, &packet.ipv6(44, &[&header[..], &packet.udp()].concat())), "fragment");
    }
}

#[test]
fn lengths_that_lie_are_malformed() {
    let packet = Packet::v4(b"payload");
    let (ip, udp) = (packet.ip(), packet.udp());
    let patched = |at: usize, value: u8| {
        let mut ip = ip.clone();
        ip[at] = value;
        ip
    };
    assert_eq!(fate(101, &patched(3, 255)), "malformed_ip", "total length beyond the frame");
    assert_eq!(fate(101, &patched(3, 19)), "malformed_ip", "total length within the header");
    assert_eq!(fate(101, &patched(3, 0)), "malformed_ip", "total length of nothing");
    assert_eq!(fate(101, &patched(0, 0x44)), "malformed_ip", "header shorter than a header");
    assert_eq!(fate(101, &patched(0, 0x50)), "malformed_ip", "IP version 5");
    assert_eq!(fate(101, &patched(3, 27)), "malformed_udp", "no room for the UDP header");
    assert_eq!(fate(101, &packet.ipv4(&[], 0, UDP, &packet.udp_of_length(16))), "malformed_udp");
    assert_eq!(fate(101, &packet.ipv4(&[], 0, UDP, &packet.udp_of_length(7))), "malformed_udp");
    assert_eq!(fate(101, &packet.ipv4(&[], 0, UDP, &packet.udp_of_length(0))), "malformed_udp");
    assert_eq!(fate(101, &udp[..0]), "malformed_ip", "an empty frame");
    assert_eq!(fate(ETHERNET, &[0; 13]), "malformed_link");
    assert_eq!(fate(ETHERNET, &ethernet(0x8100, &[0; 3])), "malformed_link");
    assert_eq!(fate(276, &linux_sll2(0x0800, &[])[..19]), "malformed_link");
    assert_eq!(fate(108, &[0, 0, 0]), "malformed_link");
    let mut jumbogram = Packet::v6(b"jumbo").ip();
    jumbogram[4..6].fill(0);
    assert_eq!(fate(101, &jumbogram), "malformed_ip");
}

#[test]
fn every_cut_of_a_frame_is_snapped_or_whole() {
    for packet in [Packet::v4(b"payload"), Packet::v6(b"payload")] {
        let frame = packet.ethernet();
        for kept in 0..frame.len() {
            let (seen, stats) =
                read(&Pcap::microseconds(ETHERNET).snapped_record(1, 1, &frame[..kept], len32(&frame)).file);
            assert_eq!((seen.len(), stats.snapped), (0, 1), "{kept} bytes");
            let (seen, stats) = read(&Pcap::microseconds(ETHERNET).record(1, 1, &frame[..kept]).file);
            let malformed = stats.malformed_link + stats.malformed_ip;
            assert_eq!((seen.len(), malformed), (0, 1), "{kept} bytes");
        }
    }
}

#[test]
fn a_snapped_record_that_lost_only_padding_is_whole() {
    let frame = Packet::v4(b"whole").ethernet();
    let (seen, stats) = read(&Pcap::microseconds(ETHERNET).snapped_record(1, 1, &frame, len32(&frame) + 4).file);
    assert_eq!(packets(&seen), [Packet::v4(b"whole")]);
    assert_eq!(stats.snapped, 0);
}

#[test]
fn slack_is_all_that_the_file_has_behind_a_payload() {
    let frame = Packet::v4(b"short").ethernet();
    let pcap = Pcap::microseconds(ETHERNET).record(1, 1, &frame).record(1, 1, &frame).record(1, 1, &frame);
    let slack: Vec<bool> = read(&pcap.file).0.iter().map(|Seen { has_slack, .. }| *has_slack).collect();
    assert_eq!(slack, [true, false, false]);
}

#[test]
fn the_stats_of_a_pcap_name_its_interface_and_times() {
    let frame = Packet::v4(b"x").ethernet();
    let pcap = Pcap::new(BIG, NANOSECONDS, ETHERNET).record(7, 5, &frame).record(6, 1, &frame).record(9, 3, &[0; 14]);
    let stats = serde_json::to_value(read(&pcap.file).1).expect("plain data");
    assert_eq!(stats["format"], "pcap");
    assert_eq!(stats["interfaces"][0]["link_type"], 1);
    assert_eq!(stats["interfaces"][0]["resolution"], "10^-9 s");
    assert_eq!(stats["interfaces"][0]["snap_len"], 65_535);
    assert_eq!(stats["first_ts_ns"], 7_000_000_005_u64);
    assert_eq!(stats["last_ts_ns"], 9_000_000_003_u64);
    assert_eq!(stats["blocks"], serde_json::json!({}));
}
