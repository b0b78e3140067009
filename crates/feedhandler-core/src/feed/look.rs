//! A first look at a capture, before it is read: a bounded part of its beginning.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use crate::capture::{Capture, CaptureError};
use crate::feed::intake::ChannelSpec;
use crate::feed::pair::{Paired, Pairing};
use crate::plan::Plan;

/// Datagrams that are looked at.
const MOST_DATAGRAMS: u64 = 65_536;
/// Datagrams after which a capture of one stream is not looked at any further.
const MOST_DATAGRAMS_OF_ONE: u64 = 32_768;
/// Bytes that are looked at.
const MOST_BYTES: u64 = 128 << 20;

/// Why streams are not compared where a file can be read only once.
const CANNOT_BE_READ_TWICE: &str = "the input cannot be read twice";

/// What a first look found.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Channels of several lines.
    pub paired: Vec<Paired>,
    /// Why there was no look.
    pub not_paired: Option<String>,
}

impl Look {
    /// Looks for lines among the streams that none of `channels` names.
    ///
    /// # Errors
    /// [`CaptureError`] where the file cannot be read or is no capture.
    pub fn at(path: &Path, plan: &Arc<Plan>, channels: &[ChannelSpec]) -> Result<Self, CaptureError> {
        if !Pairing::is_possible(plan) {
            return Ok(Self::default());
        }
        // A pipe gives what it holds to the first who reads.
        if std::fs::metadata(path).is_ok_and(|file| !file.is_file()) {
            return Ok(Self { not_paired: Some(CANNOT_BE_READ_TWICE.to_owned()), ..Self::default() });
        }
        let mut capture = Capture::open(path)?;
        let mut pairing = Pairing::new(Arc::clone(plan));
        while may_go_on(&capture, &pairing) {
            let Some(datagram) = capture.next_datagram()? else { break };
            if !is_named(channels, *datagram.destination) {
                pairing.on_datagram(*datagram.destination, datagram.payload);
            }
        }
        let is_whole = capture.next_datagram()?.is_none();
        Ok(Self { paired: pairing.channels(is_whole), not_paired: None })
    }

    /// The channels that were found.
    pub fn channels(&self) -> impl Iterator<Item = ChannelSpec> {
        self.paired.iter().map(|paired| ChannelSpec {
            name: paired.channel.clone(),
            lines: paired.lines.iter().map(|line| (line.ip(), line.port())).collect(),
        })
    }
}

fn may_go_on(capture: &Capture, pairing: &Pairing) -> bool {
    let most = if pairing.streams() > 1 { MOST_DATAGRAMS } else { MOST_DATAGRAMS_OF_ONE };
    capture.stats().datagrams < most && capture.stats().bytes < MOST_BYTES
}

fn is_named(channels: &[ChannelSpec], destination: SocketAddr) -> bool {
    let place: (IpAddr, u16) = (destination.ip(), destination.port());
    channels.iter().any(|channel| channel.lines.contains(&place))
}
