//! A file as a source: the datagrams of a capture, or bare messages packed into packets.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::merge::Merged;
use super::message_packets::{MessageFile, MessagePackets, Together, common_field};
use super::pacing::Pacing;
use super::pack::{PackError, Packer};
use super::replay::{Replay, ReplayError, Replayed};
use super::route::Routes;
use super::sender::Sender;
use super::source::{DatagramSource, Outgoing, SourceError};
use super::transmit::Transmit;
use super::window::{Bound, Window};
use crate::capture::{Capture, CaptureError, CaptureStats, FileKind, Source};
use crate::faults::Injector;
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
    /// A range of sequence numbers of no protocol.
    NoSequence,
    /// It cannot be read a second time.
    NotAgain(PathBuf),
    /// Nothing was recorded on the way to an address; where what there is went to.
    NoStream(SocketAddr, BTreeSet<SocketAddr>),
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
            Self::NoSequence => f.write_str("a range of sequence numbers needs the protocol that they are of"),
            Self::NotAgain(path) => {
                write!(
                    f,
                    "{}: expected a file that can be read again for each pass, found another kind",
                    path.display()
                )
            }
            Self::NoStream(from, streams) if streams.is_empty() => {
                write!(f, "cannot map {from}: expected datagrams that were recorded on their way, found none")
            }
            Self::NoStream(from, streams) => {
                let streams: Vec<_> = streams.iter().map(ToString::to_string).collect();
                write!(f, "cannot map {from}: nothing was recorded on its way there, but to {}", streams.join(", "))
            }
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
            destination: Some(*datagram.destination),
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

impl FileSource {
    /// Whether datagrams were recorded on the way to some address.
    fn is_capture(&self) -> bool {
        matches!(self, Self::Capture(_))
    }
}

/// Files to replay, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesSpec {
    /// The files.
    pub paths: Vec<PathBuf>,
    /// What those of them hold that are no captures.
    pub messages: Option<MessagePacking>,
    /// What the datagrams hold, where a range is one of sequence numbers.
    pub protocol: Option<ProtocolSpec>,
    /// Where to begin.
    pub start: Option<Bound>,
    /// Where to end.
    pub end: Option<Bound>,
    /// Passes over the files; 0 for no end.
    pub loops: u64,
    /// Time between the last datagram of a pass and the first of the next.
    pub loop_gap_ns: u64,
}

/// Streams that an error names.
const MOST_NAMED: usize = 8;

impl FilesSpec {
    /// Opens the files for a pass.
    ///
    /// # Errors
    ///
    /// See [`FileError`].
    pub fn open(&self, pacing: Pacing) -> Result<Merged, FileError> {
        let sources = self.paths.iter().map(|path| FileSource::open(path, self.messages.as_ref(), pacing));
        Ok(Merged::new(sources.collect::<Result<_, _>>()?))
    }

    /// The range that is wanted.
    ///
    /// # Errors
    ///
    /// A range of sequence numbers, and nobody says of what protocol they are; or several passes over what can be read
    /// once only.
    pub fn window(&self) -> Result<Window, FileError> {
        let plan = self.protocol.as_ref().map(Plan::new).transpose().map_err(FileError::Plan)?;
        let window = Window::new(self.start, self.end, plan.map(Arc::new));
        if window.is_by_sequence() && self.protocol.is_none() {
            return Err(FileError::NoSequence);
        }
        match self.paths.iter().find(|path| self.loops != 1 && !path.is_file()) {
            Some(path) => Err(FileError::NotAgain(path.clone())),
            None => Ok(window),
        }
    }

    /// Checks that what routes name was recorded: reads the files until it is found.
    ///
    /// # Errors
    ///
    /// Something that was not.
    pub fn check(&self, routes: &Routes, pacing: Pacing) -> Result<(), FileError> {
        // A pipe can be read once only.
        if self.paths.iter().any(|path| path.exists() && !path.is_file()) {
            return Ok(());
        }
        let mut missing: Vec<SocketAddr> = routes.recorded().collect();
        let mut streams = BTreeSet::new();
        let mut source = self.open(pacing)?;
        if missing.is_empty() {
            return Ok(());
        }
        let is_none = source.sources().iter().all(|source| !source.is_capture());
        while let Ok(Some(datagram)) = source.next_datagram()
            && !missing.is_empty()
            && !is_none
        {
            if let Some(destination) = datagram.destination
                && streams.len() < MOST_NAMED
                && streams.insert(destination)
            {
                missing.retain(|from| *from != destination);
            } else {
                missing.retain(|from| Some(*from) != datagram.destination);
            }
        }
        missing.sort_unstable();
        missing.first().map_or(Ok(()), |from| Err(FileError::NoStream(*from, streams)))
    }
}

/// What became of files that were replayed.
#[derive(Clone, Debug, Serialize)]
pub struct FileReplayed {
    /// What was sent and what was not.
    #[serde(flatten)]
    pub replayed: Replayed,
    /// What else is in the captures among them, so far as they were read in the last pass.
    pub captures: Vec<CaptureStats>,
}

/// Replays files, as often as is wanted; faults are done to what is sent.
///
/// # Errors
///
/// As [`super::replay()`].
pub fn replay_files<T: Transmit, C: Clock>(
    files: &FilesSpec,
    routes: &Routes,
    pacing: Pacing,
    faults: Option<Injector>,
    sender: &mut Sender<T, C>,
) -> Result<FileReplayed, ReplayError> {
    let of_file = |error: FileError| ReplayError::Source(Box::new(error));
    let window = files.window().map_err(of_file)?;
    let mut captures = Vec::new();
    let replayed = Replay::new(routes, pacing, window, faults, sender)?.run(|replay| {
        while replay.passes() < files.loops || files.loops == 0 {
            let mut source = files.open(pacing).map_err(of_file)?;
            let ended = replay.pass(&mut source);
            captures = source.sources().iter().filter_map(|source| source.capture_stats().cloned()).collect();
            ended?;
            if !replay.pass_again(files.loop_gap_ns) {
                break;
            }
        }
        Ok(())
    })?;
    Ok(FileReplayed { replayed, captures })
}
