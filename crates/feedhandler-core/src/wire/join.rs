//! Group membership: which group a socket hears, on which interface, and from whom.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::os::fd::AsFd;

use socket2::{InterfaceIndexOrAddress, SockAddr, Socket};

use super::{LineSpec, interface::Interface, options};

/// Joins the line's group: for its sources alone, or for any.
pub(super) fn join(socket: &Socket, spec: &LineSpec, joined_on: Option<&Interface>) -> io::Result<()> {
    let (group, index) = (spec.address.ip(), joined_on.map_or(0, |interface| interface.index));
    if group.is_ipv6() {
        // Unlike version 4, a socket that has joined on one interface hears the group from every other too.
        socket.bind_device_by_index_v6(NonZeroU32::new(index))?;
    }
    if spec.joins_sources() {
        return spec.sources.iter().try_for_each(|source| join_source(socket, group, *source, index));
    }
    match group {
        IpAddr::V4(group) => socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
        IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
    }
}

/// Source-specific multicast (RFC 3678, section 5.1.2), which names the interface by its index in both versions.
fn join_source(socket: &Socket, group: IpAddr, source: IpAddr, index: u32) -> io::Result<()> {
    let level = if group.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 };
    let request =
        libc::group_source_req { gsr_interface: index, gsr_group: storage(group), gsr_source: storage(source) };
    options::set_at(socket.as_fd(), level, libc::MCAST_JOIN_SOURCE_GROUP, &request)
}

fn storage(address: IpAddr) -> libc::sockaddr_storage {
    let address = SockAddr::from(std::net::SocketAddr::new(address, 0));
    // SAFETY: zeros are an address of no family.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    // SAFETY: an address of any family is no longer than the storage.
    unsafe {
        let to = (&raw mut storage).cast::<u8>();
        std::ptr::copy_nonoverlapping(address.as_ptr().cast::<u8>(), to, address.len() as usize);
    }
    storage
}
