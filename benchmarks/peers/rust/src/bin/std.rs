//! `std::net::UdpSocket`, one datagram at a time.

use std::io;

use peers::received::{Next, Receiver};
use peers::{DATAGRAM_BYTES, Options, bound_socket};

fn main() -> io::Result<()> {
    let options = Options::from_args();
    let socket = bound_socket(options.rcvbuf_bytes)?;
    let mut receiver = Receiver::new(options);
    let mut buffer = [0; DATAGRAM_BYTES];
    loop {
        let len = socket.recv(&mut buffer)?;
        if receiver.take(&buffer[..len]) == Next::Stop {
            break;
        }
    }
    receiver.tell();
    Ok(())
}
