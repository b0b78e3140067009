//! The blocks of a pcapng section, in little-endian byte order and with times in nanoseconds
//! (draft-ietf-opsawg-pcapng, section 4).

use std::net::{IpAddr, SocketAddr};

use super::super::kind::SECTION_HEADER;
use super::frame::{headers_bytes, write_headers};

const INTERFACE_DESCRIPTION: u32 = 1;
pub(super) const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const UNKNOWN_SECTION_LENGTH: u64 = u64::MAX;
const LINKTYPE_ETHERNET: u16 = 1;
const NANOSECONDS: u8 = 9;

const OPT_ENDOFOPT: u16 = 0;
pub(super) const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_IPV4ADDR: u16 = 4;
const IF_IPV6ADDR: u16 = 5;
const IF_TSRESOL: u16 = 9;
const EPB_DROPCOUNT: u16 = 4;
const ISB_STARTTIME: u16 = 2;
const ISB_ENDTIME: u16 = 3;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;
const ISB_FILTERACCEPT: u16 = 6;
const ISB_OSDROP: u16 = 7;
const ISB_USRDELIV: u16 = 8;

/// An interface, which in our captures is a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceDescription {
    /// `if_name`.
    pub name: String,
    /// `if_description`.
    pub description: String,
    /// `if_IPv4addr` or `if_IPv6addr`: the local address, where there is one.
    pub address: Option<IpAddr>,
    /// `opt_comment`.
    pub comment: String,
}

/// A datagram.
#[derive(Clone, Copy, Debug)]
pub struct PacketBlock<'a> {
    /// Position of its interface in the section.
    pub interface: u32,
    /// When it was received, Unix ns.
    pub ts_ns: u64,
    /// Who sent it, where that is known.
    pub sender: Option<SocketAddr>,
    /// Where it was sent to.
    pub destination: SocketAddr,
    /// How long it was when it was sent.
    pub sent_bytes: usize,
    /// What was received of it.
    pub payload: &'a [u8],
    /// `epb_dropcount`: datagrams lost between the packet before on this interface and this one.
    pub dropped: u64,
}

/// What an interface has counted in a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceStatistics {
    /// `isb_starttime`, Unix ns.
    pub start_ns: u64,
    /// `isb_endtime`, Unix ns.
    pub end_ns: u64,
    /// `isb_ifrecv`: datagrams that came, in the file or not.
    pub received: u64,
    /// `isb_ifdrop`: those of them that are not in the file, though they should be.
    pub dropped: u64,
    /// `isb_filteraccept`: those that were sent by whom the line names.
    pub accepted: u64,
    /// `isb_osdrop`: those that the kernel dropped.
    pub dropped_by_kernel: u64,
    /// `isb_usrdeliv`: those in the file.
    pub delivered: u64,
}

/// Writes a section header block; how long the section becomes is not said.
pub(super) fn section_header(out: &mut Vec<u8>, application: &str, comment: &str) {
    block(out, SECTION_HEADER, |out| {
        out.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        out.extend(1_u16.to_le_bytes());
        out.extend(0_u16.to_le_bytes());
        out.extend(UNKNOWN_SECTION_LENGTH.to_le_bytes());
        option(out, OPT_COMMENT, comment.as_bytes());
        option(out, SHB_USERAPPL, application.as_bytes());
        option(out, OPT_ENDOFOPT, &[]);
    });
}

/// Writes an interface description block.
pub(super) fn interface_description(out: &mut Vec<u8>, interface: &InterfaceDescription) {
    block(out, INTERFACE_DESCRIPTION, |out| {
        out.extend(LINKTYPE_ETHERNET.to_le_bytes());
        out.extend(0_u16.to_le_bytes());
        out.extend(0_u32.to_le_bytes()); // no limit of bytes captured
        option(out, OPT_COMMENT, interface.comment.as_bytes());
        option(out, IF_NAME, interface.name.as_bytes());
        option(out, IF_DESCRIPTION, interface.description.as_bytes());
        match interface.address {
            Some(IpAddr::V4(ip)) => option(out, IF_IPV4ADDR, &[ip.octets(), [0xff; 4]].concat()),
            Some(IpAddr::V6(ip)) => option(out, IF_IPV6ADDR, &[&ip.octets()[..], &[128]].concat()),
            None => {}
        }
        option(out, IF_TSRESOL, &[NANOSECONDS]);
        option(out, OPT_ENDOFOPT, &[]);
    });
}

/// Writes an enhanced packet block.
pub(super) fn enhanced_packet(out: &mut Vec<u8>, packet: &PacketBlock<'_>) {
    let headers = headers_bytes(packet.destination);
    block(out, ENHANCED_PACKET, |out| {
        out.extend(packet.interface.to_le_bytes());
        out.extend(high_and_low(packet.ts_ns));
        out.extend(low_32(headers + packet.payload.len()).to_le_bytes());
        out.extend(low_32(headers + packet.sent_bytes).to_le_bytes());
        write_headers(out, packet.sender, packet.destination, packet.sent_bytes, packet.payload);
        out.extend(packet.payload);
        pad(out, headers + packet.payload.len());
        if packet.dropped > 0 {
            option(out, EPB_DROPCOUNT, &packet.dropped.to_le_bytes());
            option(out, OPT_ENDOFOPT, &[]);
        }
    });
}

/// Writes an interface statistics block.
pub(super) fn interface_statistics(out: &mut Vec<u8>, interface: u32, counted: &InterfaceStatistics, comment: &str) {
    block(out, INTERFACE_STATISTICS, |out| {
        out.extend(interface.to_le_bytes());
        out.extend(high_and_low(counted.end_ns));
        if !comment.is_empty() {
            option(out, OPT_COMMENT, comment.as_bytes());
        }
        option(out, ISB_STARTTIME, &high_and_low(counted.start_ns));
        option(out, ISB_ENDTIME, &high_and_low(counted.end_ns));
        option(out, ISB_IFRECV, &counted.received.to_le_bytes());
        option(out, ISB_IFDROP, &counted.dropped.to_le_bytes());
        option(out, ISB_FILTERACCEPT, &counted.accepted.to_le_bytes());
        option(out, ISB_OSDROP, &counted.dropped_by_kernel.to_le_bytes());
        option(out, ISB_USRDELIV, &counted.delivered.to_le_bytes());
        option(out, OPT_ENDOFOPT, &[]);
    });
}

/// A time as blocks have it: its upper 32 bits, then its lower.
fn high_and_low(ns: u64) -> [u8; 8] {
    ns.rotate_left(32).to_le_bytes()
}

fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let length = low_32(out.len() + 4 - start).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&length);
    out.extend(length);
}

/// Writes an option; one that is longer than an option can be is left out.
fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let Ok(length) = u16::try_from(value.len()) else { return };
    out.extend(code.to_le_bytes());
    out.extend(length.to_le_bytes());
    out.extend(value);
    pad(out, value.len());
}

fn pad(out: &mut Vec<u8>, length: usize) {
    out.extend(&[0; 3][..length.next_multiple_of(4) - length]);
}

#[expect(clippy::cast_possible_truncation, reason = "a block is a datagram and less than 64 KiB of options")]
fn low_32(bytes: usize) -> u32 {
    bytes as u32
}
