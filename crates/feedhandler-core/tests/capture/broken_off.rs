//! Reading that is broken off as often as can be, and goes on each time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use feedhandler_core::break_off::{BrokenOff, asking};
use feedhandler_core::capture::{Capture, CaptureStats};

use crate::packets::{ETHERNET, Packet};
use crate::writer::{LITTLE, Pcap, Pcapng, gzip, zstd};
use crate::{read, times};

/// What is no datagram of anybody's: an ARP frame.
fn other_frame() -> Vec<u8> {
    [&[0xff; 12][..], &[0x08, 0x06], &[0; 46]].concat()
}

/// Times of the datagrams, and the counts, of a file whose reading was broken off at every other question.
fn read_with_breaks(file: &[u8]) -> (Vec<u64>, CaptureStats, usize) {
    let mut capture = Capture::from_bytes(file.to_vec()).expect("a capture");
    let (mut times, asked) = (Vec::new(), Rc::new(Cell::new(0)));
    let counted = Rc::clone(&asked);
    let ask = move || {
        counted.set(counted.get() + 1);
        if counted.get() % 2 == 0 { Ok(()) } else { Err(BrokenOff::default()) }
    };
    asking(Duration::ZERO, ask, || {
        loop {
            match capture.next_datagram() {
                Ok(Some(datagram)) => times.push(datagram.ts_ns),
                Ok(None) => return,
                Err(error) => assert!(error.broken_off().is_some(), "{error}"),
            }
        }
    });
    (times, capture.stats().clone(), asked.get())
}

fn assert_goes_on(file: &[u8]) {
    let (seen, stats) = read(file);
    let (times_seen, stats_seen, asked) = read_with_breaks(file);
    assert!(asked >= 4, "asked {asked} times");
    assert_eq!(times_seen, times(&seen));
    assert_eq!(format!("{stats_seen:?}"), format!("{stats:?}"));
}

#[test]
fn a_pcap_file_is_read_on() {
    let (ours, other) = (Packet::v4(&[1; 40]).ethernet(), other_frame());
    let frame = |at: u32| if at.is_multiple_of(3_000) { &ours } else { &other };
    let file = (0..10_000).fold(Pcap::microseconds(ETHERNET), |pcap, at| pcap.record(at, 0, frame(at))).file;
    for file in [file.clone(), gzip(&[&file]), zstd(&[&file])] {
        assert_goes_on(&file);
        assert_goes_on(&file[..file.len() - 10]);
    }
}

#[test]
fn a_pcapng_file_of_few_packets_and_of_blocks_that_are_passed_over_is_read_on() {
    let frame = Packet::v4(&[1; 40]).ethernet();
    let start = Pcapng::new(LITTLE).interface(1, 0, &[]).enhanced(0, 1, &frame);
    let many = (0..5_000).fold(start, |pcapng, _| pcapng.block(0x0bad, b"of no meaning"));
    let file = many.enhanced(0, 2, &frame).block(0x0bad, &vec![7; 17 << 20]).enhanced(0, 3, &frame).file;
    for file in [file.clone(), gzip(&[&file])] {
        assert_goes_on(&file);
    }
    assert_goes_on(&gzip(&[&file[..file.len() - (1 << 20)]]));
}
