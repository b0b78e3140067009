//! The blocks of a pcapng capture of two lines, and the frames in them.
//!
//! Source: `draft-ietf-opsawg-pcapng`, §4.1 to §4.3; RFC 791, RFC 768, RFC 1112 §6.4.

use std::net::SocketAddrV4;

use super::lines::Line;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u32 = 1;
const OPTION_IF_NAME: u16 = 2;
const OPTION_IF_DESCRIPTION: u16 = 3;
const OPTION_IF_TSRESOL: u16 = 9;
const NANOSECONDS: u8 = 9;

const ETHERNET_BYTES: usize = 14;
const IP_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const HEADERS_BYTES: usize = ETHERNET_BYTES + IP_BYTES + UDP_BYTES;
const PROTOCOL_UDP: u8 = 17;
/// Where datagrams come from: an address of documentation (RFC 5737).
const SOURCE: [u8; 4] = [192, 0, 2, 1];
const SOURCE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SOURCE_PORT: u16 = 40_000;

/// Appends the section header and a description of each line, whose number is the interface's.
pub fn write_head(lines: &[Line], out: &mut Vec<u8>) {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend([1, 0, 0, 0]); // version 1.0
    body.extend([0xff; 8]); // a section of a length that nobody knows yet
    write_block(SECTION_HEADER, &body, out);
    for line in lines {
        body.clear();
        body.extend(LINKTYPE_ETHERNET.to_le_bytes());
        body.extend([0; 4]); // no limit to the length of packets
        write_option(OPTION_IF_NAME, line.name.as_bytes(), &mut body);
        write_option(OPTION_IF_DESCRIPTION, line.to.to_string().as_bytes(), &mut body);
        write_option(OPTION_IF_TSRESOL, &[NANOSECONDS], &mut body);
        write_option(0, &[], &mut body);
        write_block(INTERFACE_DESCRIPTION, &body, out);
    }
}

fn write_option(code: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend(code.to_le_bytes());
    out.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn write_block(kind: u32, body: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    out.extend(kind.to_le_bytes());
    out.extend(length);
    out.extend(body);
    out.extend(length);
}

/// Sum of a payload for the checksum of UDP: the same for every line that carries it.
#[must_use]
pub fn payload_sum(payload: &[u8]) -> u64 {
    let (words, rest) = payload.as_chunks::<2>();
    let sum: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    sum + rest.first().map_or(0, |&last| u64::from(last) << 8)
}

/// Frames of a line: what is the same in all of them.
#[derive(Clone, Debug)]
pub struct Frames {
    interface: u32,
    headers: [u8; HEADERS_BYTES],
    ip_sum: u64,
    udp_sum: u64,
}

impl Frames {
    /// Frames on interface number `interface` to `to`.
    #[must_use]
    pub fn new(interface: u32, to: SocketAddrV4) -> Self {
        let mut headers = [0; HEADERS_BYTES];
        let (ethernet, rest) = headers.split_at_mut(ETHERNET_BYTES);
        let (ip, udp) = rest.split_at_mut(IP_BYTES);
        ethernet[..6].copy_from_slice(&mac(to));
        ethernet[6..12].copy_from_slice(&SOURCE_MAC);
        ethernet[12..].copy_from_slice(&[0x08, 0x00]); // IPv4
        ip[..12].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 1, PROTOCOL_UDP, 0, 0]); // not to be fragmented, TTL 1
        ip[12..16].copy_from_slice(&SOURCE);
        ip[16..].copy_from_slice(&to.ip().octets());
        udp[..2].copy_from_slice(&SOURCE_PORT.to_be_bytes());
        udp[2..4].copy_from_slice(&to.port().to_be_bytes());
        let (ip_sum, addresses_sum) = (payload_sum(ip), payload_sum(&ip[12..]));
        let udp_sum = addresses_sum + u64::from(PROTOCOL_UDP) + payload_sum(udp);
        Self { interface, headers, ip_sum, udp_sum }
    }

    /// Appends the block of a datagram, whose payload's sum is `payload_sum`.
    pub fn write(&self, ts_ns: u64, payload: &[u8], payload_sum: u64, out: &mut Vec<u8>) {
        let udp_bytes = u16::try_from(UDP_BYTES + payload.len()).unwrap_or(u16::MAX);
        let frame_bytes = HEADERS_BYTES + payload.len();
        let padded_bytes = frame_bytes.next_multiple_of(4);
        let length = u32::try_from(padded_bytes + 32).unwrap_or(u32::MAX).to_le_bytes();
        let captured = u32::try_from(frame_bytes).unwrap_or(u32::MAX).to_le_bytes();
        let [low, high] = [ts_ns & 0xffff_ffff, ts_ns >> 32].map(|half| u32::try_from(half).unwrap_or(0).to_le_bytes());
        let kind = ENHANCED_PACKET.to_le_bytes();
        let end = out.len() + padded_bytes + 32;
        out.reserve(padded_bytes + 32);
        for part in [kind, length, self.interface.to_le_bytes(), high, low, captured, captured] {
            out.extend_from_slice(&part);
        }
        out.extend_from_slice(&self.headers_of(udp_bytes, payload_sum));
        out.extend_from_slice(payload);
        out.resize(end - 4, 0);
        out.extend_from_slice(&length);
    }

    fn headers_of(&self, udp_bytes: u16, payload_sum: u64) -> [u8; HEADERS_BYTES] {
        let mut headers = self.headers;
        let ip_bytes = udp_bytes.saturating_add(20);
        let ip_sum = folded(self.ip_sum + u64::from(ip_bytes));
        // The length counts twice: in the header, and in what the checksum covers besides (RFC 768).
        let udp_sum = match folded(self.udp_sum + 2 * u64::from(udp_bytes) + payload_sum) {
            0 => 0xffff,
            sum => sum,
        };
        headers[16..18].copy_from_slice(&ip_bytes.to_be_bytes());
        headers[24..26].copy_from_slice(&ip_sum.to_be_bytes());
        headers[38..40].copy_from_slice(&udp_bytes.to_be_bytes());
        headers[40..42].copy_from_slice(&udp_sum.to_be_bytes());
        headers
    }
}

/// The complement of a sum whose carries are added to it.
fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn mac(to: SocketAddrV4) -> [u8; 6] {
    match to.ip().octets() {
        [224..=239, b, c, d] => [1, 0, 0x5e, b & 0x7f, c, d],
        _ => [2, 0, 0, 0, 0, 2],
    }
}
