//! Batches to the kernel by `sendmmsg`: one socket for each address family, whatever the number of destinations; where
//! datagrams are of one size, many as one message (`UDP_SEGMENT`).

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::{fmt, io, mem, ptr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::batch::{BATCH_PACKETS, Batch};
use super::destination::{DestinationError, Interface, Reach, check_destination};
use super::segments::{SegmentControl, cannot_join, joinable};

/// What takes datagrams away: the kernel, or a test's stand-in that fails as a kernel may.
pub trait Transmit {
    /// Takes the datagrams of `batch` from number `from` on and returns how many it took, at least one.
    ///
    /// # Errors
    ///
    /// The first of them was not taken, for the reason said; nor were those behind it.
    fn transmit(&mut self, batch: &Batch, from: usize) -> io::Result<usize>;

    /// Whether datagrams of one size to one destination, one behind the other, may be handed over as one, where that can
    /// be done: it is faster, and a network that refuses some of them tells of fewer.
    fn join_segments(&mut self, is_wanted: bool) {
        let _ = is_wanted;
    }

    /// Waits until the socket may take datagrams again, or 50 ms.
    fn wait_writable(&mut self);

    /// Next datagram of which the network said that nobody took it, by its destination.
    fn next_refused(&mut self) -> Option<SocketAddr>;
}

/// Why no socket could be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The rail refuses a destination.
    Destination(DestinationError),
    /// The operating system refuses something.
    Io(&'static str, io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Destination(error) => error.fmt(f),
            Self::Io(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// UDP sockets and the destinations they send to.
#[derive(Debug)]
pub struct UdpTransmit {
    destinations: Vec<SockAddr>,
    v4: Option<Socket>,
    v6: Option<Socket>,
    /// The kernel knows the only destination: no route is looked up for each datagram.
    connected: bool,
    /// Datagrams of one size go as one.
    joins_segments: bool,
    /// They may.
    may_join: bool,
}

impl UdpTransmit {
    /// Opens what is needed to send to `destinations`; a datagram names its own by the number here.
    ///
    /// # Errors
    ///
    /// A destination that [`check_destination`] refuses, or the operating system's refusal.
    pub fn open(destinations: &[SocketAddr], reach: &Reach) -> Result<Self, OpenError> {
        for &to in destinations {
            check_destination(to, reach).map_err(OpenError::Destination)?;
        }
        let any = |is: fn(&SocketAddr) -> bool| destinations.iter().any(is);
        let mut transmit = Self {
            destinations: destinations.iter().map(|&to| SockAddr::from(to)).collect(),
            v4: any(SocketAddr::is_ipv4).then(|| open_socket(Domain::IPV4, reach)).transpose()?,
            v6: any(SocketAddr::is_ipv6).then(|| open_socket(Domain::IPV6, reach)).transpose()?,
            connected: false,
            joins_segments: false,
            may_join: true,
        };
        if let ([to], Some(socket)) = (transmit.destinations.as_slice(), transmit.v4.as_ref().or(transmit.v6.as_ref()))
        {
            socket.connect(to).map_err(|error| OpenError::Io("reach the destination", error))?;
            transmit.connected = true;
        }
        Ok(transmit)
    }

    /// Never hands datagrams to the kernel as one.
    #[must_use]
    pub fn without_segments(self) -> Self {
        Self { may_join: false, ..self }
    }

    /// The socket for a destination and how many datagrams of `batch` from `from` on go through it.
    fn run(&self, batch: &Batch, from: usize) -> Option<(&Socket, usize)> {
        let is_ipv6 = |to: usize| self.destinations.get(to).map(SockAddr::is_ipv6);
        let packets = batch.packets().get(from..)?;
        let family = is_ipv6(packets.first()?.to)?;
        let run = packets.iter().take_while(|packet| is_ipv6(packet.to) == Some(family)).count();
        Some((if family { self.v6.as_ref()? } else { self.v4.as_ref()? }, run))
    }
}

impl UdpTransmit {
    /// Gives datagrams to the kernel, those of one size to one destination as one message where they may be joined.
    fn send(&self, batch: &Batch, from: usize) -> io::Result<usize> {
        let (socket, run) = self.run(batch, from).ok_or(io::ErrorKind::InvalidInput)?;
        let mut buffers = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH_PACKETS];
        // SAFETY: a message header is numbers and pointers, for which all zeros is a value.
        let mut headers: [libc::mmsghdr; BATCH_PACKETS] = unsafe { mem::zeroed() };
        let mut controls = [SegmentControl::default(); BATCH_PACKETS];
        let mut lengths = [0; BATCH_PACKETS];
        let (mut at, end, mut count) = (from, from + run.min(BATCH_PACKETS), 0);
        while at < end {
            let packets = &batch.packets()[at..end];
            let joined = if self.joins_segments { joinable(batch, packets) } else { 1 };
            let bytes = batch.bytes_of(&packets[..joined]);
            let (buffer, header) = (&mut buffers[count], &mut headers[count].msg_hdr);
            *buffer = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            (header.msg_iov, header.msg_iovlen) = (buffer, 1);
            if joined > 1 {
                controls[count].attach(header, batch.payload(&packets[0]).len());
            }
            if let (false, Some(to)) = (self.connected, self.destinations.get(packets[0].to)) {
                header.msg_name = to.as_ptr().cast_mut().cast();
                header.msg_namelen = to.len();
            }
            lengths[count] = joined;
            (at, count) = (at + joined, count + 1);
        }
        let taken = send_messages(socket, &mut headers[..count])?;
        Ok(lengths[..taken].iter().sum())
    }
}

impl Transmit for UdpTransmit {
    fn transmit(&mut self, batch: &Batch, from: usize) -> io::Result<usize> {
        let sent = self.send(batch, from);
        match &sent {
            Err(error) if self.joins_segments && cannot_join(error) => {
                (self.joins_segments, self.may_join) = (false, false);
                self.send(batch, from)
            }
            _ => sent,
        }
    }

    fn join_segments(&mut self, is_wanted: bool) {
        self.joins_segments = is_wanted && self.may_join;
    }

    fn wait_writable(&mut self) {
        for socket in [&self.v4, &self.v6].into_iter().flatten() {
            let mut wanted = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
            // SAFETY: `wanted` is the one entry that the count of 1 promises, and outlives the call.
            unsafe { libc::poll(&raw mut wanted, 1, 50) };
        }
    }

    fn next_refused(&mut self) -> Option<SocketAddr> {
        let sockets = [&self.v4, &self.v6].into_iter().flatten();
        sockets
            .filter_map(|socket| socket.recv_from_with_flags(&mut [], libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT).ok())
            .find_map(|(_, to)| to.as_socket())
    }
}

fn send_messages(socket: &Socket, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    let count = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    // SAFETY: each header points to a payload and an address that the caller keeps alive and unchanged meanwhile.
    let taken = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT) };
    usize::try_from(taken).map_err(|_| io::Error::last_os_error())
}

