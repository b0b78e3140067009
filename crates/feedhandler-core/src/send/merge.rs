//! Several files as one source, in the order of their time stamps.

use std::net::SocketAddr;

use super::file::FileSource;
use super::source::{DatagramSource, Outgoing, SourceError};

/// Gives the earliest of the datagrams that its sources have next; of several at the same time, the one of the source
/// that was named first. Where the stamps of one source go back, its own order is kept.
pub struct Merged {
    sources: Vec<FileSource>,
    heads: Vec<Option<Head>>,
    /// The source whose datagram was given last: its head has to be read.
    given: Option<usize>,
    is_started: bool,
}

/// The next datagram of a source.
#[derive(Debug, Default)]
struct Head {
    /// Latest stamp of the source up to it.
    reached_ns: u64,
    ts_ns: u64,
    destination: Option<SocketAddr>,
    payload: Vec<u8>,
}

impl Merged {
    /// The datagrams of these sources.
    #[must_use]
    pub fn new(sources: Vec<FileSource>) -> Self {
        let heads = sources.iter().map(|_| Some(Head::default())).collect();
        Self { sources, heads, given: None, is_started: false }
    }

    /// The sources, in the order in which they were named.
    #[must_use]
    pub fn sources(&self) -> &[FileSource] {
        &self.sources
    }

    fn read(&mut self, at: usize) -> Result<(), SourceError> {
        let Some(mut head) = self.heads[at].take() else { return Ok(()) };
        if let Some(datagram) = self.sources[at].next_datagram()? {
            head.ts_ns = datagram.ts_ns;
            head.reached_ns = head.reached_ns.max(datagram.ts_ns);
            head.destination = datagram.destination;
            head.payload.clear();
            head.payload.extend_from_slice(datagram.payload);
            self.heads[at] = Some(head);
        }
        Ok(())
    }

    fn next_of_several(&mut self) -> Result<Option<Outgoing<'_>>, SourceError> {
        if !std::mem::replace(&mut self.is_started, true) {
            (0..self.sources.len()).try_for_each(|at| self.read(at))?;
        }
        if let Some(given) = self.given.take() {
            self.read(given)?;
        }
        let waiting = self.heads.iter().enumerate().filter_map(|(at, head)| Some((head.as_ref()?.reached_ns, at)));
        self.given = waiting.min().map(|(_, at)| at);
        let head = self.given.and_then(|at| self.heads[at].as_ref());
        Ok(head.map(|head| Outgoing { ts_ns: head.ts_ns, destination: head.destination, payload: &head.payload }))
    }
}

impl DatagramSource for Merged {
    fn next_datagram(&mut self) -> Result<Option<Outgoing<'_>>, SourceError> {
        match self.sources.len() {
            1 => self.sources[0].next_datagram(),
            _ => self.next_of_several(),
        }
    }

    fn truncated(&self) -> Option<String> {
        self.sources.iter().find_map(DatagramSource::truncated)
    }

    fn position(&self) -> (u64, u64) {
        self.sources.iter().map(DatagramSource::position).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}
