//! A packet in which the sequence number and the send time are written anew each time.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;

use crate::send::batch::{Batch, MAX_PAYLOAD_BYTES};

/// Bytes of a sequence number and of a send time.
const NUMBER_BYTES: usize = 8;

/// What is written where.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateSpec {
    /// Where the eight bytes of the sequence number begin, big-endian.
    pub sequence_offset: usize,
    /// Where those of the send time do: nanoseconds since 1970.
    pub send_time_offset: Option<usize>,
    /// By how much the sequence number grows with each packet.
    pub messages: u64,
}

/// A packet that is sent again and again.
///
/// Invariant: the ranges lie within the bytes.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    sequence: Range<usize>,
    send_time: Option<Range<usize>>,
    messages: u64,
}

/// A number does not lie within its packet, or the packet is longer than a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Bytes of the packet.
    bytes: usize,
    /// Where the number was to stand.
    offset: usize,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, offset } = self;
        write!(
            f,
            "expected a packet of at most {MAX_PAYLOAD_BYTES} bytes with {NUMBER_BYTES} bytes for each number, found \
             {bytes} bytes and a number at {offset}"
        )
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// A packet of `bytes`.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn new(bytes: Vec<u8>, spec: TemplateSpec) -> Result<Self, TemplateError> {
        let inside = |offset: usize| {
            let end = offset.checked_add(NUMBER_BYTES).filter(|&end| end <= bytes.len() && end <= MAX_PAYLOAD_BYTES);
            end.map(|end| offset..end).ok_or(TemplateError { bytes: bytes.len(), offset })
        };
        let (sequence, send_time) = (inside(spec.sequence_offset)?, spec.send_time_offset.map(inside).transpose()?);
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(TemplateError { bytes: bytes.len(), offset: spec.sequence_offset });
        }
        Ok(Self { bytes, sequence, send_time, messages: spec.messages })
    }

    /// Messages in it.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Its length.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.bytes
    }

    /// The packet whose first message has this number, and that is to be sent at this Unix time.
    #[inline]
    pub(super) fn stamped(&mut self, sequence: u64, send_time_ns: u64) -> &[u8] {
        self.bytes[self.sequence.clone()].copy_from_slice(&sequence.to_be_bytes());
        if let Some(send_time) = self.send_time.clone() {
            self.bytes[send_time].copy_from_slice(&send_time_ns.to_be_bytes());
        }
        &self.bytes
    }

    /// The same in all packets of a batch, which were made from this one.
    #[inline]
    pub(super) fn stamp_all(&self, batch: &mut Batch, first: u64, send_time_ns: u64) {
        let send_time_bytes = send_time_ns.to_be_bytes();
        for (packet, bytes) in (0_u64..).zip(batch.payloads_mut(self.bytes.len())) {
            let sequence = first + packet * self.messages;
            bytes[self.sequence.clone()].copy_from_slice(&sequence.to_be_bytes());
            if let Some(send_time) = self.send_time.clone() {
                bytes[send_time].copy_from_slice(&send_time_bytes);
            }
        }
    }
}
