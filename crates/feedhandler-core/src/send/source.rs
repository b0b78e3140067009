//! Where datagrams to send come from.

use std::error::Error;
use std::net::SocketAddr;

/// A datagram to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Its time stamp, of whatever clock the source keeps; 0 where it has none.
    pub ts_ns: u64,
    /// Where it went when it was recorded; a route says where it goes now.
    pub destination: Option<SocketAddr>,
    /// Its payload.
    pub payload: &'a [u8],
}

/// Why a source could not go on; its text names the file.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// A supply of datagrams in the order in which they shall be sent: a file, what is packed from one, or a wrapper that
/// changes another source's datagrams or their order.
pub trait DatagramSource {
    /// The next datagram, or `None` behind the last.
    ///
    /// # Errors
    ///
    /// The source cannot be read on. Damage that merely ends it early is no error: see [`Self::truncated`].
    fn next_datagram(&mut self) -> Result<Option<Outgoing<'_>>, SourceError>;

    /// Why the source ended before its time, once it has.
    fn truncated(&self) -> Option<String> {
        None
    }

    /// How much of the source has been read, and how much there is, in the same unit; 0 where nobody knows.
    fn position(&self) -> (u64, u64) {
        (0, 0)
    }
}
