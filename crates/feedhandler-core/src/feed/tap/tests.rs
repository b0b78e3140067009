use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, Sender};

use super::writer::Order;
use super::*;
use crate::pipeline::PipelineOptions;
use crate::plan::Plan;
use crate::receive::{ReceiveOptions, Receiver as Lines};
use crate::ring::Arena;
use crate::wire::LineSpec;

const PATIENCE: Duration = Duration::from_secs(20);

/// So many of these fill a chunk.
const DATAGRAM_BYTES: usize = 60_000;
const IN_A_CHUNK: u64 = 8;

/// A line, and a tap whose writer is the test.
struct Rig {
    lines: Lines,
    sender: UdpSocket,
    pipeline: Pipeline,
    tap: Tap,
    taken: Receiver<Order>,
    give_back: Sender<Chunk>,
}

impl Rig {
    fn new() -> Self {
        let options = ReceiveOptions { slot_bytes: 65_535, slots: 4, ..ReceiveOptions::default() };
        let arena = Arena::allocate(options.layout().unwrap().arena_bytes());
        let lines = Lines::start(&[LineSpec::new("A", "127.0.0.1:0".parse().unwrap())], &options, arena).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(lines.reports()[0].address).unwrap();
        let plan = Plan::from_json(include_bytes!("../../../tests/plans/msgpack.json")).unwrap();
        let pipeline = Pipeline::new(Arc::new(plan), PipelineOptions::default());
        let options = CaptureOptions {
            path: "unused.pcapng".into(),
            rotate_bytes: None,
            rotate_ns: None,
            buffer_bytes: 0, // which is as little as there can be: two chunks
            flush_ns: 0,
            max_packets: None,
            index: false,
        };
        let (queue, taken, give_back) = Queue::new(options.buffer_bytes);
        let tap = Tap::new(&options, 1, lines.stopper(), queue);
        Self { lines, sender, pipeline, tap, taken, give_back }
    }

    /// Has the tap take so many datagrams.
    fn take(&mut self, count: u64) {
        for _ in 0..count {
            self.sender.send(&vec![7; DATAGRAM_BYTES]).unwrap();
            let began = Instant::now();
            while !self.take_next() {
                assert!(began.elapsed() < PATIENCE, "it does not come");
            }
        }
    }

    fn take_next(&mut self) -> bool {
        let Some(slot) = self.lines.consumer().peek(1).next() else { return false };
        self.tap.take(&slot, &self.pipeline);
        self.lines.consumer().release(1);
        true
    }

    /// The next chunk on its way to the disk.
    fn chunk(&self) -> Chunk {
        match self.taken.try_recv() {
            Ok(Order::Write(chunk)) => chunk,
            _ => panic!("no chunk"),
        }
    }
}

#[test]
fn nobody_waits_for_a_disk_that_stands_still() {
    let mut rig = Rig::new();
    rig.take(3 * IN_A_CHUNK + 5);
    let report = rig.tap.report();
    assert_eq!((report.datagrams, report.queue_full, report.pending), (29, 5, 24));
    assert_eq!(report.buffer_high_water_bytes, report.buffer_bytes);
    for _ in 0..2 {
        let mut chunk = rig.chunk();
        assert_eq!(chunk.records.len() as u64, IN_A_CHUNK);
        assert!(chunk.records.iter().all(|record| record.losses == Losses::default()));
        chunk.clear();
        rig.give_back.send(chunk).unwrap();
    }
    rig.take(1);
    rig.tap.tick(&rig.pipeline);
    assert_eq!(rig.chunk().records.len() as u64, IN_A_CHUNK);
    let losses = rig.chunk().records[0].losses;
    assert_eq!((losses.queue, losses.total()), (5, 5), "the next one tells what is missing in front of it");
    assert_eq!(rig.tap.report().queue_full, 5);
}

#[test]
fn a_request_for_another_file_waits_for_room_and_takes_what_came_before() {
    let mut rig = Rig::new();
    rig.take(2 * IN_A_CHUNK + 1);
    let rotation = rig.tap.rotation();
    for _ in 0..3 {
        rotation.request();
        rig.tap.tick(&rig.pipeline);
    }
    assert_eq!([rig.chunk().records.len(), rig.chunk().records.len()], [8, 8]);
    assert!(matches!(rig.taken.try_recv(), Ok(Order::Rotate)));
    assert!(rig.taken.try_recv().is_err(), "requests that found no room are one");
    rig.tap.tick(&rig.pipeline);
    assert!(matches!(rig.taken.try_recv(), Ok(Order::Rotate)));
}
