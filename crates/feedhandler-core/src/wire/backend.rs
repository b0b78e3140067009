//! The receive backends by name, behind one interface.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};

use super::control::{Datagram, Tell};
use super::recv::Recv;
use super::recvmmsg::Recvmmsg;
use crate::ring::{Claim, MAX_SLOT_BYTES};

/// Datagrams that a look takes at most (`UIO_MAXIOV`).
pub const MAX_BATCH: usize = 1024;

/// How datagrams are taken from the sockets.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    /// Many with one system call.
    #[default]
    Recvmmsg,
    /// Many with one system call, where those that came right after each other are one: the kernel coalesces what one
    /// sender sent in one length (`UDP_GRO`), and they are told apart where they lie.
    Gro,
    /// One with each system call.
    Recv,
}

impl BackendKind {
    /// The shortest slot that has room for what one receive may bring; `None` where that is the user's choice.
    #[must_use]
    pub fn least_slot_bytes(self) -> Option<usize> {
        (self == Self::Gro).then_some(MAX_SLOT_BYTES)
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recvmmsg => "recvmmsg",
            Self::Gro => "gro",
            Self::Recv => "recv",
        })
    }
}

/// A backend, and what it told of the datagrams it took last.
pub enum Backend {
    /// [`BackendKind::Recvmmsg`] and [`BackendKind::Gro`]: what differs is set on the socket.
    Many(Recvmmsg),
    /// [`BackendKind::Recv`].
    One(Recv),
}

impl Backend {
    /// For looks that take up to `batch` datagrams.
    #[must_use]
    pub fn new(kind: BackendKind, batch: usize) -> Self {
        match kind {
            BackendKind::Recvmmsg | BackendKind::Gro => Self::Many(Recvmmsg::new(batch)),
            BackendKind::Recv => Self::One(Recv::new(batch)),
        }
    }

    /// Takes up to as many datagrams as there are slots, without waiting, and writes their payloads into the slots.
    ///
    /// Fewer than that means that the socket was empty.
    ///
    /// # Errors
    /// `WouldBlock` where there is none; else what the socket reports.
    #[inline]
    pub fn receive(&mut self, socket: BorrowedFd<'_>, claim: &mut Claim<'_>, tell: Tell) -> io::Result<usize> {
        match self {
            Self::Many(recvmmsg) => recvmmsg.receive(socket, claim, tell),
            Self::One(recv) => recv.receive(socket, claim, tell),
        }
    }

    /// Takes datagrams, without waiting, and throws their payloads away.
    ///
    /// # Errors
    /// As [`Backend::receive`].
    pub fn discard(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        match self {
            Self::Many(recvmmsg) => recvmmsg.discard(socket),
            Self::One(recv) => recv.discard(socket),
        }
    }

    /// What the kernel told of a datagram that was taken last.
    ///
    /// # Panics
    /// The last look took fewer.
    #[inline]
    #[must_use]
    pub fn datagram(&self, index: usize) -> Datagram {
        match self {
            Self::Many(recvmmsg) => recvmmsg.datagram(index),
            Self::One(recv) => recv.datagram(index),
        }
    }

    /// How many datagrams a look takes at most.
    #[must_use]
    pub fn batch(&self) -> usize {
        match self {
            Self::Many(recvmmsg) => recvmmsg.batch(),
            Self::One(recv) => recv.batch(),
        }
    }
}
