//! The streams of a capture, counted without knowing their protocol.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Serialize;

use crate::capture::{Capture, CaptureError, CaptureStats};

/// Datagrams to one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stream {
    /// Address they are sent to.
    pub address: IpAddr,
    /// Port they are sent to.
    pub port: u16,
    /// How many.
    pub datagrams: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Time of the first, Unix ns.
    pub first_ts_ns: u64,
    /// Time of the last, Unix ns.
    pub last_ts_ns: u64,
}

/// Facts of a capture.
#[derive(Clone, Debug, Serialize)]
pub struct CaptureInfo {
    /// The file.
    pub capture: CaptureStats,
    /// What it holds, by destination.
    pub streams: Vec<Stream>,
    /// Datagrams to destinations beyond those listed.
    pub other_datagrams: u64,
}

/// Streams that are told apart.
const MOST_STREAMS: usize = 65_536;

impl CaptureInfo {
    /// Reads a capture to its end.
    ///
    /// # Errors
    /// [`CaptureError`] where it cannot be read or is no capture.
    pub fn read(path: &Path) -> Result<Self, CaptureError> {
        let mut capture = Capture::open(path)?;
        let mut streams = BTreeMap::new();
        let mut other_datagrams = 0;
        while let Some(datagram) = capture.next_datagram()? {
            if !streams.contains_key(&datagram.destination) && streams.len() == MOST_STREAMS {
                other_datagrams += 1;
                continue;
            }
            let stream = streams
                .entry(datagram.destination)
                .or_insert_with(|| Stream::new(datagram.destination, datagram.ts_ns));
            stream.datagrams += 1;
            stream.bytes += datagram.payload.len() as u64;
            stream.last_ts_ns = datagram.ts_ns;
        }
        Ok(Self { capture: capture.stats().clone(), streams: streams.into_values().collect(), other_datagrams })
    }
}

impl Stream {
    fn new(destination: SocketAddr, ts_ns: u64) -> Self {
        Self {
            address: destination.ip(),
            port: destination.port(),
            datagrams: 0,
            bytes: 0,
            first_ts_ns: ts_ns,
            last_ts_ns: ts_ns,
        }
    }
}
