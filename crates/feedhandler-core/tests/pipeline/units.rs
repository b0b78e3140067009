//! Several sequences in one stream: each has a channel of its own, and the stream's own has what is of none.

use feedhandler_core::arbitrate::ArbiterOptions;
use feedhandler_core::event::Cause;
use feedhandler_core::padded::Padded;
use feedhandler_core::pipeline::{Channel, Datagram, Pipeline, PipelineOptions};

use crate::flagged::{self, Flag, heartbeat, packet};
use crate::rig::{GRACE_NS, assert_balanced, numbers};
use crate::{A, B};

fn pipeline() -> Pipeline {
    let arbiter = ArbiterOptions { grace_ns: GRACE_NS, ..ArbiterOptions::default() };
    let mut pipeline =
        Pipeline::new(flagged::plan_of_units(), PipelineOptions { arbiter, ..PipelineOptions::default() });
    pipeline.add_channel("stream", ["A".to_owned(), "B".to_owned()]);
    pipeline
}

fn on(pipeline: &mut Pipeline, line: usize, ts_ns: u64, bytes: &[u8]) {
    let payload = Padded::from(bytes);
    pipeline.on_datagram(&Datagram { channel: 0, line, ts_recv_ns: ts_ns, is_cut_off: false, payload });
    pipeline.advance(ts_ns);
    assert_balanced(pipeline);
}

fn data(unit: u8, first: u32, end: u32) -> Vec<u8> {
    packet(Flag::Original, unit, first, end, 0)
}

fn named<'a>(pipeline: &'a Pipeline, name: &str) -> &'a Channel {
    pipeline.channels().iter().find(|channel| channel.name == name).expect("a channel of that name")
}

#[test]
fn each_unit_has_its_own_sequence() {
    let mut pipeline = pipeline();
    for (line, ts_ns) in [(A, 1), (B, 2)] {
        on(&mut pipeline, line, ts_ns, &data(1, 1, 3));
        on(&mut pipeline, line, ts_ns, &data(7, 1, 2));
        on(&mut pipeline, line, ts_ns, &data(1, 3, 4));
        on(&mut pipeline, line, ts_ns, &data(7, 2, 5));
    }
    assert_eq!(numbers(&pipeline.take_batch()), [1, 2, 1, 3, 2, 3, 4]);
    let names: Vec<_> = pipeline.channels().iter().map(|channel| channel.name.as_str()).collect();
    assert_eq!(names, ["stream", "stream/1", "stream/7"]);
    for (name, delivered) in [("stream", 0), ("stream/1", 3), ("stream/7", 4)] {
        let units = named(&pipeline, name).arbiter.counters;
        assert_eq!((units.delivered, units.duplicate, units.lost()), (delivered, delivered, 0), "{name}");
    }
}

#[test]
fn a_loss_in_one_unit_is_a_gap_of_that_unit() {
    let mut pipeline = pipeline();
    on(&mut pipeline, A, 1, &data(1, 1, 3));
    on(&mut pipeline, A, 1, &data(2, 1, 3));
    on(&mut pipeline, A, 2, &data(1, 5, 6));
    on(&mut pipeline, A, 3, &heartbeat(2, 4));
    on(&mut pipeline, B, 4, &data(1, 4, 6));
    pipeline.advance(4 + GRACE_NS);
    pipeline.finish();
    assert_balanced(&pipeline);
    let gaps: Vec<_> = pipeline.history().gaps.iter().map(|gap| (gap.channel.as_str(), gap.first, gap.last)).collect();
    assert_eq!(gaps, [("stream/1", 3, 3), ("stream/2", 3, 3)]);
}

#[test]
fn what_is_of_no_unit_is_the_streams_own() {
    let mut pipeline = pipeline();
    on(&mut pipeline, A, 1, &data(1, 1, 3));
    on(&mut pipeline, A, 2, &[11, 1]);
    pipeline.on_drop(0, A, Cause::SocketBuffer, 2, 3);
    on(&mut pipeline, A, 4, &data(1, 5, 6));
    pipeline.finish();
    let (stream, unit) = (named(&pipeline, "stream"), named(&pipeline, "stream/1"));
    assert_eq!((stream.lines[A].counters.malformed, stream.lines[A].counters.dropped_socket_buffer), (1, 2));
    assert_eq!((stream.lines[A].counters.datagrams, unit.lines[A].counters.datagrams), (1, 2));
    assert_eq!(unit.arbiter.counters.lost_socket_buffer, 2, "a drop on the stream explains what a unit lacks");
}

#[test]
fn a_stream_that_is_nothing_but_units_is_bounded() {
    let mut pipeline = pipeline();
    (1..40).for_each(|_| _ = pipeline.add_channel("another", ["A".to_owned()]));
    for channel in 0..40 {
        for unit in 0..=u8::MAX {
            let bytes = data(unit, 1, 2);
            let payload = Padded::from(bytes.as_slice());
            pipeline.on_datagram(&Datagram { channel, line: A, ts_recv_ns: 1, is_cut_off: false, payload });
        }
    }
    assert_eq!(pipeline.channels().len(), 40 + 4096);
    let malformed: u64 = pipeline.history().malformed.values().sum();
    assert_eq!(malformed, 40 * 256 - 4096);
}
