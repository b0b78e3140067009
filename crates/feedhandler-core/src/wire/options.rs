//! Socket options that the standard interfaces do not reach.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, socklen_t};

/// Asks for a kernel stamp, `CLOCK_REALTIME` in nanoseconds, on every datagram.
pub(super) fn stamp_datagrams(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SO_TIMESTAMPNS, 1)
}

/// Asks for the number of datagrams that were dropped at the socket, on every datagram.
pub(super) fn tell_drops(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SO_RXQ_OVFL, 1)
}

/// Asks for the network card's stamp, where it makes one, on every datagram, beside the kernel's.
pub(super) fn tell_nic_stamps(socket: BorrowedFd<'_>) -> io::Result<()> {
    let flags = libc::SOF_TIMESTAMPING_RX_HARDWARE | libc::SOF_TIMESTAMPING_RAW_HARDWARE;
    set(socket, libc::SO_TIMESTAMPING, c_int::try_from(flags).unwrap_or(0))
}

/// Has datagrams that came right after each other coalesced.
pub(super) fn coalesce(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_at(socket, libc::SOL_UDP, libc::UDP_GRO, &1)
}

/// Has looks at an empty socket look at the network card's queue for so long.
pub(super) fn busy_poll(socket: BorrowedFd<'_>, us: u32) -> io::Result<()> {
    set(socket, libc::SO_BUSY_POLL, c_int::try_from(us).unwrap_or(c_int::MAX))
}

/// Has the card's interrupts stay off while looks come often enough.
pub(super) fn prefer_busy_poll(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SO_PREFER_BUSY_POLL, 1)
}

/// Sets the receive buffer beyond `net.core.rmem_max`: for those who administrate the network.
pub(super) fn force_rcvbuf(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    set(socket, libc::SO_RCVBUFFORCE, c_int::try_from(bytes).unwrap_or(c_int::MAX))
}

/// Datagrams dropped at the socket since it was opened, as the kernel counts them: in 32 bits that wrap.
///
/// The kernel tells the same number beside a datagram ([`tell_drops`]), but only with the next one that is received.
pub(super) fn drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    /// Where the number stands in what `SO_MEMINFO` tells (`linux/sock_diag.h`, `SK_MEMINFO_DROPS`).
    const DROPS: usize = 8;
    let mut info = [0_u32; DROPS + 1];
    let mut len = len_of(&info);
    let (fd, start) = (socket.as_raw_fd(), info.as_mut_ptr().cast());
    // SAFETY: the kernel writes at most `len` bytes to the start of the array.
    let refused = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_MEMINFO, start, &raw mut len) };
    if refused != 0 {
        return Err(io::Error::last_os_error());
    }
    if (len as usize) < size_of_val(&info) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(info[DROPS])
}

fn set(socket: BorrowedFd<'_>, option: c_int, value: c_int) -> io::Result<()> {
    set_at(socket, libc::SOL_SOCKET, option, &value)
}

/// Sets an option whose value is a `T`.
pub(super) fn set_at<T>(socket: BorrowedFd<'_>, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    let start = std::ptr::from_ref(value).cast();
    // SAFETY: the pointer and the length are those of `value`.
    let refused = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, start, len_of(value)) };
    if refused == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(clippy::cast_possible_truncation, reason = "options are a few bytes long")]
fn len_of<T>(value: &T) -> socklen_t {
    size_of_val(value) as socklen_t
}
