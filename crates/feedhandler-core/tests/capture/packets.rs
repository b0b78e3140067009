//! Frames with UDP in them.

use std::net::SocketAddr;

use crate::writer::{BIG, Fields};

pub const ETHERNET: u32 = 1;
pub const UDP: u8 = 17;

/// A datagram on its way from and to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub payload: Vec<u8>,
}

impl Packet {
    pub fn v4(payload: &[u8]) -> Self {
        Self {
            source: SocketAddr::from(([10, 1, 2, 3], 5000)),
            destination: SocketAddr::from(([224, 0, 31, 11], 14320)),
            payload: payload.to_vec(),
        }
    }

    pub fn v6(payload: &[u8]) -> Self {
        Self {
            source: SocketAddr::from(([0xfe80, 0, 0, 0, 0, 0, 0, 1], 5000)),
            destination: SocketAddr::from(([0xff05, 0, 0, 0, 0, 0, 0, 9], 14321)),
            payload: payload.to_vec(),
        }
    }

    pub fn udp(&self) -> Vec<u8> {
        self.udp_of_length(len16(&self.payload) + 8)
    }

    pub fn udp_of_length(&self, length: u16) -> Vec<u8> {
        let header = Fields::new(BIG).u16(self.source.port()).u16(self.destination.port()).u16(length).u16(0);
        header.raw(&self.payload).bytes
    }

    /// The IP packet.
    pub fn ip(&self) -> Vec<u8> {
        match self.source {
            SocketAddr::V4(_) => self.ipv4(&[], 0, UDP, &self.udp()),
            SocketAddr::V6(_) => self.ipv6(UDP, &self.udp()),
        }
    }

    pub fn ipv4(&self, options: &[u8], fragment: u16, protocol: u8, inside: &[u8]) -> Vec<u8> {
        let (SocketAddr::V4(source), SocketAddr::V4(destination)) = (self.source, self.destination) else {
            panic!("not an IPv4 packet: {self:?}");
        };
        let header_bytes = 20 + u8::try_from(options.len()).expect("few options");
        let fields = Fields::new(BIG).raw(&[0x40 | (header_bytes / 4), 0]).u16(u16::from(header_bytes) + len16(inside));
        let fields = fields.u16(1).u16(fragment).raw(&[20, protocol]).u16(0);
        let fields = fields.raw(&source.ip().octets()).raw(&destination.ip().octets());
        fields.raw(options).raw(inside).bytes
    }

    pub fn ipv6(&self, next_header: u8, inside: &[u8]) -> Vec<u8> {
        let (SocketAddr::V6(source), SocketAddr::V6(destination)) = (self.source, self.destination) else {
            panic!("not an IPv6 packet: {self:?}");
        };
        let fields = Fields::new(BIG).u32(0x6000_0000).u16(len16(inside)).raw(&[next_header, 20]);
        fields.raw(&source.ip().octets()).raw(&destination.ip().octets()).raw(inside).bytes
    }

    pub fn ethertype(&self) -> u16 {
        if self.source.is_ipv4() { 0x0800 } else { 0x86dd }
    }

    pub fn ethernet(&self) -> Vec<u8> {
        ethernet(self.ethertype(), &self.ip())
    }
}

pub fn len16(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).expect("a test packet is small")
}

pub fn ethernet(ethertype: u16, inside: &[u8]) -> Vec<u8> {
    Fields::new(BIG).raw(&[2; 12]).u16(ethertype).raw(inside).bytes
}

/// A VLAN tag and what it stands before, to follow a tag's ethertype.
pub fn vlan(ethertype: u16, inside: &[u8]) -> Vec<u8> {
    Fields::new(BIG).u16(0x2064).u16(ethertype).raw(inside).bytes
}

pub fn linux_sll(ethertype: u16, inside: &[u8]) -> Vec<u8> {
    Fields::new(BIG).u16(0).u16(1).u16(6).raw(&[2; 8]).u16(ethertype).raw(inside).bytes
}

pub fn linux_sll2(ethertype: u16, inside: &[u8]) -> Vec<u8> {
    Fields::new(BIG).u16(ethertype).u16(0).u32(3).u16(1).raw(&[0, 6]).raw(&[2; 8]).raw(inside).bytes
}
