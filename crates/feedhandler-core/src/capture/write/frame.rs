//! The headers that a datagram had on its way, made anew: Ethernet, IPv4 (RFC 791) or IPv6 (RFC 8200), UDP (RFC 768).
//!
//! A socket hands over the payload alone. Addresses, ports and lengths are those of the datagram, checksums fit; the rest
//! (MAC addresses, time to live) nobody knows any more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const PROTOCOL_UDP: u8 = 17;
const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const DONT_FRAGMENT: u16 = 0x4000;
const TIME_TO_LIVE: u8 = 64;

/// Locally administered addresses, which no card has.
const SENDER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const RECEIVER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];

/// Writes the headers of a datagram that was `sent_bytes` long, of which `payload` was received.
pub(super) fn write_headers(
    out: &mut Vec<u8>,
    sender: Option<SocketAddr>,
    destination: SocketAddr,
    sent_bytes: usize,
    payload: &[u8],
) {
    let source_port = sender.map_or(0, |sender| sender.port());
    out.extend(mac(destination.ip()));
    out.extend(SENDER_MAC);
    match destination.ip() {
        IpAddr::V4(to) => write_ipv4(out, source_v4(sender), to, sent_bytes),
        IpAddr::V6(to) => write_ipv6(out, source_v6(sender), to, sent_bytes),
    }
    let addresses = out.len() - 2 * if destination.is_ipv4() { 4 } else { 16 };
    let udp = out.len();
    let length = low_16(UDP_BYTES + sent_bytes);
    for field in [source_port, destination.port(), length, 0] {
        out.extend(field.to_be_bytes());
    }
    // Of a datagram whose end was not received nobody can say the checksum; 0 is none.
    if payload.len() == sent_bytes {
        let pseudo_header = u64::from(PROTOCOL_UDP) + u64::from(length);
        let sum = pseudo_header + sum(&out[addresses..]) + sum(payload);
        let checksum = !folded(sum);
        let told = if checksum == 0 { 0xffff } else { checksum };
        out[udp + 6..udp + 8].copy_from_slice(&told.to_be_bytes());
    }
}

/// Bytes of the headers in front of a payload for `destination`.
pub(super) fn headers_bytes(destination: SocketAddr) -> usize {
    14 + UDP_BYTES + if destination.is_ipv4() { IPV4_BYTES } else { 40 }
}

fn write_ipv4(out: &mut Vec<u8>, from: Ipv4Addr, to: Ipv4Addr, sent_bytes: usize) {
    out.extend(ETHERTYPE_IPV4.to_be_bytes());
    let start = out.len();
    out.extend([0x45, 0]);
    for field in [low_16(IPV4_BYTES + UDP_BYTES + sent_bytes), 0, DONT_FRAGMENT] {
        out.extend(field.to_be_bytes());
    }
    out.extend([TIME_TO_LIVE, PROTOCOL_UDP, 0, 0]);
    out.extend(from.octets());
    out.extend(to.octets());
    let checksum = !folded(sum(&out[start..]));
    out[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
}

fn write_ipv6(out: &mut Vec<u8>, from: Ipv6Addr, to: Ipv6Addr, sent_bytes: usize) {
    out.extend(ETHERTYPE_IPV6.to_be_bytes());
    out.extend([0x60, 0, 0, 0]);
    out.extend(low_16(UDP_BYTES + sent_bytes).to_be_bytes());
    out.extend([PROTOCOL_UDP, TIME_TO_LIVE]);
    out.extend(from.octets());
    out.extend(to.octets());
}

fn source_v4(sender: Option<SocketAddr>) -> Ipv4Addr {
    match sender.map(|sender| sender.ip()) {
        Some(IpAddr::V4(ip)) => ip,
        _ => Ipv4Addr::UNSPECIFIED,
    }
}

/// A sender of version 4 that a socket of version 6 has heard is written as the socket heard it.
fn source_v6(sender: Option<SocketAddr>) -> Ipv6Addr {
    match sender.map(|sender| sender.ip()) {
        Some(IpAddr::V4(ip)) => ip.to_ipv6_mapped(),
        Some(IpAddr::V6(ip)) => ip,
        None => Ipv6Addr::UNSPECIFIED,
    }
}

/// Where Ethernet carries an address to: of a group, as RFC 1112 section 6.4 and RFC 2464 section 7 say.
fn mac(destination: IpAddr) -> [u8; 6] {
    match destination {
        IpAddr::V4(group) if group.is_multicast() => {
            let [_, b, c, d] = group.octets();
            [0x01, 0x00, 0x5e, b & 0x7f, c, d]
        }
        IpAddr::V6(group) if group.is_multicast() => {
            let [.., a, b, c, d] = group.octets();
            [0x33, 0x33, a, b, c, d]
        }
        _ => RECEIVER_MAC,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "no datagram is longer than 65,535 bytes with its headers")]
fn low_16(bytes: usize) -> u16 {
    bytes as u16
}

/// The sum of RFC 1071, not folded, of bytes that begin at an even place.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).map(|word| u64::from(u32::from_be_bytes(*word))).sum()
}

