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
    let len = len_of(&value);
    // SAFETY: the pointer and the length are those of `value`.
    let refused =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), len) };
    if refused == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(clippy::cast_possible_truncation, reason = "options are a few bytes long")]
fn len_of<T>(value: &T) -> socklen_t {
    size_of_val(value) as socklen_t
}
