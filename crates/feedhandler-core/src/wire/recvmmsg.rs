//! The receive backends `recvmmsg` and `gro`: many datagrams with one system call, each into its slot, or each run of
//! coalesced ones into theirs.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::control::{self, Control, Datagram, FULL_BYTES, STAMP_BYTES, Tell, TellDrops};
use crate::ring::Claim;

/// What the system call reads and writes, made once.
///
/// Invariant: each message's header points to its vector and its control room, and to its address or nowhere; all of them
/// stay where they are. Where the vectors point to is valid only during a call.
pub struct Recvmmsg {
    messages: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    addresses: Vec<libc::sockaddr_storage>,
    /// Whether the headers point to addresses.
    asks_source: bool,
    _control: Vec<Control>,
}

// SAFETY: by the invariant the pointers lead to memory of its own, which moves to another thread with it.
unsafe impl Send for Recvmmsg {}

impl Recvmmsg {
    /// For up to `batch` datagrams a call.
    pub(super) fn new(batch: usize) -> Self {
        let mut vectors = vec![control::nowhere(); batch];
        let mut room = vec![Control([0; FULL_BYTES]); batch];
        let message = |(vector, room)| libc::mmsghdr { msg_hdr: control::header(vector, room), msg_len: 0 };
        let messages = vectors.iter_mut().zip(&mut room).map(message).collect();
        let addresses = vec![control::no_address(); batch];
        Self { messages, vectors, addresses, asks_source: false, _control: room }
    }

    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, claim: &mut Claim<'_>, tell: Tell) -> io::Result<usize> {
        let count = claim.len().min(self.messages.len());
        for (index, vector) in self.vectors.iter_mut().enumerate().take(count) {
            let payload = claim.payload(index);
            vector.iov_base = payload.as_mut_ptr().cast();
            vector.iov_len = payload.len();
        }
        self.call(socket, count, tell)
    }

    pub(super) fn discard(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.vectors.iter_mut().for_each(|vector| vector.iov_len = 0);
        self.call(socket, self.messages.len(), Tell { drops: TellDrops::WithEach, source: false })
    }

    pub(super) fn datagram(&self, index: usize) -> Datagram {
        let message = &self.messages[index];
        control::datagram(&message.msg_hdr, message.msg_len as usize)
    }

    pub(super) fn batch(&self) -> usize {
        self.messages.len()
    }

    fn call(&mut self, socket: BorrowedFd<'_>, count: usize, tell: Tell) -> io::Result<usize> {
        let room = if tell.drops == TellDrops::WithEach { FULL_BYTES } else { STAMP_BYTES };
        if tell.source || self.asks_source {
            self.ask_source(tell.source);
        }
        for message in &mut self.messages[..count] {
            message.msg_hdr.msg_controllen = room; // where the kernel has written how much it used
        }
        if let Some(last) = self.messages[..count].last_mut() {
            last.msg_hdr.msg_controllen = FULL_BYTES;
        }
        // MSG_TRUNC asks for the length of the datagram, not of what fits.
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        let (fd, start, count) = (socket.as_raw_fd(), self.messages.as_mut_ptr(), count.try_into().unwrap_or(u32::MAX));
        // SAFETY: by the invariant every pointer among the messages is valid, and nobody waits, so no timeout is needed.
        let taken = unsafe { libc::recvmmsg(fd, start, count, flags, std::ptr::null_mut()) }; // system call
        usize::try_from(taken).map_err(|_| io::Error::last_os_error())
    }

    fn ask_source(&mut self, asks: bool) {
        for (message, address) in self.messages.iter_mut().zip(&mut self.addresses) {
            control::ask_source(&mut message.msg_hdr, asks.then_some(address));
        }
        self.asks_source = asks;
    }
}
