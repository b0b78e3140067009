//! The receive backend `recv`: one datagram with each system call, by what every POSIX system has.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::control::{self, Control, Datagram, FULL_BYTES, Tell, TellDrops};
use crate::ring::Claim;

/// What the system call reads and writes, made once.
///
/// Invariant: `header` is made anew for each call, and points to nothing else than what lives through it.
pub struct Recv {
    room: Box<Control>,
    address: Box<libc::sockaddr_storage>,
    batch: usize,
    taken: Vec<Datagram>,
    /// What ended the last look, where that had taken something before.
    failed: Option<io::Error>,
}

impl Recv {
    /// For looks of up to `batch` datagrams.
    pub(super) fn new(batch: usize) -> Self {
        let room = Box::new(Control([0; FULL_BYTES]));
        Self { room, address: Box::new(control::no_address()), batch, taken: Vec::with_capacity(batch), failed: None }
    }

    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, claim: &mut Claim<'_>, tell: Tell) -> io::Result<usize> {
        let count = claim.len().min(self.batch);
        self.look(count, |recv, index| recv.call(socket, claim.payload(index), tell))
    }

    pub(super) fn discard(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let tell = Tell { drops: TellDrops::WithEach, source: false };
        self.look(self.batch, |recv, _| recv.call(socket, &mut [], tell))
    }

    pub(super) fn datagram(&self, index: usize) -> Datagram {
        self.taken[index]
    }

    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    fn look(
        &mut self,
        count: usize,
        mut take: impl FnMut(&mut Self, usize) -> io::Result<Datagram>,
    ) -> io::Result<usize> {
        self.taken.clear();
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        for index in 0..count {
            match take(self, index) {
                Ok(datagram) => self.taken.push(datagram),
                Err(error) if index == 0 => return Err(error),
                Err(error) => {
                    self.failed = Some(error).filter(|error| error.kind() != io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        Ok(self.taken.len())
    }

    fn call(&mut self, socket: BorrowedFd<'_>, payload: &mut [u8], tell: Tell) -> io::Result<Datagram> {
        let mut vector = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
        let mut header = control::header(&mut vector, &mut self.room);
        header.msg_controllen = FULL_BYTES;
        control::ask_source(&mut header, tell.source.then_some(&mut *self.address));
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: every pointer in the header is valid through the call.
        let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) }; // system call
        let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
        Ok(control::datagram(&header, len))
    }
}
