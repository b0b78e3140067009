//! `tokio::net::UdpSocket` on one thread: what waits is taken without going back to the reactor.

use std::io::{self, ErrorKind};

use peers::received::{Next, Receiver};
use peers::{DATAGRAM_BYTES, Options, bound_socket};
use tokio::net::UdpSocket;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(receive())
}

async fn receive() -> io::Result<()> {
    let options = Options::from_args();
    let socket = bound_socket(options.rcvbuf_bytes)?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from_std(socket)?;
    let mut receiver = Receiver::new(options);
    let mut buffer = [0; DATAGRAM_BYTES];
    'receive: loop {
        socket.readable().await?;
        loop {
            match socket.try_recv(&mut buffer) {
                Ok(len) if receiver.take(&buffer[..len]) == Next::Stop => break 'receive,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
    receiver.tell();
    Ok(())
}
