//! The network interfaces of this machine: which one a name or an address stands for.

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr::NonNull;

/// An interface, with one of its addresses: an interface is listed once for each.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) address: Option<IpAddr>,
}

/// All interfaces.
pub(crate) fn interfaces() -> io::Result<Vec<Interface>> {
    let mut first = std::ptr::null_mut();
    // SAFETY: the pointer is where the list goes.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = NonNull::new(first);
    while let Some(entry) = next {
        // SAFETY: entries of the list are valid until it is freed, below.
        let entry = unsafe { entry.as_ref() };
        found.push(interface(entry));
        next = NonNull::new(entry.ifa_next);
    }
    // SAFETY: the list came from getifaddrs and nothing of it is kept.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

/// What was meant by a name or an address, or the list of what it could have been.
pub(crate) fn find(name_or_address: &str) -> io::Result<Result<Interface, Vec<Interface>>> {
    let all = interfaces()?;
    let address = name_or_address.parse::<IpAddr>().ok();
    let meant = |interface: &&Interface| match address {
        Some(_) => interface.address == address,
        None => interface.name == name_or_address,
    };
    Ok(all.iter().find(meant).cloned().ok_or(all))
}

fn interface(entry: &libc::ifaddrs) -> Interface {
    // SAFETY: each entry has a name that ends with a zero.
    let name = unsafe { CStr::from_ptr(entry.ifa_name) };
    // SAFETY: as above; an index of 0 says that the interface has just gone.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    Interface { name: name.to_string_lossy().into_owned(), index, address: address(entry.ifa_addr) }
}

fn address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: an address is null or valid, and every one starts with its family.
    let family = unsafe { address.as_ref() }?.sa_family;
    match i32::from(family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure it is.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the family says which structure it is.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_found_by_its_name_and_by_its_address() {
        let by_address = find("127.0.0.1").unwrap().unwrap();
        let by_name = find(&by_address.name).unwrap().unwrap();
        assert_eq!(by_address.index, by_name.index);
        assert_ne!(by_address.index, 0);
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let others = find("nowhere0").unwrap().unwrap_err();
        assert!(others.iter().any(|interface| interface.address == Some(Ipv4Addr::LOCALHOST.into())));
    }
}
