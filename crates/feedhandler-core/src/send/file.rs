//! A file as a source: the datagrams of a capture, or bare messages packed into packets.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::message_packets::{MessageFile, MessagePackets, Together, common_field};
use super::pacing::Pacing;
use super::pack::{PackError, Packer};
use super::replay::{ReplayError, Replayed, replay};
use super::route::Routes;
use super::sender::Sender;
use super::source::{DatagramSource, Outgoing, SourceError};
use super::transmit::Transmit;
use crate::capture::{Capture, CaptureError, CaptureStats, FileKind, Source};
use crate::plan::{MessagesPlan, Plan, PlanError};
use crate::spec::ProtocolSpec;

/// How a file of bare messages is read and packed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessagePacking {
    /// What the messages are, and the packets.
    pub protocol: ProtocolSpec,
    /// Field that stamps every message, in nanoseconds.
    pub time_field: Option<String>,
    /// Session that the packets name.
    pub session: String,
    /// Largest packet.
    pub limit_bytes: usize,
    /// Messages within this time of a packet's first share it. Without it: those of the same time where times matter,
    /// and as many as fit where they do not.
    pub window_ns: Option<u64>,
}

/// Why a file cannot be replayed.
#[derive(Debug)]
pub enum FileError {
    /// It cannot be read.
    Capture(CaptureError),
    /// It is no capture, and nobody said what it is.
    NoProtocol(PathBuf),
    /// The protocol makes no sense.
    Plan(PlanError),
    /// The protocol does not stand in files.
    NoFileForm(String),
    /// The protocol's messages have no time to be sent at.
    NoTimes(String),
    /// Its messages cannot be packed.
    Pack(PackError),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(error) => error.fmt(f),
            Self::NoProtocol(path) => write!(
                f,
                "{}: expected a pcap or pcapng capture, found something else: name the protocol if it is a file of messages",
                path.display()
            ),
            Self::Plan(error) => error.fmt(f),
            Self::NoFileForm(protocol) => {
                write!(f, "the protocol {protocol} does not declare how messages stand in files")
            }
            Self::NoTimes(protocol) => write!(
                f,
                "the messages of {protocol} have no time field in common: replay them at a rate or as fast as they go"
            ),
            Self::Pack(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FileError {}

/// A file that can be replayed.
pub enum FileSource {
    /// A capture.
    Capture(Box<Capture>),
    /// A file of bare messages.
    Messages(Box<MessagePackets>),
}

impl FileSource {
    /// Opens a file; `messages` is for one that turns out to be no capture.
    ///
    /// # Errors
    ///
    /// See [`FileError`].
    pub fn open(path: &Path, messages: Option<&MessagePacking>, pacing: Pacing) -> Result<Self, FileError> {
        let mut source = Source::open(path).map_err(FileError::Capture)?;
        if source.kind().map_err(FileError::Capture)? != FileKind::Other {
            return Ok(Self::Capture(Box::new(Capture::new(source).map_err(FileError::Capture)?)));
        }
        let messages = messages.ok_or_else(|| FileError::NoProtocol(path.to_path_buf()))?;
        Ok(Self::Messages(Box::new(messages.packets(source, pacing)?)))
    }

    fn capture_stats(&self) -> Option<&CaptureStats> {
        match self {
            Self::Capture(capture) => Some(capture.stats()),
            Self::Messages(_) => None,
        }
    }
}

impl MessagePacking {
    fn packets(&self, source: Source, pacing: Pacing) -> Result<MessagePackets, FileError> {
        let protocol = &self.protocol;
        let plan = Plan::new(protocol).map_err(FileError::Plan)?;
        let (Some(delimiter), MessagesPlan::Binary(messages)) = (plan.file, plan.messages) else {
            return Err(FileError::NoFileForm(protocol.name.clone()));
        };
        let time = self.time_field.as_ref().and_then(|name| common_field(&protocol.messages, name));
        let is_timed = matches!(pacing, Pacing::Original { .. });
        if is_timed && time.is_none() {
            return Err(FileError::NoTimes(protocol.name.clone()));
        }
        let packer = Packer::new(&protocol.framing, &self.session, self.limit_bytes).map_err(FileError::Pack)?;
        let together = match self.window_ns {
            Some(window_ns) => Together::Within(window_ns),
            None if is_timed => Together::Within(0),
            None => Together::Full,
        };
        Ok(MessagePackets::new(MessageFile { source, delimiter, messages, time }, packer, together))
    }
}

impl DatagramSource for FileSource {
    fn next_datagram(&mut self) -> Result<Option<Outgoing<'_>>, SourceError> {
        match self {
            Self::Capture(capture) => DatagramSource::next_datagram(&mut **capture),
            Self::Messages(messages) => messages.next_datagram(),
        }
    }

    fn truncated(&self) -> Option<String> {
        match self {
            Self::Capture(capture) => capture.truncated(),
            Self::Messages(messages) => messages.truncated(),
        }
    }

    fn position(&self) -> (u64, u64) {
        match self {
            Self::Capture(capture) => capture.position(),
            Self::Messages(messages) => messages.position(),
        }
    }
}

impl DatagramSource for Capture {
    fn next_datagram(&mut self) -> Result<Option<Outgoing<'_>>, SourceError> {
        let datagram = self.next_datagram()?;
        Ok(datagram.map(|datagram| Outgoing {
            ts_ns: datagram.ts_ns,
            destination: Some(datagram.destination),
            payload: datagram.payload.bytes(),
        }))
    }

    fn truncated(&self) -> Option<String> {
        self.stats().truncated.clone()
    }

    fn position(&self) -> (u64, u64) {
        (self.position_bytes(), self.total_bytes())
    }
}

/// What became of a file that was replayed.
#[derive(Clone, Debug, Serialize)]
pub struct FileReplayed {
    /// What was sent and what was not.
    #[serde(flatten)]
    pub replayed: Replayed,
    /// What else is in a capture, so far as it was read.
    pub capture: Option<CaptureStats>,
}

/// [`replay()`] of a file.
///
/// # Errors
///
/// As [`replay()`].
pub fn replay_file<T: Transmit, C: Clock>(
    mut source: FileSource,
    routes: &Routes,
    pacing: Pacing,
    sender: &mut Sender<T, C>,
) -> Result<FileReplayed, ReplayError> {
    let replayed = replay(&mut source, routes, pacing, sender)?;
    Ok(FileReplayed { replayed, capture: source.capture_stats().cloned() })
}
