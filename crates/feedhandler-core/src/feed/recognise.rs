//! Which protocol a stream is of: how well each of several explains some of its datagrams.

use std::sync::Arc;

use serde::Serialize;

use crate::batch::BatchBuilder;
use crate::decode::{Decoded, Decoder, Payload};
use crate::framing::PacketKind;
use crate::layout::Leading;
use crate::padded::Padded;
use crate::plan::Plan;

/// How well a protocol explains datagrams.
#[derive(Clone, Debug, Serialize)]
pub struct Fit {
    /// Name of the protocol.
    pub protocol: String,
    /// From 0 to 1: the mean over the datagrams of how much of each is explained. Half of that where no message was seen.
    pub confidence: f64,
    /// Datagrams that were tried.
    pub packets: u64,
    /// Those whose framing could be followed to the end.
    pub fitting: u64,
    /// Those without a message: heartbeats and ends of session.
    pub quiet: u64,
    /// Messages in them.
    pub messages: u64,
    /// Messages of a type that the declaration knows, and long enough for it.
    pub known: u64,
    /// Known messages that are longer than declared.
    pub longer: u64,
    /// Bytes behind the last message.
    pub trailing_bytes: u64,
}

/// What a message counts that is longer than declared: of a newer version, or of another protocol.
const LONGER_SHARE: f64 = 0.75;
/// What a stream counts in which no message was seen: many headers look like another's heartbeat.
const QUIET_SHARE: f64 = 0.5;

impl Fit {
    /// Tries a protocol on datagrams.
    #[must_use]
    pub fn of(plan: &Arc<Plan>, datagrams: &[Vec<u8>]) -> Self {
        let mut fit = Self {
            protocol: plan.name.clone(),
            confidence: 0.0,
            packets: 0,
            fitting: 0,
            quiet: 0,
            messages: 0,
            known: 0,
            longer: 0,
            trailing_bytes: 0,
        };
        let (mut decoder, mut batch) = (Decoder::new(plan), BatchBuilder::new(plan));
        let shares: f64 = datagrams.iter().map(|datagram| fit.take(plan, datagram, &mut decoder, &mut batch)).sum();
        let share = if fit.messages > 0 { 1.0 } else { QUIET_SHARE };
        fit.confidence = share * shares / ratio_of(fit.packets.max(1));
        fit
    }

    /// How much of a datagram is explained, from 0 to 1.
    fn take(&mut self, plan: &Plan, datagram: &[u8], decoder: &mut Decoder, batch: &mut BatchBuilder) -> f64 {
        self.packets += 1;
        let Ok(packet) = plan.framing.packet(Padded::from(datagram)) else { return 0.0 };
        if packet.kind != PacketKind::Data {
            self.quiet += 1;
            self.fitting += 1;
            return self.without_trailing(packet.payload.len() as u64, datagram.len());
        }
        let payload = Payload {
            bytes: packet.payload,
            messages: packet.messages,
            skip: 0,
            leading: Leading { seq: packet.sequence, ts_recv_ns: 0, channel: 0 },
            unit: plan.framing.unit,
        };
        let decoded = decoder.packet(plan, &plan.framing.delimiter, &payload, batch);
        // The rows themselves are of no use.
        drop(batch.finish());
        decoded.map_or(0.0, |decoded| self.count(&decoded, datagram.len()))
    }

    fn count(&mut self, decoded: &Decoded, datagram_bytes: usize) -> f64 {
        self.fitting += 1;
        self.messages += decoded.messages;
        self.known += decoded.rows;
        self.longer += decoded.longer;
        let longer = decoded.longer.min(decoded.rows);
        let worth = ratio_of(decoded.rows - longer) + LONGER_SHARE * ratio_of(longer);
        let explained = if decoded.messages == 0 { 1.0 } else { worth / ratio_of(decoded.messages) };
        explained * self.without_trailing(decoded.trailing_bytes, datagram_bytes)
    }

    fn without_trailing(&mut self, trailing_bytes: u64, datagram_bytes: usize) -> f64 {
        self.trailing_bytes += trailing_bytes;
        1.0 - ratio_of(trailing_bytes) / ratio_of(datagram_bytes.max(1) as u64)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
fn ratio_of(count: u64) -> f64 {
    count as f64
}

/// Datagrams that are kept of a stream.
const MOST_SAMPLES: usize = 64;

/// Some datagrams of a stream, from all over it.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    kept: Vec<Vec<u8>>,
    /// One of so many is kept.
    stride: u64,
    seen: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self { kept: Vec::new(), stride: 1, seen: 0 }
    }
}

impl Samples {
    /// Keeps a datagram if it is its turn and there is room; the bytes that the samples have grown by.
    pub fn offer(&mut self, datagram: &[u8], room_bytes: usize) -> isize {
        let is_its_turn = self.seen.is_multiple_of(self.stride);
        self.seen += 1;
        if !is_its_turn || datagram.len() > room_bytes {
            return 0;
        }
        let before = self.bytes();
        if self.kept.len() == MOST_SAMPLES {
            let mut index = 0;
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
        }
        self.kept.push(datagram.to_vec());
        self.bytes().cast_signed() - before.cast_signed()
    }

    pub fn kept(&self) -> &[Vec<u8>] {
        &self.kept
    }

    fn bytes(&self) -> usize {
        self.kept.iter().map(Vec::len).sum()
    }
}
