//! A line, opened: the socket, what the system granted it, and what it has dropped.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::refusal::{refused, refused_bind, refused_join};
use super::report::{LineReport, Stamps};
use super::{BackendKind, LineSpec, WireError, drops::extend_drops, interface, join, options, settings};

/// A line that datagrams can be taken from. Non-blocking.
#[derive(Debug)]
pub struct LineSocket {
    socket: Socket,
    report: LineReport,
    filtered_sources: Vec<IpAddr>,
}

impl LineSocket {
    /// Opens a line: binds it to its address, and joins it where that is a multicast group.
    ///
    /// A group's socket is bound to the group and hears only what it has joined, so that another group on the same port
    /// does not leak in.
    ///
    /// # Errors
    /// The address or the interface is not of this machine, or the system refuses what cannot be done without.
    pub fn open(spec: &LineSpec, backend: BackendKind) -> Result<Self, WireError> {
        check_sources(spec)?;
        let joined_on = joined_on(spec)?;
        let socket = new_socket(spec).map_err(|error| refused(spec, "make a socket", "a UDP socket", &error))?;
        let mut report = LineReport::new(spec, joined_on.as_ref());
        settings::set(&socket, spec, backend, &mut report);
        let address = bind_address(spec.address, joined_on.as_ref());
        socket.bind(&address.into()).map_err(|error| refused_bind(spec, &error))?;
        if spec.address.ip().is_multicast() {
            join::join(&socket, spec, joined_on.as_ref()).map_err(|error| refused_join(spec, &error))?;
        }
        if let Ok(Some(bound)) = socket.local_addr().map(|bound| bound.as_socket()) {
            report.address = bound;
        }
        Ok(Self { socket, report, filtered_sources: spec.filtered_sources().to_vec() })
    }

    /// What became of the line's settings.
    #[must_use]
    pub fn report(&self) -> &LineReport {
        &self.report
    }

    /// The sources that reception has to look for; empty where it takes what comes.
    #[must_use]
    pub fn filtered_sources(&self) -> &[IpAddr] {
        &self.filtered_sources
    }

    /// Whether the kernel has more to tell of each datagram than its stamp and the drop counter.
    #[must_use]
    pub fn tells_more(&self) -> bool {
        self.report.coalesced || self.report.stamps == Stamps::Hardware
    }

    /// Datagrams that the kernel has dropped at this socket since it was opened, where `total` is what was known before.
    ///
    /// Mostly they found the receive buffer full; the kernel counts those with a wrong checksum here too.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn drops(&self, total: u64) -> io::Result<u64> {
        options::drops(self.as_fd()).map(|counter| extend_drops(total, counter))
    }
}

impl AsFd for LineSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn new_socket(spec: &LineSpec) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(spec.address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if spec.address.ip().is_multicast() {
        // Others on this machine may listen to the group too.
        socket.set_reuse_address(true)?;
        // Without this, a socket hears every group that any program on this machine has joined.
        match spec.address {
            SocketAddr::V4(_) => socket.set_multicast_all_v4(false)?,
            SocketAddr::V6(_) => socket.set_multicast_all_v6(false)?,
        }
    }
    Ok(socket)
}

/// Sources are addresses of senders, in the line's version of the protocol.
fn check_sources(spec: &LineSpec) -> Result<(), WireError> {
    let is_wrong = |source: &&IpAddr| {
        source.is_ipv4() != spec.address.is_ipv4() || source.is_multicast() || source.is_unspecified()
    };
    let Some(wrong) = spec.sources.iter().find(is_wrong) else { return Ok(()) };
    Err(WireError {
        subject: spec.name.clone(),
        doing: format!("hear only source {wrong}"),
        expected: format!("a sender's address of the same version as {}", spec.address),
        found: wrong.to_string(),
        remedy: "name the address that datagrams come from".into(),
    })
}

/// The interface that the line names.
fn joined_on(spec: &LineSpec) -> Result<Option<interface::Interface>, WireError> {
    let Some(named) = &spec.interface else { return Ok(None) };
    if !spec.address.ip().is_multicast() {
        return Err(WireError {
            subject: spec.name.clone(),
            doing: format!("listen on interface {named}"),
            expected: "an interface only beside a multicast group".into(),
            found: format!("the address {}", spec.address),
            remedy: "leave the interface out: the address already says it".into(),
        });
    }
    match interface::find(named).map_err(|error| refused(spec, "list the interfaces", "their names", &error))? {
        Ok(interface) => Ok(Some(interface)),
        Err(others) => Err(WireError {
            subject: spec.name.clone(),
            doing: format!("join {} on {named}", spec.address.ip()),
            expected: format!("one of {}", list(&others)),
            found: format!("interface {named}"),
            remedy: "name an interface of this machine, or one of its addresses".into(),
        }),
    }
}

fn list(interfaces: &[interface::Interface]) -> String {
    let mut names: Vec<_> = interfaces.iter().map(|interface| interface.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let addresses = interfaces.iter().filter_map(|interface| interface.address).map(|address| address.to_string());
    names.into_iter().chain(addresses).collect::<Vec<_>>().join(", ")
}

/// The address with the interface in it, where the address alone means another group on every link.
fn bind_address(address: SocketAddr, joined_on: Option<&interface::Interface>) -> SocketAddr {
    match (address, joined_on) {
        (SocketAddr::V6(mut v6), Some(interface)) if v6.scope_id() == 0 => {
            v6.set_scope_id(interface.index);
            v6.into()
        }
        _ => address,
    }
}
