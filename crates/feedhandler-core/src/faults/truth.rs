//! What was done to which packet, one JSON object a line.
//!
//! The first line says what the lines are; each further one what was done to a packet; then one a line says what was
//! offered to it and what arrived of it that announces units; the last says that this is the end. Each ends with a
//! CRC-32 of the file up to there, so that no line can be changed, left out or moved unnoticed.

use std::io::{self, Write};

use flate2::Crc;
use serde::Serialize;

use super::line::Offered;
use super::packet::{Content, Packet, Passes};
use super::spec::Part;

/// What was done to a packet.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub(super) enum Done {
    Loss {},
    Down {},
    /// It came again, as copy number `is` of its line.
    Duplicate {
        is: u64,
        after_ns: u64,
    },
    /// It was held back for a time.
    Reorder {
        by_ns: u64,
    },
    /// It was held back until others had passed.
    #[serde(rename = "reorder")]
    Overtaken {
        behind: u64,
    },
    Delay {
        by_ns: u64,
    },
    Corrupt {
        offset: usize,
        mask: u8,
        part: PartName,
        effect: Effect,
        #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
        passes: Option<Passes>,
    },
    Truncate {
        bytes: usize,
        keep: usize,
        effect: Effect,
        #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
        passes: Option<Passes>,
    },
    /// The sender begins anew with it.
    Restart {
        #[serde(skip_serializing_if = "Option::is_none")]
        identifier: Option<String>,
    },
    Jump {
        by: u64,
    },
    /// Sending was stopped before it left.
    Stopped {},
}

/// What framing makes of a packet that was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Effect {
    /// The same packet, with other content.
    None,
    /// The same header, and messages that cannot be told apart.
    Malformed,
    /// No header.
    Unreadable,
    /// It passes for another packet.
    Misread,
    /// Nobody said what protocol it is of.
    Unknown,
}

/// A part of a packet, by name.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PartName {
    Header,
    Framing,
    Message,
}

impl From<Part> for PartName {
    fn from(part: Part) -> Self {
        match part {
            Part::Header => Self::Header,
            Part::Framing => Self::Framing,
            Part::Message | Part::Any => Self::Message,
        }
    }
}

#[derive(Serialize)]
struct Record<'a> {
    line: &'a str,
    index: u64,
    copy: u64,
    ts_ns: u64,
    #[serde(flatten)]
    content: Content,
    #[serde(flatten)]
    done: Done,
}

/// A line, as the first record names it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LineHead<'a> {
    pub line: &'a str,
    pub addresses: &'a [String],
}

#[derive(Serialize)]
struct Head<'a> {
    truth: u32,
    seed: u64,
    protocol: Option<&'a str>,
    lines: &'a [LineHead<'a>],
}

#[derive(Serialize)]
struct Summary<'a> {
    summary: &'a str,
    #[serde(flatten)]
    offered: &'a Offered,
}

#[derive(Serialize)]
struct End {
    end: bool,
    records: u64,
}

/// Form of the file.
const VERSION: u32 = 1;

/// Writes the truth to a file, or nowhere.
pub struct Truth {
    out: Option<Box<dyn Write + Send>>,
    crc: Crc,
    records: u64,
    failure: Option<io::Error>,
}

impl Truth {
    /// A truth that goes to `out`; to nowhere without one.
    #[must_use]
    pub fn new(out: Option<Box<dyn Write + Send>>) -> Self {
        Self { out, crc: Crc::new(), records: 0, failure: None }
    }

    pub(super) fn head(&mut self, seed: u64, protocol: Option<&str>, lines: &[LineHead<'_>]) {
        self.write(&Head { truth: VERSION, seed, protocol, lines });
    }

    pub(super) fn summary(&mut self, line: &str, offered: &Offered) {
        self.write(&Summary { summary: line, offered });
    }

    /// Writes the last line.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.write(&End { end: true, records: self.records });
        if let Some(out) = &mut self.out
            && self.failure.is_none()
        {
            self.failure = out.flush().err();
        }
        self.failure.take().map_or(Ok(()), Err)
    }

    fn write(&mut self, record: &impl Serialize) {
        if self.failure.is_none()
            && let Err(error) = self.try_write(record)
        {
            self.failure = Some(error);
        }
    }

    fn try_write(&mut self, record: &impl Serialize) -> io::Result<()> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let text = serde_json::to_string(record)?;
        self.crc.update(text.as_bytes());
        let body = text.strip_suffix('}').unwrap_or(&text);
        writeln!(out, "{body},\"crc\":\"{:08x}\"}}", self.crc.sum())
    }
}

/// The truth of one line.
pub(super) struct LineTruth<'a> {
    pub line: &'a str,
    pub truth: &'a mut Truth,
    pub copies: &'a mut u64,
}

impl LineTruth<'_> {
    /// Notes what was done to a packet.
    pub fn note(&mut self, packet: &Packet, done: Done) {
        let Packet { index, copy, ts_ns, content, .. } = *packet;
        self.note_of(index, copy, ts_ns, content, done);
    }

    pub fn note_of(&mut self, index: u64, copy: u64, ts_ns: u64, content: Content, done: Done) {
        self.truth.records += 1;
        self.truth.write(&Record { line: self.line, index, copy, ts_ns, content, done });
    }

    /// Number of the next copy on the line.
    pub fn next_copy(&mut self) -> u64 {
        *self.copies += 1;
        *self.copies
    }
}