fn open_socket(domain: Domain, reach: &Reach) -> Result<Socket, OpenError> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))
        .map_err(|error| OpenError::Io("open a UDP socket", error))?;
    let set_up = if domain == Domain::IPV4 { set_up_v4 } else { set_up_v6 };
    set_up(&socket, reach).map_err(|error| OpenError::Io("set up the UDP socket", error))?;
    Ok(socket)
}

/// `IP_RECVERR` makes the kernel say which datagrams were refused, and of those it dropped itself that it did.
fn set_up_v4(socket: &Socket, reach: &Reach) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, &1_i32)?;
    socket.set_multicast_ttl_v4(reach.multicast_ttl)?;
    socket.set_multicast_loop_v4(true)?;
    let Some(Interface { index }) = reach.interface else { return Ok(()) };
    let nowhere = libc::in_addr { s_addr: 0 };
    let imr_ifindex = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
    let by_index = libc::ip_mreqn { imr_multiaddr: nowhere, imr_address: nowhere, imr_ifindex };
    set_option(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &by_index)
}

fn set_up_v6(socket: &Socket, reach: &Reach) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &1_i32)?;
    socket.set_multicast_hops_v6(reach.multicast_ttl)?;
    socket.set_multicast_loop_v6(true)?;
    reach.interface.map_or(Ok(()), |interface| socket.set_multicast_if_v6(interface.index))
}

fn set_option<T>(socket: &Socket, level: i32, name: i32, value: &T) -> io::Result<()> {
    let bytes = libc::socklen_t::try_from(mem::size_of::<T>()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `value` is `bytes` long and outlives the call, which copies it.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(value).cast(), bytes) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
