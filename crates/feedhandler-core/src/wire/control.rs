//! What the kernel tells beside a datagram: its stamp, the drop counter, how it was coalesced, who sent it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the kernel told of what one receive took: a datagram, or several that it had coalesced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagram {
    /// Its length, also where it is longer than the slot.
    pub len: usize,
    /// When the kernel received it, `CLOCK_REALTIME`.
    pub stamp_ns: Option<u64>,
    /// When the network card received it, by the card's clock.
    pub nic_stamp_ns: Option<u64>,
    /// The socket's drop counter when it was queued. Told only when it is not 0.
    pub drops: Option<u32>,
    /// Length of each datagram but the last, where several were coalesced.
    pub segment_bytes: Option<usize>,
    /// Who sent it, where that was asked for.
    pub source: Option<SocketAddr>,
}

impl Datagram {
    /// How many datagrams it is.
    #[must_use]
    pub fn count(&self) -> usize {
        self.segment_bytes.map_or(1, |bytes| self.len.div_ceil(bytes).max(1))
    }
}

/// What the kernel is to tell beside datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tell {
    /// Its drop counter.
    pub drops: TellDrops,
    /// Who sent it.
    pub source: bool,
}

/// Which datagrams of a call the kernel is to tell its drop counter with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TellDrops {
    /// Every one.
    WithEach,
    /// The last that there is a slot for. The counter of the others is not told, which the kernel does faster.
    WithLast,
}

/// Room for a stamp. The kernel puts it first, and leaves away what it finds no room for.
pub(super) const STAMP_BYTES: usize = space(size_of::<libc::timespec>());

/// Room for all that this module reads.
pub(super) const FULL_BYTES: usize = STAMP_BYTES + space(size_of::<[libc::timespec; 3]>()) + 2 * space(4);

/// Room that a control message takes whose data is `len` bytes long.
#[expect(clippy::cast_possible_truncation, reason = "a few bytes")]
const fn space(len: usize) -> usize {
    // SAFETY: the function only calculates.
    unsafe { libc::CMSG_SPACE(len as u32) as usize }
}

/// Room for the control messages of one datagram.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control(pub(super) [u8; FULL_BYTES]);

/// A header that points to a vector and to room for control messages.
pub(super) fn header(vector: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: zeros are a valid header: no address, no vectors, no control messages, no flags.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header
}

/// A vector that points nowhere.
pub(super) fn nowhere() -> libc::iovec {
    libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }
}

/// Room for an address, empty.
pub(super) fn no_address() -> libc::sockaddr_storage {
    // SAFETY: zeros are an address of no family.
    unsafe { std::mem::zeroed() }
}

/// Has the kernel write the sender's address to `address`, or nowhere.
pub(super) fn ask_source(header: &mut libc::msghdr, address: Option<&mut libc::sockaddr_storage>) {
    header.msg_namelen = address.as_ref().map_or(0, |_| ADDRESS_BYTES);
    header.msg_name = address.map_or(std::ptr::null_mut(), |address| std::ptr::from_mut(address).cast());
}

#[expect(clippy::cast_possible_truncation, reason = "a few bytes")]
const ADDRESS_BYTES: libc::socklen_t = size_of::<libc::sockaddr_storage>() as libc::socklen_t;

/// What is told of a datagram of `len` bytes by the header it was received with, whose pointers are still valid.
pub(super) fn datagram(header: &libc::msghdr, len: usize) -> Datagram {
    let mut datagram = Datagram { len, ..Datagram::default() };
    // SAFETY: the name is null, or room for an address of any family that the kernel has written to.
    datagram.source = unsafe { header.msg_name.cast::<libc::sockaddr_storage>().as_ref() }.and_then(source);
    read_control(header, &mut datagram);
    datagram
}

