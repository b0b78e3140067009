//! A line, opened: the socket, what the system granted it, and what it has dropped.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};

use serde::Serialize;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::{LineSpec, Warning, WireError, drops::extend_drops, interface, options};

/// What became of a line's settings.
#[derive(Clone, Debug, Serialize)]
pub struct LineReport {
    /// Name of the line.
    pub name: String,
    /// Channel that the line carries.
    pub channel: u16,
    /// Which of the channel's lines it is.
    pub line: u16,
    /// Address that the socket is bound to: the local address, or the multicast group.
    pub address: SocketAddr,
    /// Name of the interface that the group is joined on; `None` where routing decided, or for a local address.
    pub interface: Option<String>,
    /// Receive buffer asked for.
    pub rcvbuf_asked_bytes: Option<usize>,
    /// Receive buffer as the kernel tells it: twice what it granted, because it counts its own overhead in.
    pub rcvbuf_bytes: usize,
    /// Whether the kernel stamps datagrams.
    pub stamped: bool,
    /// Whether the kernel tells with each datagram how many it had dropped.
    pub drops_told: bool,
    /// Settings that were not granted in full.
    pub warnings: Vec<Warning>,
}

/// A line that datagrams can be taken from. Non-blocking.
#[derive(Debug)]
pub struct LineSocket {
    socket: Socket,
    report: LineReport,
}

impl LineSocket {
    /// Opens a line: binds it to its address, and joins it where that is a multicast group.
    ///
    /// A group's socket is bound to the group and hears only what it has joined, so that another group on the same port
    /// does not leak in.
    ///
    /// # Errors
    /// The address or the interface is not of this machine, or the system refuses what cannot be done without.
    pub fn open(spec: &LineSpec) -> Result<Self, WireError> {
        let joined_on = joined_on(spec)?;
        let socket = new_socket(spec).map_err(|error| refused(spec, "make a socket", "a UDP socket", &error))?;
        let mut report = report(spec, joined_on.as_ref());
        set_options(&socket, &mut report);
        let address = bind_address(spec.address, joined_on.as_ref());
        socket.bind(&address.into()).map_err(|error| refused_bind(spec, &error))?;
        if spec.address.ip().is_multicast() {
            join(&socket, spec.address.ip(), joined_on.as_ref()).map_err(|error| refused_join(spec, &error))?;
        }
        if let Ok(Some(bound)) = socket.local_addr().map(|bound| bound.as_socket()) {
            report.address = bound;
        }
        Ok(Self { socket, report })
    }

    /// What became of the line's settings.
    #[must_use]
    pub fn report(&self) -> &LineReport {
        &self.report
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

fn report(spec: &LineSpec, joined_on: Option<&interface::Interface>) -> LineReport {
    LineReport {
        name: spec.name.clone(),
        channel: spec.channel,
        line: spec.line,
        address: spec.address,
        interface: joined_on.map(|interface| interface.name.clone()),
        rcvbuf_asked_bytes: spec.rcvbuf_bytes,
        rcvbuf_bytes: 0,
        stamped: false,
        drops_told: false,
        warnings: Vec::new(),
    }
}

/// Sets what reception can do without, and warns of what is refused.
fn set_options(socket: &Socket, report: &mut LineReport) {
    let stamps = options::stamp_datagrams(socket.as_fd());
    let drops = options::tell_drops(socket.as_fd());
    (report.stamped, report.drops_told) = (stamps.is_ok(), drops.is_ok());
    for (setting, result) in [("SO_TIMESTAMPNS", stamps), ("SO_RXQ_OVFL", drops)] {
        if let Err(error) = result {
            report.warnings.push(Warning {
                subject: report.name.clone(),
                setting,
                asked: "on".into(),
                granted: "off".into(),
                why: error.to_string(),
                command: None,
            });
        }
    }
    let warning = report.rcvbuf_asked_bytes.and_then(|asked| set_rcvbuf(socket, asked, &report.name));
    report.warnings.extend(warning);
    report.rcvbuf_bytes = socket.recv_buffer_size().unwrap_or(0);
}

/// Asks for a receive buffer, with the rights of an administrator where the limit for others is too low.
fn set_rcvbuf(socket: &Socket, asked_bytes: usize, name: &str) -> Option<Warning> {
    // The kernel doubles what it grants.
    let granted_bytes = || socket.recv_buffer_size().unwrap_or(0) / 2;
    let ordinary = socket.set_recv_buffer_size(asked_bytes);
    if granted_bytes() >= asked_bytes || options::force_rcvbuf(socket.as_fd(), asked_bytes).is_ok() {
        return None;
    }
    Some(Warning {
        subject: name.into(),
        setting: "SO_RCVBUF",
        asked: format!("{asked_bytes} bytes"),
        granted: format!("{} bytes", granted_bytes()),
        why: ordinary.map_or_else(|error| error.to_string(), |()| "net.core.rmem_max is the limit".into()),
        command: Some(format!("sysctl -w net.core.rmem_max={asked_bytes}")),
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

fn join(socket: &Socket, group: IpAddr, joined_on: Option<&interface::Interface>) -> io::Result<()> {
    let index = joined_on.map_or(0, |interface| interface.index);
    match group {
        IpAddr::V4(group) => socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
        IpAddr::V6(group) => {
            // Unlike version 4, a socket that has joined on one interface hears the group from every other too.
            socket.bind_device_by_index_v6(NonZeroU32::new(index))?;
            socket.join_multicast_v6(&group, index)
        }
    }
}

fn refused(spec: &LineSpec, doing: &str, expected: &str, error: &io::Error) -> WireError {
    WireError {
        subject: spec.name.clone(),
        doing: doing.into(),
        expected: expected.into(),
        found: error.to_string(),
        remedy: "see what the system says".into(),
    }
}

fn refused_bind(spec: &LineSpec, error: &io::Error) -> WireError {
    let (address, port) = (spec.address, spec.address.port());
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("end the program that `ss -ulpn 'sport = :{port}'` shows, or choose another port")
        }
        io::ErrorKind::AddrNotAvailable => "use an address that `ip address` shows".into(),
        io::ErrorKind::PermissionDenied => "choose a port above 1023, or grant CAP_NET_BIND_SERVICE".into(),
        _ => "see what the system says".into(),
    };
    WireError {
        subject: spec.name.clone(),
        doing: format!("bind to {address}"),
        expected: "a free port on an address of this machine, or a multicast group".into(),
        found: error.to_string(),
        remedy,
    }
}

fn refused_join(spec: &LineSpec, error: &io::Error) -> WireError {
    let remedy = match (&spec.interface, error.raw_os_error()) {
        (None, Some(libc::ENODEV)) => "no route leads to the group: name the interface to join on",
        (Some(_), Some(libc::ENODEV)) => "the interface is gone, or cannot do multicast",
        (Some(_), Some(libc::EPERM)) => "binding to an interface takes Linux 5.7, or CAP_NET_RAW",
        (_, Some(libc::ENOBUFS)) => "raise net.ipv4.igmp_max_memberships",
        _ => "see what the system says",
    };
    let on = spec.interface.as_ref().map_or(String::new(), |interface| format!(" on {interface}"));
    WireError {
        subject: spec.name.clone(),
        doing: format!("join {}{on}", spec.address.ip()),
        expected: "an interface that can join the group".into(),
        found: error.to_string(),
        remedy: remedy.into(),
    }
}
