//! Decode without a capture or a socket around it: packets in memory, laid out as in the ring, again and again.
//!
//! Drives the same [`Decoder`] and [`Pipeline`] as everything else; the caller holds the clock.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use crate::batch::{Batch, BatchBuilder};
use crate::decode::{Decoder, Payload};
use crate::framing::PacketKind;
use crate::layout::Leading;
use crate::padded::{Padded, SLACK_BYTES};
use crate::pipeline::{Datagram, Pipeline, PipelineOptions};
use crate::plan::{Plan, PlanError};
use crate::rows::Rows;

/// Distance from one packet to the next in the arena.
pub const SLOT_BYTES: usize = 2048;
/// Messages after which a batch is closed, as by default elsewhere.
const BATCH_MESSAGES: usize = 8192;

/// Packets of one session, in order, and the two ways to decode them.
#[derive(Debug)]
pub struct DecodeBench {
    plan: Arc<Plan>,
    /// One row a slot.
    arena: Arc<Rows>,
    packets: Vec<FramedPacket>,
    decoder: Decoder,
    out: BatchBuilder,
    pipeline: Pipeline,
}

/// A packet in the arena, and what framing says of it.
#[derive(Clone, Copy, Debug)]
struct FramedPacket {
    len: usize,
    payload_at: usize,
    payload_len: usize,
    messages: Option<u64>,
    sequence: u64,
}

impl DecodeBench {
    /// Lays `packets` out, each in a slot.
    ///
    /// # Errors
    /// [`PlanError`] where a packet does not fit a slot, or is none of the plan's data packets.
    pub fn new(plan: Arc<Plan>, packets: &[Vec<u8>]) -> Result<Self, PlanError> {
        let mut arena = Rows::new(Arc::default(), SLOT_BYTES);
        let mut framed = Vec::with_capacity(packets.len());
        for (packet, place) in packets.iter().zip(0..) {
            let error = |what: String| PlanError::new(format!("packet {place}"), what);
            if packet.len() + SLACK_BYTES > SLOT_BYTES {
                return Err(error(format!("{} bytes and slack do not fit {SLOT_BYTES}", packet.len())));
            }
            let mut slot = [0; SLOT_BYTES];
            slot[..packet.len()].copy_from_slice(packet);
            framed.push(frame(&plan, &slot, packet.len()).map_err(|what| error(what.to_owned()))?);
            arena.push(&slot);
        }
        Ok(Self {
            decoder: Decoder::new(&plan),
            out: BatchBuilder::new(&plan),
            pipeline: Pipeline::new(Arc::clone(&plan), PipelineOptions::default()),
            plan,
            arena: Arc::new(arena),
            packets: framed,
        })
    }

    /// The slots: what a yardstick decodes as well.
    #[must_use]
    pub fn arena(&self) -> Arc<Rows> {
        Arc::clone(&self.arena)
    }

    /// Where each packet's messages begin in the arena, their bytes, and the sequence number of the first.
    pub fn payloads(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        let place = |(slot, packet): (usize, &FramedPacket)| {
            (slot * SLOT_BYTES + packet.payload_at, packet.payload_len, packet.sequence)
        };
        self.packets.iter().enumerate().map(place)
    }

    /// The messages of all packets as one batch.
    pub fn batch(&mut self) -> Batch {
        self.out.finish();
        for index in 0..self.packets.len() {
            self.decode_packet(index);
        }
        self.out.finish()
    }

    /// The decode stage alone, payloads into tables, `rounds` times; returns the number of messages.
    pub fn decode(&mut self, rounds: usize) -> u64 {
        self.out.finish();
        let (mut messages, packets) = (0, self.packets.len());
        for step in 0..rounds * packets {
            messages += self.decode_packet(step % packets);
            if self.out.messages() >= BATCH_MESSAGES {
                self.out.finish();
            }
        }
        messages
    }

    /// Datagrams into batches, `rounds` times: framing, arbitrate, decode, digest and ledger. Each round is a channel
    /// of its own; returns the number of messages.
    pub fn pipeline(&mut self, rounds: usize) -> u64 {
        let before = rows(&self.pipeline);
        for _ in 0..rounds {
            let channel = self.pipeline.add_channel("bench", ["line".to_owned()]);
            for (packet, slot) in self.packets.iter().zip(self.arena.bytes().chunks_exact(SLOT_BYTES)) {
                let payload = Padded::new(slot, packet.len);
                let ts_recv_ns = packet.sequence;
                self.pipeline.advance(ts_recv_ns);
                self.pipeline.on_datagram(&Datagram { channel, line: 0, ts_recv_ns, is_cut_off: false, payload });
                if self.pipeline.is_full() {
                    self.pipeline.take_batch();
                }
            }
        }
        rows(&self.pipeline) - before
    }

    #[inline]
    fn decode_packet(&mut self, index: usize) -> u64 {
        let packet = &self.packets[index];
        let slot = &self.arena.bytes()[index * SLOT_BYTES + packet.payload_at..(index + 1) * SLOT_BYTES];
        let payload = Payload {
            bytes: Padded::new(slot, packet.payload_len),
            messages: packet.messages,
            skip: 0,
            leading: Leading { seq: packet.sequence, ts_recv_ns: packet.sequence, channel: 0 },
            unit: self.plan.framing.unit,
        };
        let decoded = self.decoder.packet(&self.plan, &self.plan.framing.delimiter, &payload, &mut self.out);
        decoded.map_or(0, |decoded| decoded.rows)
    }
}

fn frame(plan: &Plan, slot: &[u8], len: usize) -> Result<FramedPacket, &'static str> {
    let packet = plan.framing.packet(Padded::new(slot, len)).map_err(crate::malformed::Reason::name)?;
    if packet.kind != PacketKind::Data {
        return Err("expected a packet of messages");
    }
    let (payload_at, payload_len) = (slot.len() - packet.payload.slot().len(), packet.payload.len());
    Ok(FramedPacket { len, payload_at, payload_len, messages: packet.messages, sequence: packet.sequence })
}

fn rows(pipeline: &Pipeline) -> u64 {
    pipeline.decoder().counts().iter().sum()
}

/// The core's clock in GHz, estimated from a chain of multiplications: what a rate is scaled by to compare machines.
///
/// A 64-bit multiplication takes three cycles on the x86-64 and `AArch64` cores of the last ten years, the
/// exclusive-or behind it one, and neither can begin before the other has ended.
#[must_use]
pub fn core_ghz() -> f64 {
    const STEPS: u32 = 500_000;
    const CYCLES_PER_STEP: f64 = 4.0;
    const TRIES: usize = 40;
    let seconds = (0..TRIES).map(|_| seconds_of_chain(STEPS)).fold(f64::INFINITY, f64::min);
    f64::from(STEPS) * CYCLES_PER_STEP / seconds / 1e9
}

fn seconds_of_chain(steps: u32) -> f64 {
    let [mut value, factor, mask] = black_box([0x9e37_79b9_7f4a_7c15_u64, 0xd134_2543_de82_ef95, 0x2545_f491]);
    let began = Instant::now();
    for _ in 0..steps {
        value = value.wrapping_mul(factor) ^ mask;
    }
    black_box(value);
    began.elapsed().as_secs_f64()
}
