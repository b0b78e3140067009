//! Settings of a socket that reception can do without: each is asked for, and a refusal is a warning.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::Socket;

use super::report::{LineReport, Stamps};
use super::{BackendKind, LineSpec, Warning, nic, options};

/// Sets what reception can do without, and warns of what is refused.
pub(super) fn set(socket: &Socket, spec: &LineSpec, backend: BackendKind, report: &mut LineReport) {
    let fd = socket.as_fd();
    let mut grant = |setting, asked: &str, result: io::Result<()>, command: Option<String>| {
        let refused = result.err().map(|error| Warning {
            subject: spec.name.clone(),
            setting,
            asked: asked.into(),
            granted: "off".into(),
            why: error.to_string(),
            command,
        });
        let is_granted = refused.is_none();
        report.warnings.extend(refused);
        is_granted
    };
    let kernel = grant("SO_TIMESTAMPNS", "on", options::stamp_datagrams(fd), None);
    let drops_told = grant("SO_RXQ_OVFL", "on", options::tell_drops(fd), None);
    let coalesced = backend == BackendKind::Gro && grant("UDP_GRO", "on", options::coalesce(fd), None);
    (report.drops_told, report.coalesced) = (drops_told, coalesced);
    report.stamps = if kernel { Stamps::Kernel } else { Stamps::None };
    if spec.hardware_stamps {
        match nic::stamp_in_hardware(fd, spec, report.interface.as_deref()) {
            Ok(()) => report.stamps = Stamps::Hardware,
            Err(refusal) => report.warnings.push(refusal.warning(spec, report.stamps)),
        }
    }
    if let Some(us) = spec.busy_poll_us.filter(|&us| us > 0) {
        set_busy_poll(fd, us, report);
    }
    let warning = report.rcvbuf_asked_bytes.and_then(|asked| set_rcvbuf(socket, asked, &report.name));
    report.warnings.extend(warning);
    report.rcvbuf_bytes = socket.recv_buffer_size().unwrap_or(0);
}

/// Asks for busy polling, which is granted to administrators, and to others up to the system's default.
fn set_busy_poll(socket: BorrowedFd<'_>, us: u32, report: &mut LineReport) {
    let polls = options::busy_poll(socket, us);
    report.busy_poll_us = if polls.is_ok() { us } else { 0 };
    let sysctl = format!("sysctl -w net.core.busy_read={us}");
    let prefers = polls.is_ok().then(|| options::prefer_busy_poll(socket));
    let asked = [("SO_BUSY_POLL", format!("{us} µs"), Some(polls), sysctl)];
    let preferred = [("SO_PREFER_BUSY_POLL", "on".to_string(), prefers, grant_net_admin())];
    for (setting, asked, result, command) in asked.into_iter().chain(preferred) {
        if let Some(Err(error)) = result {
            let (subject, granted, why) = (report.name.clone(), "off".into(), error.to_string());
            report.warnings.push(Warning { subject, setting, asked, granted, why, command: Some(command) });
        }
    }
}

/// The command that lets this program do what administrators of the network may.
pub(super) fn grant_net_admin() -> String {
    let program = std::env::current_exe().map_or_else(|_| "PROGRAM".into(), |path| path.display().to_string());
    format!("setcap cap_net_admin+ep {program}")
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
