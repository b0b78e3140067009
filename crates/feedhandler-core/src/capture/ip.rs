//! The UDP datagram in an IP packet, whose lengths are not believed before they are checked.

use std::net::{IpAddr, SocketAddr};

use etherparse::err::ip::SliceError;
use etherparse::{IpSlice, LenSource, UdpSlice, ip_number};

use super::Ends;
use super::stats::{Layer, Miss};

const IPV4_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
/// Version 4, and a header without options (RFC 791, section 3.1).
const VERSION_AND_LENGTH: u8 = 0x45;
/// More fragments, and the upper bits of a fragment's offset.
const FRAGMENT_BITS: u8 = 0x3f;

/// The payload of the datagram in `packet`, which may have padding behind it; who sent it to whom goes to `ends`.
#[inline]
pub(super) fn datagram<'a>(packet: &'a [u8], ends: &mut Ends) -> Result<&'a [u8], Miss> {
    match plain_datagram(packet, ends) {
        Some(payload) => Ok(payload),
        None => any_datagram(packet, ends),
    }
}

/// The same of the plainest kind: IPv4 without options, in one piece, with lengths that agree. None of any other.
#[inline]
fn plain_datagram<'a>(packet: &'a [u8], ends: &mut Ends) -> Option<&'a [u8]> {
    let head: &[u8; IPV4_BYTES + UDP_BYTES] = packet.first_chunk()?;
    let u16_at = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let address_at = |at: usize| IpAddr::from([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let is_plain = head[0] == VERSION_AND_LENGTH && head[9] == ip_number::UDP.0;
    let is_whole = head[6] & FRAGMENT_BITS == 0 && head[7] == 0;
    let (ip_bytes, udp_bytes) = (usize::from(u16_at(2)), usize::from(u16_at(IPV4_BYTES + 4)));
    let end = IPV4_BYTES + udp_bytes;
    if !is_plain || !is_whole || udp_bytes < UDP_BYTES || end > ip_bytes || ip_bytes > packet.len() {
        return None;
    }
    ends.source = SocketAddr::new(address_at(12), u16_at(IPV4_BYTES));
    ends.destination = SocketAddr::new(address_at(16), u16_at(IPV4_BYTES + 2));
    packet.get(IPV4_BYTES + UDP_BYTES..end)
}

/// The same of any kind.
fn any_datagram<'a>(packet: &'a [u8], ends: &mut Ends) -> Result<&'a [u8], Miss> {
    let ip = IpSlice::from_slice(packet).map_err(|error| miss(&error))?;
    let inside = ip.payload();
    if inside.fragmented {
        return Err(Miss::Fragment);
    }
    if inside.ip_number != ip_number::UDP {
        return Err(Miss::NotUdp);
    }
    // An IPv6 payload length of 0 (a jumbogram) says nothing; no datagram of a feed has one.
    if inside.len_source == LenSource::Slice {
        return Err(Miss::Malformed(Layer::Ip));
    }
    let udp = UdpSlice::from_slice(inside.payload).map_err(|_| Miss::Malformed(Layer::Udp))?;
    // Only jumbograms have a UDP length of 0 (RFC 2675, section 4).
    if udp.length() == 0 {
        return Err(Miss::Malformed(Layer::Udp));
    }
    ends.source = SocketAddr::new(ip.source_addr(), udp.source_port());
    ends.destination = SocketAddr::new(ip.destination_addr(), udp.destination_port());
    Ok(udp.payload())
}

#[cold]
fn miss(error: &SliceError) -> Miss {
    match error {
        SliceError::Len(short) if short.len_source == LenSource::Slice => Miss::Cut(Layer::Ip),
        SliceError::Len(_) | SliceError::IpHeaders(_) => Miss::Malformed(Layer::Ip),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Packets near to plain ones: each part may be one that makes them something else.
    fn packets() -> impl Strategy<Value = Vec<u8>> {
        let head = (prop_oneof![4 => Just(0x45), 1 => any::<u8>()], prop_oneof![6 => Just(17), 1 => any::<u8>()]);
        let fragment = prop_oneof![6 => Just([0x40, 0]), 1 => any::<[u8; 2]>()];
        let lengths = (-9_i32..9, -9_i32..9, 0_usize..64);
        (head, fragment, lengths, any::<[u8; 12]>()).prop_map(
            |((version, protocol), fragment, (ip, udp, bytes), ends)| {
                let length = |about: usize, by: i32| u16::try_from((i32::try_from(about).unwrap_or(0) + by).max(0));
                let (udp_bytes, ip_bytes) = (length(8 + bytes, udp), length(28 + bytes, ip));
                let mut packet = vec![version, 0];
                packet.extend(ip_bytes.unwrap_or(0).to_be_bytes());
                packet.extend([[0, 0], fragment, [64, protocol], [0, 0]].as_flattened());
                packet.extend(ends);
                packet.extend(udp_bytes.unwrap_or(0).to_be_bytes());
                packet.extend([0, 0]);
                packet.resize(28 + bytes, 7);
                packet
            },
        )
    }

    proptest! {
        #[test]
        fn plain_datagrams_are_those_that_any_reader_finds(packet in packets()) {
            let (mut plain, mut any) = (Ends::NONE, Ends::NONE);
            if let Some(payload) = plain_datagram(&packet, &mut plain) {
                prop_assert_eq!(any_datagram(&packet, &mut any), Ok(payload));
                prop_assert_eq!(plain, any);
            }
        }
    }
}
