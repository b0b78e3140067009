//! Where the IP packet begins in a frame.
//!
//! The link layers are read here, and not by `etherparse`, because it knows neither Linux cooked version 2 nor BSD
//! loopback; what is behind them is [`super::ip`]'s.

use super::order::{u16_at, u32_at};
use super::stats::{Layer, Miss};
use crate::spec::ByteOrder::{Big, Little};

// Numbers of the LINKTYPE registry of tcpdump.org. 12 and 14 are what BSDs call raw IP.
const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const RAW_BSD: u32 = 12;
const RAW_OPENBSD: u32 = 14;
const RAW: u32 = 101;
const LOOP: u32 = 108;
const LINUX_SLL: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const LINUX_SLL2: u32 = 276;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;
const ETHERTYPE_QINQ_OLD: u16 = 0x9100;

const AF_INET: u32 = 2;
/// Linux, NetBSD and OpenBSD, FreeBSD, Darwin, and Windows disagree about IPv6.
const AF_INET6: [u32; 5] = [10, 24, 28, 30, 23];

/// Offset of the IP header in a frame.
#[inline]
pub(super) fn ip_offset(link_type: u32, frame: &[u8]) -> Result<usize, Miss> {
    match link_type {
        ETHERNET => behind_ethertype(frame, 12, 14),
        LINUX_SLL => behind_ethertype(frame, 14, 16),
        LINUX_SLL2 => behind_ethertype(frame, 0, 20),
        RAW | RAW_BSD | RAW_OPENBSD | IPV4 | IPV6 => Ok(0),
        NULL | LOOP => behind_address_family(frame),
        _ => Err(Miss::UnsupportedLink),
    }
}

/// Follows VLAN tags from the ethertype at `ethertype_at`, each behind a link header that ends at `end`.
#[inline]
fn behind_ethertype(frame: &[u8], mut ethertype_at: usize, mut end: usize) -> Result<usize, Miss> {
    loop {
        match u16_at(frame, ethertype_at, Big) {
            Some(ETHERTYPE_IPV4 | ETHERTYPE_IPV6) if end <= frame.len() => return Ok(end),
            Some(ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD) => {
                // A tag is two bytes of control information and the next ethertype.
                ethertype_at = end + 2;
                end += 4;
            }
            Some(ETHERTYPE_IPV4 | ETHERTYPE_IPV6) | None => return Err(Miss::Cut(Layer::Link)),
            Some(_) => return Err(Miss::NotUdp),
        }
    }
}

/// BSD loopback: the address family is in the byte order of the host that captured, which nothing else tells.
fn behind_address_family(frame: &[u8]) -> Result<usize, Miss> {
    let (Some(big), Some(little)) = (u32_at(frame, 0, Big), u32_at(frame, 0, Little)) else {
        return Err(Miss::Cut(Layer::Link));
    };
    let family = big.min(little);
    if family == AF_INET || AF_INET6.contains(&family) { Ok(4) } else { Err(Miss::NotUdp) }
}
