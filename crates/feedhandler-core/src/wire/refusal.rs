//! Why a line cannot be opened, in words that say what to do.

use std::io;

use super::{LineSpec, WireError};

pub(super) fn refused(spec: &LineSpec, doing: &str, expected: &str, error: &io::Error) -> WireError {
    WireError {
        subject: spec.name.clone(),
        doing: doing.into(),
        expected: expected.into(),
        found: error.to_string(),
        remedy: "see what the system says".into(),
    }
}

pub(super) fn refused_bind(spec: &LineSpec, error: &io::Error) -> WireError {
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

pub(super) fn refused_join(spec: &LineSpec, error: &io::Error) -> WireError {
    let remedy = match (&spec.interface, error.raw_os_error()) {
        (None, Some(libc::ENODEV)) => "no route leads to the group: name the interface to join on",
        (Some(_), Some(libc::ENODEV)) => "the interface is gone, or cannot do multicast",
        (Some(_), Some(libc::EPERM)) => "binding to an interface takes Linux 5.7, or CAP_NET_RAW",
        (_, Some(libc::ENOBUFS)) => "raise net.ipv4.igmp_max_memberships, or for many sources igmp_max_msf",
        (_, Some(libc::EADDRNOTAVAIL | libc::EINVAL)) => "a source must be an address that one machine can have",
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
