//! The receive backend `recvmmsg`: many datagrams with one system call, each into its slot.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::ring::Claim;

/// Datagrams that the system call takes at most (`UIO_MAXIOV`).
pub const MAX_BATCH: usize = 1024;

/// What the kernel told of a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagram {
    /// Its length, also where it is longer than the slot.
    pub len: usize,
    /// When the kernel received it, `CLOCK_REALTIME`.
    pub stamp_ns: Option<u64>,
    /// The socket's drop counter when it was queued. Told only when it is not 0.
    pub drops: Option<u32>,
}

/// Which datagrams of a call the kernel is to tell its drop counter with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TellDrops {
    /// Every one.
    WithEach,
    /// The last that there is a slot for. The counter of the others is not told, which the kernel does faster.
    WithLast,
}

/// Room for the control messages of one datagram.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; FULL_CONTROL_BYTES]);

/// Room for a stamp. The kernel puts it first, and leaves away what it finds no room for.
#[expect(clippy::cast_possible_truncation, reason = "a few bytes")]
// SAFETY: the function only calculates.
const STAMP_CONTROL_BYTES: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::timespec>() as u32) } as usize;

/// Room for a stamp and a drop counter.
// SAFETY: the function only calculates.
const FULL_CONTROL_BYTES: usize = STAMP_CONTROL_BYTES + unsafe { libc::CMSG_SPACE(4) } as usize;

/// What the system call reads and writes, made once.
///
/// Invariant: each message's header points to its vector and its control room, which stay where they are. Where the vectors
/// point to is valid only during a call.
pub struct Recvmmsg {
    messages: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    _control: Vec<Control>,
}

impl Recvmmsg {
    /// For up to `batch` datagrams a call.
    #[must_use]
    pub fn new(batch: usize) -> Self {
        let nowhere = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let mut vectors = vec![nowhere; batch];
        let mut control = vec![Control([0; FULL_CONTROL_BYTES]); batch];
        let messages = vectors.iter_mut().zip(&mut control).map(|(vector, control)| message(vector, control)).collect();
        Self { messages, vectors, _control: control }
    }

    /// Takes up to as many datagrams as there are slots, without waiting, and writes their payloads into the slots.
    ///
    /// Fewer than that means that the socket was empty.
    ///
    /// # Errors
    /// `WouldBlock` where there is none; else what the socket reports.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, claim: &mut Claim<'_>, tell: TellDrops) -> io::Result<usize> {
        let count = claim.len().min(self.messages.len());
        for (index, vector) in self.vectors.iter_mut().enumerate().take(count) {
            let payload = claim.payload(index);
            vector.iov_base = payload.as_mut_ptr().cast();
            vector.iov_len = payload.len();
        }
        self.call(socket, count, tell)
    }

    /// Takes datagrams, without waiting, and throws their payloads away.
    ///
    /// # Errors
    /// As [`Recvmmsg::receive`].
    pub fn discard(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.vectors.iter_mut().for_each(|vector| vector.iov_len = 0);
        self.call(socket, self.messages.len(), TellDrops::WithEach)
    }

    /// What the kernel told of a datagram of the last call.
    ///
    /// # Panics
    /// The last call took fewer.
    #[must_use]
    pub fn datagram(&self, index: usize) -> Datagram {
        let message = &self.messages[index];
        let mut datagram = Datagram { len: message.msg_len as usize, ..Datagram::default() };
        read_control(&message.msg_hdr, &mut datagram);
        datagram
    }

    /// How many datagrams a call takes at most.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.messages.len()
    }

    fn call(&mut self, socket: BorrowedFd<'_>, count: usize, tell: TellDrops) -> io::Result<usize> {
        let room = if tell == TellDrops::WithEach { FULL_CONTROL_BYTES } else { STAMP_CONTROL_BYTES };
        for message in &mut self.messages[..count] {
            message.msg_hdr.msg_controllen = room; // where the kernel has written how much it used
        }
        if let Some(last) = self.messages[..count].last_mut() {
            last.msg_hdr.msg_controllen = FULL_CONTROL_BYTES;
        }
        // MSG_TRUNC asks for the length of the datagram, not of what fits.
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        let (fd, start, count) = (socket.as_raw_fd(), self.messages.as_mut_ptr(), count.try_into().unwrap_or(u32::MAX));
        // SAFETY: by the invariant every pointer among the messages is valid, and nobody waits, so no timeout is needed.
        let taken = unsafe { libc::recvmmsg(fd, start, count, flags, std::ptr::null_mut()) }; // system call
        usize::try_from(taken).map_err(|_| io::Error::last_os_error())
    }
}

fn message(vector: &mut libc::iovec, control: &mut Control) -> libc::mmsghdr {
    // SAFETY: zeros are a valid header: no address, no vectors, no control messages, no flags.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    libc::mmsghdr { msg_hdr: header, msg_len: 0 }
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
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                // SAFETY: this kind carries a u32.
                datagram.drops = Some(unsafe { data.cast::<u32>().read_unaligned() });
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
