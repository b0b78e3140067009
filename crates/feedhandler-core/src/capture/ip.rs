//! The UDP datagram in an IP packet, whose lengths are not believed before they are checked.

use std::net::SocketAddr;

use etherparse::err::ip::SliceError;
use etherparse::{IpSlice, LenSource, UdpSlice, ip_number};

use super::stats::{Layer, Miss};

/// A whole datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Udp<'a> {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub payload: &'a [u8],
}

/// The datagram in `packet`, which may have padding behind it.
#[inline]
pub(super) fn datagram(packet: &[u8]) -> Result<Udp<'_>, Miss> {
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
    Ok(Udp {
        source: SocketAddr::new(ip.source_addr(), udp.source_port()),
        destination: SocketAddr::new(ip.destination_addr(), udp.destination_port()),
        payload: udp.payload(),
    })
}

#[cold]
fn miss(error: &SliceError) -> Miss {
    match error {
        SliceError::Len(short) if short.len_source == LenSource::Slice => Miss::Cut(Layer::Ip),
        SliceError::Len(_) | SliceError::IpHeaders(_) => Miss::Malformed(Layer::Ip),
    }
}
