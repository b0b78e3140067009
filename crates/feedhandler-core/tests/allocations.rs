//! Once warm, no message allocates: a batch costs a few allocations, whatever is in it.
//!
//! In a file of its own and one test, because the allocator counts for the whole process.

mod counting;
#[path = "../../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "what is fuzzed is a crate of its own; each test uses a part")]
mod fuzz;

use feedhandler_core::padded::{Padded, SLACK_BYTES};
use feedhandler_core::pipeline::{Datagram, Pipeline, PipelineOptions};
use fuzz::chance::Chance;
use fuzz::encoder::{self, Header};
use fuzz::protocols::{self, Protocol};

/// For a batch: its list of tables, a shared handle for each table, for the order and for the events.
fn allocations_a_batch(protocol: &Protocol) -> usize {
    1 + protocol.plan.tables.len() + 2
}

const PACKETS_A_BATCH: u64 = 100;
const BATCHES: u64 = 20;

/// A packet with one message of each type, from the ring: with slack behind it.
struct Template {
    messages: Vec<Vec<u8>>,
    slot: Vec<u8>,
    length: usize,
}

impl Template {
    fn new(protocol: &Protocol) -> Self {
        let choices: Vec<_> = (0..=255).cycle().take(4_096).collect();
        let mut chance = Chance::new(&choices);
        let types = encoder::types(&protocol.spec);
        let messages = (0..types).map(|index| encoder::message(&protocol.spec, index, &mut chance)).collect();
        Self { messages, slot: Vec::new(), length: 0 }
    }

    /// Makes it the packet of the sequence number, in the same memory.
    fn number(&mut self, protocol: &Protocol, sequence: u64) -> u64 {
        let count = self.messages.len() as u64;
        let packet = encoder::packet(&protocol.spec, Header { session: 1, sequence, count }, &self.messages);
        self.length = packet.len();
        self.slot.clear();
        self.slot.extend(packet);
        self.slot.resize(self.length + SLACK_BYTES, 0);
        sequence + count
    }
}

/// Sends packets on both lines, and returns the allocations of the pipeline and of the batches that were let go.
fn allocations_of_a_batch(
    pipeline: &mut Pipeline,
    protocol: &Protocol,
    template: &mut Template,
    next: &mut u64,
) -> usize {
    let mut allocations = 0;
    for _ in 0..PACKETS_A_BATCH {
        let ts_recv_ns = *next;
        *next = template.number(protocol, *next);
        let payload = Padded::new(&template.slot, template.length);
        for line in 0..2 {
            let datagram = Datagram { channel: 0, line, ts_recv_ns, is_cut_off: false, payload };
            allocations += counting::allocations(|| {
                pipeline.on_datagram(&datagram);
                pipeline.advance(ts_recv_ns);
            });
        }
    }
    let mut rows = 0;
    allocations += counting::allocations(|| rows = pipeline.take_batch().order.len());
    assert_eq!(rows as u64, PACKETS_A_BATCH * template.messages.len() as u64);
    allocations
}

#[test]
fn a_batch_costs_the_same_whatever_is_in_it() {
    for protocol in [protocols::itch50(), protocols::iex_deep(), protocols::everything(), protocols::msgpack()] {
        let mut pipeline = Pipeline::new(protocol.plan.clone(), PipelineOptions::default());
        pipeline.add_channel("feed", ["A".to_owned(), "B".to_owned()]);
        let (mut template, mut next) = (Template::new(&protocol), 1);
        let mut batch = || allocations_of_a_batch(&mut pipeline, &protocol, &mut template, &mut next);
        (0..3).for_each(|_| _ = batch());
        let most = (0..BATCHES).map(|_| batch()).max();
        assert!(
            most <= Some(allocations_a_batch(&protocol)),
            "{}: {most:?} allocations for a batch",
            protocol.spec.name
        );
    }
}
