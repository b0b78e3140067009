//! What cannot be mapped is read as it comes.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::thread;

use feedhandler_core::capture::{Capture, FileKind, Source};

use crate::drain;
use crate::packets::{ETHERNET, Packet};
use crate::writer::{Pcap, gzip};

/// Datagrams read from a pipe that `bytes` are written to, the first three of them before the rest.
fn through_a_pipe(bytes: Vec<u8>) -> usize {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let path = PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let writing = thread::spawn(move || {
        let (first, rest) = bytes.split_at(3);
        writer.write_all(first).and_then(|()| writer.write_all(rest)).expect("a reader");
    });
    let mut source = Source::open(&path).expect("a pipe");
    assert_eq!(source.kind().expect("readable"), FileKind::Pcap);
    let capture = Capture::new(source).expect("a capture");
    assert_eq!(capture.total_bytes(), 0, "nobody knows");
    let (seen, stats) = drain(capture);
    writing.join().expect("everything was read");
    assert_eq!(stats.truncated, None);
    seen.len()
}

#[test]
fn a_capture_is_read_from_a_pipe() {
    let frame = Packet::v4(&[1; 1_000]).ethernet();
    let file = (0..2_000).fold(Pcap::microseconds(ETHERNET), |pcap, at| pcap.record(at, 0, &frame)).file;
    assert_eq!(through_a_pipe(gzip(&[&file])), 2_000);
    assert_eq!(through_a_pipe(file), 2_000);
}