#[expect(clippy::cast_possible_truncation, reason = "folded until 16 bits are left")]
fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use etherparse::{SlicedPacket, TransportSlice};
    use proptest::prelude::*;

    use super::*;

    fn frame(sender: &str, destination: &str, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let destination = destination.parse().unwrap();
        write_headers(&mut out, sender.parse().ok(), destination, payload.len(), payload);
        assert_eq!(out.len(), headers_bytes(destination));
        out.extend(payload);
        out
    }

    #[test]
    fn groups_have_the_addresses_that_ethernet_gives_them() {
        assert_eq!(frame("", "233.200.79.128:1", b"")[..6], [0x01, 0x00, 0x5e, 0x48, 0x4f, 0x80]);
        assert_eq!(frame("", "[ff15::1:2345:6789]:1", b"")[..6], [0x33, 0x33, 0x23, 0x45, 0x67, 0x89]);
        assert_eq!(frame("", "127.0.0.1:1", b"")[..6], RECEIVER_MAC);
    }

    #[test]
    fn the_end_that_was_not_received_counts_in_the_lengths() {
        let mut out = Vec::new();
        write_headers(&mut out, None, "239.1.1.1:5".parse().unwrap(), 100, &[1; 60]);
        assert_eq!(out[16..18], 128_u16.to_be_bytes());
        assert_eq!(out[38..42], [0, 108, 0, 0]);
    }

    proptest! {
        #[test]
        fn another_reader_finds_the_datagram_and_its_checksums(
            payload in prop::collection::vec(any::<u8>(), 0..300), port: u16, is_v6: bool,
        ) {
            let (from, to) = if is_v6 { ("[fd00::7]", "[ff15::9]") } else { ("198.51.100.7", "233.252.0.9") };
            let frame = frame(&format!("{from}:{port}"), &format!("{to}:26400"), &payload);
            let packet = SlicedPacket::from_ethernet(&frame).unwrap();
            let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("no UDP") };
            prop_assert_eq!((udp.source_port(), udp.destination_port(), udp.payload()), (port, 26_400, &payload[..]));
            let header = udp.to_header();
            let expected = match packet.net.unwrap() {
                etherparse::NetSlice::Ipv4(ip) => {
                    prop_assert_eq!(ip.header().header_checksum(), ip.header().to_header().calc_header_checksum());
                    header.calc_checksum_ipv4(&ip.header().to_header(), &payload)
                }
                etherparse::NetSlice::Ipv6(ip) => header.calc_checksum_ipv6(&ip.header().to_header(), &payload),
                etherparse::NetSlice::Arp(_) => panic!("no IP"),
            };
            prop_assert_eq!(udp.checksum(), expected.unwrap());
        }
    }
}
