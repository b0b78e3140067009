//! Receive stamps by the network card: whether it can, and to have it do so.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::report::Stamps;
use super::settings::grant_net_admin;
use super::{LineSpec, Warning, interface, options};

/// Why the card does not stamp.
pub(super) struct Refusal {
    why: String,
    command: Option<String>,
}

impl Refusal {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), command: None }
    }

    pub(super) fn warning(self, spec: &LineSpec, granted: Stamps) -> Warning {
        let granted = if granted == Stamps::None { "none" } else { "the kernel's" };
        Warning {
            subject: spec.name.clone(),
            setting: "SO_TIMESTAMPING",
            asked: "the network card's stamps".into(),
            granted: granted.into(),
            why: self.why,
            command: self.command,
        }
    }
}

/// Has the card that the line is received on stamp all packets, and the socket tell it.
pub(super) fn stamp_in_hardware(
    socket: BorrowedFd<'_>,
    spec: &LineSpec,
    joined_on: Option<&str>,
) -> Result<(), Refusal> {
    let interface = match joined_on {
        Some(name) => name.to_string(),
        None => interface_of(spec)?,
    };
    if !can_stamp(socket, &interface) {
        return Err(Refusal::new(format!(
            "{interface} has no clock that stamps every packet (`ethtool -T {interface}`)"
        )));
    }
    if !stamps_all(socket, &interface) {
        stamp_all(socket, &interface).map_err(|error| Refusal {
            why: format!("{interface}: {error}"),
            command: Some(grant_net_admin()).filter(|_| error.kind() == io::ErrorKind::PermissionDenied),
        })?;
    }
    options::tell_nic_stamps(socket).map_err(|error| Refusal::new(error.to_string()))
}

/// The interface that has the line's address.
fn interface_of(spec: &LineSpec) -> Result<String, Refusal> {
    let address = spec.address.ip();
    let found = if address.is_multicast() || address.is_unspecified() { None } else { find(&address.to_string()) };
    found.ok_or_else(|| Refusal::new("which card it is received on is not known: name the interface"))
}

fn find(address: &str) -> Option<String> {
    interface::find(address).ok()?.ok().map(|interface| interface.name)
}

/// `struct ethtool_ts_info` of `linux/ethtool.h`.
#[repr(C)]
#[derive(Default)]
struct Abilities {
    cmd: u32,
    so_timestamping: u32,
    phc_index: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

const ETHTOOL_GET_TS_INFO: u32 = 0x0000_0041;
/// `HWTSTAMP_FILTER_ALL` of `linux/net_tstamp.h`: every packet is stamped.
const FILTER_ALL: i32 = 1;
/// Reads what [`libc::SIOCSHWTSTAMP`] sets (`linux/sockios.h`).
const SIOCGHWTSTAMP: libc::c_ulong = 0x0000_89b1;

/// Whether the card can stamp every packet.
fn can_stamp(socket: BorrowedFd<'_>, interface: &str) -> bool {
    let mut abilities = Abilities { cmd: ETHTOOL_GET_TS_INFO, ..Abilities::default() };
    ask(socket, interface, libc::SIOCETHTOOL, &mut abilities).is_ok()
        && abilities.so_timestamping & libc::SOF_TIMESTAMPING_RX_HARDWARE != 0
        && abilities.rx_filters & 1 << FILTER_ALL != 0
}

/// Whether it does so already, as another program may have asked.
fn stamps_all(socket: BorrowedFd<'_>, interface: &str) -> bool {
    let mut config = libc::hwtstamp_config { flags: 0, tx_type: 0, rx_filter: 0 };
    ask(socket, interface, SIOCGHWTSTAMP, &mut config).is_ok() && config.rx_filter == FILTER_ALL
}

/// Has it do so, and leaves alone whether it stamps what it sends.
fn stamp_all(socket: BorrowedFd<'_>, interface: &str) -> io::Result<()> {
    let mut config = libc::hwtstamp_config { flags: 0, tx_type: 0, rx_filter: 0 };
    let _ = ask(socket, interface, SIOCGHWTSTAMP, &mut config); // a driver that does not tell can still be told
    config.rx_filter = FILTER_ALL;
    ask(socket, interface, libc::SIOCSHWTSTAMP, &mut config)
}

/// Asks the driver of an interface something, which it answers in place.
fn ask<T>(socket: BorrowedFd<'_>, interface: &str, request: libc::c_ulong, data: &mut T) -> io::Result<()> {
    // SAFETY: zeros are a request without a name.
    let mut message: libc::ifreq = unsafe { std::mem::zeroed() };
    if interface.len() >= message.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in message.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    message.ifr_ifru.ifru_data = std::ptr::from_mut(data).cast();
    // SAFETY: the request takes such a message, and writes to what it points to as much as a `T` has room for.
    let refused = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut message) };
    if refused == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