fn read_control(header: &libc::msghdr, datagram: &mut Datagram) {
    // SAFETY: the kernel has written control messages into the room, and their length into the header.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() };
    while let Some(control) = next {
        // SAFETY: a control message has its data behind its header.
        let data = unsafe { libc::CMSG_DATA(control) };
        match (control.cmsg_level, control.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                // SAFETY: this kind carries a timespec.
                let stamp = unsafe { data.cast::<libc::timespec>().read_unaligned() };
                datagram.stamp_ns = Some(nanoseconds(stamp));
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => {
                // SAFETY: this kind carries three of them (linux/errqueue.h, scm_timestamping); the last is the card's.
                let [_, _, card] = unsafe { data.cast::<[libc::timespec; 3]>().read_unaligned() };
                datagram.nic_stamp_ns = Some(nanoseconds(card)).filter(|&stamp_ns| stamp_ns != 0);
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                // SAFETY: this kind carries a u32.
                datagram.drops = Some(unsafe { data.cast::<u32>().read_unaligned() });
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                // SAFETY: this kind carries an int.
                let bytes = unsafe { data.cast::<libc::c_int>().read_unaligned() };
                datagram.segment_bytes = usize::try_from(bytes).ok().filter(|&bytes| bytes > 0);
            }
            _ => {}
        }
        // SAFETY: the control message is one of this header's.
        next = unsafe { libc::CMSG_NXTHDR(header, control).as_ref() };
    }
}

fn nanoseconds(time: libc::timespec) -> u64 {
    // A clock before 1970 gives no negative number of nanoseconds, only 0.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// The address, and version 4 as such where a socket of version 6 heard it.
fn source(address: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let start = std::ptr::from_ref(address);
    match i32::from(address.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure it is, and there is room for any.
            let v4 = unsafe { start.cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(ip.into(), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says which structure it is, and there is room for any.
            let v6 = unsafe { start.cast::<libc::sockaddr_in6>().read() };
            let ip = IpAddr::from(Ipv6Addr::from(v6.sin6_addr.s6_addr)).to_canonical();
            Some(SocketAddr::new(ip, u16::from_be(v6.sin6_port)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a control message behind those that are there.
    fn put<T>(room: &mut Control, used: &mut usize, level: i32, kind: i32, data: T) {
        let len = space(0) + size_of::<T>();
        let header = libc::cmsghdr { cmsg_len: len, cmsg_level: level, cmsg_type: kind };
        let at = &mut room.0[*used..*used + space(size_of::<T>())];
        // SAFETY: the range has room for the header and the data behind it.
        unsafe {
            at.as_mut_ptr().cast::<libc::cmsghdr>().write_unaligned(header);
            at.as_mut_ptr().add(space(0)).cast::<T>().write_unaligned(data);
        }
        *used += space(size_of::<T>());
    }

    fn told(fill: impl FnOnce(&mut Control, &mut usize)) -> Datagram {
        let (mut vector, mut room, mut used) = (nowhere(), Control([0; FULL_BYTES]), 0);
        fill(&mut room, &mut used);
        let mut header = header(&mut vector, &mut room);
        header.msg_controllen = used;
        datagram(&header, 100)
    }

    const fn at(tv_sec: i64) -> libc::timespec {
        libc::timespec { tv_sec, tv_nsec: 5 }
    }

    #[test]
    fn everything_that_the_kernel_may_tell_has_room_and_is_read() {
        let found = told(|room, used| {
            put(room, used, libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, at(1));
            put(room, used, libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, [at(0), at(0), at(2)]);
            put(room, used, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, u32::MAX);
            put(room, used, libc::SOL_UDP, libc::UDP_GRO, 30_i32);
            assert_eq!(*used, FULL_BYTES);
        });
        assert_eq!((found.stamp_ns, found.nic_stamp_ns), (Some(1_000_000_005), Some(2_000_000_005)));
        assert_eq!((found.drops, found.segment_bytes, found.count()), (Some(u32::MAX), Some(30), 4));
    }

    #[test]
    fn a_stamp_that_the_card_did_not_make_is_none() {
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let found = told(|room, used| put(room, used, libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, [at(1), zero, zero]));
        assert_eq!(found.nic_stamp_ns, None);
    }

    #[test]
    fn a_datagram_is_one_however_short_it_is_and_coalesced_ones_are_counted() {
        for (len, segment_bytes, count) in
            [(0, None, 1), (100, None, 1), (0, Some(30), 1), (30, Some(30), 1), (31, Some(30), 2), (60, Some(30), 2)]
        {
            assert_eq!(Datagram { len, segment_bytes, ..Datagram::default() }.count(), count);
        }
        let strange = told(|room, used| put(room, used, libc::SOL_UDP, libc::UDP_GRO, 0_i32));
        assert_eq!(strange.segment_bytes, None);
    }
}
