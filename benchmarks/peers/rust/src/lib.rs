//! What the receivers have in common: the command line, quotes decoded with `rmp`, what was received, and its latencies.

pub mod quotes;
pub mod received;

use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::str::FromStr;

use socket2::{Domain, Socket, Type};

/// Longest datagram that is received whole.
pub const DATAGRAM_BYTES: usize = 2048;

/// The command line: `PROGRAM WARMUP_S SECONDS RCVBUF_BYTES`.
pub struct Options {
    pub warmup_s: f64,
    pub seconds: f64,
    pub rcvbuf_bytes: usize,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Panics
    /// It is not as it should be.
    #[must_use]
    pub fn from_args() -> Self {
        let mut args = std::env::args().skip(1);
        Self {
            warmup_s: next(&mut args, "WARMUP_S"),
            seconds: next(&mut args, "SECONDS"),
            rcvbuf_bytes: next(&mut args, "RCVBUF_BYTES"),
        }
    }
}

fn next<T: FromStr>(args: &mut impl Iterator<Item = String>, name: &str) -> T {
    let value = args.next().and_then(|text| text.parse().ok());
    value.unwrap_or_else(|| panic!("expected {name}: PROGRAM WARMUP_S SECONDS RCVBUF_BYTES"))
}

/// Binds a socket to a port that the system chooses, and prints which.
///
/// # Errors
/// The system refuses.
pub fn bound_socket(rcvbuf_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_recv_buffer_size(rcvbuf_bytes)?;
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let socket = UdpSocket::from(socket);
    println!("{}", socket.local_addr()?.port());
    io::stdout().flush()?;
    Ok(socket)
}
