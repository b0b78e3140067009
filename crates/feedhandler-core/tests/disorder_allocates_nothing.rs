//! Once warm, neither packets that wait nor messages of unknown types allocate: a batch costs what it always does.
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

const PACKETS_A_BATCH: u64 = 100;
/// Packets that come in the reverse of their order: all but one of them wait.
const REVERSED: u64 = 10;

/// A packet of one message, in a slot.
struct Packets {
    protocol: Protocol,
    message: Vec<u8>,
}

impl Packets {
    fn new(protocol: Protocol) -> Self {
        let message = encoder::message(&protocol.spec, 0, &mut Chance::new(&[7; 64]));
        Self { protocol, message }
    }

    fn packet(&self, sequence: u64) -> (Vec<u8>, usize) {
        let header = Header { session: 1, sequence, count: 1 };
        let mut packet = encoder::packet(&self.protocol.spec, header, std::slice::from_ref(&self.message));
        let length = packet.len();
        packet.resize(length + SLACK_BYTES, 0);
        (packet, length)
    }

    /// Allocations of a batch of packets that come in the reverse of their order, a few at a time.
    fn allocations(&self, pipeline: &mut Pipeline, first: u64) -> usize {
        let mut allocations = 0;
        for start in (first..first + PACKETS_A_BATCH).step_by(usize::try_from(REVERSED).expect("a small number")) {
            for sequence in (start..start + REVERSED).rev() {
                let (slot, length) = self.packet(sequence);
                let payload = Padded::new(&slot, length);
                let datagram = Datagram { channel: 0, line: 0, ts_recv_ns: 0, is_cut_off: false, payload };
                allocations += counting::allocations(|| pipeline.on_datagram(&datagram));
            }
        }
        allocations + counting::allocations(|| drop(pipeline.take_batch()))
    }

    /// The most that one of some batches allocates, once warm.
    fn most_allocations(&self) -> usize {
        let mut pipeline = Pipeline::new(self.protocol.plan.clone(), PipelineOptions::default());
        pipeline.add_channel("feed", ["A".to_owned()]);
        let (slot, length) = self.packet(1);
        let payload = Padded::new(&slot, length);
        pipeline.on_datagram(&Datagram { channel: 0, line: 0, ts_recv_ns: 0, is_cut_off: false, payload });
        let mut batches = (0..20).map(|batch| self.allocations(&mut pipeline, 2 + batch * PACKETS_A_BATCH));
        batches.by_ref().take(3).for_each(drop);
        let most = batches.max().unwrap_or_default();
        let units = pipeline.channels()[0].arbiter.counters;
        assert_eq!((units.delivered + units.recovered, units.lost()), (1 + 20 * PACKETS_A_BATCH, 0));
        most
    }
}

#[test]
fn disorder_and_unknown_types_cost_a_batch_nothing() {
    for protocol in [protocols::itch50(), protocols::iex_deep(), protocols::msgpack()] {
        // A batch is its list of tables, and shared handles for each table, for the order and for the events.
        let allowed = 1 + protocol.plan.tables.len() + 2;
        let mut packets = Packets::new(protocol);
        assert!(packets.most_allocations() <= allowed, "{}", packets.protocol.spec.name);
        if packets.protocol.spec.name == "msgpack" {
            // [100, 0] and ["unknown", 0] are of no type that is declared.
            for message in [vec![0x92, 100, 0], [&[0x92, 0xa7][..], b"unknown\0"].concat()] {
                packets.message = message;
                assert!(packets.most_allocations() <= allowed, "unknown types");
            }
        }
    }
}
