//! Files on disk: compression known by content, positions for a progress bar, and errors that help.

use std::path::PathBuf;

use feedhandler_core::capture::{Capture, CaptureError, FILL_BYTES_MAX, FileKind, Source, recognise};
use feedhandler_core::padded::SLACK_BYTES;

use crate::packets::{ETHERNET, Packet};
use crate::writer::{LITTLE, Pcap, Pcapng, gzip, zstd};
use crate::{drain, packets, read};

/// A file that is gone when the test is over.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("capture-test.{}.{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("a temporary file");
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A frame with a payload of its own length and content.
fn large_frame(at: u32) -> Vec<u8> {
    let payload: Vec<u8> = (0..at % 1_400).map(|byte| (byte ^ at).to_le_bytes()[0]).collect();
    Packet::v4(&payload).ethernet()
}

/// A capture larger than several decompression windows.
fn large() -> Pcap {
    (0..4_000).fold(Pcap::microseconds(ETHERNET), |pcap, at| pcap.record(at, 0, &large_frame(at)))
}

fn large_pcapng() -> Pcapng {
    let start = Pcapng::new(LITTLE).interface(1, 0, &[]);
    (0..4_000).fold(start, |pcapng, at| pcapng.enhanced(0, at.into(), &large_frame(at)))
}

#[test]
fn compression_changes_nothing() {
    for file in [large().file, large_pcapng().file] {
        let (plain, _) = read(&file);
        assert_eq!(plain.len(), 4_000);
        let (first, second) = file.split_at(file.len() / 3);
        let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 9, 9, 9, 9][..], &zstd(&[&file])].concat();
        let members = [gzip(&[&file]), gzip(&[first, b"", second])];
        for compressed in members.into_iter().chain([zstd(&[&file]), zstd(&[first, second]), skippable]) {
            let (seen, stats) = read(&compressed);
            assert!(packets(&seen) == packets(&plain), "{stats:?}");
            assert_eq!(stats.truncated, None);
            let without_slack = seen.iter().filter(|seen| !seen.has_slack).count();
            assert!(without_slack <= 1, "slack is missing behind {without_slack} datagrams");
        }
    }
}

#[test]
fn a_length_in_a_compressed_file_does_not_decide_how_much_memory_is_taken() {
    let mut source = Source::from_bytes(zstd(&[&vec![0; FILL_BYTES_MAX + 1_000]])).expect("memory");
    assert_eq!(source.fill(usize::MAX).expect("memory").len(), FILL_BYTES_MAX);
}

#[test]
fn the_name_of_a_file_says_nothing() {
    let file = Pcapng::new(LITTLE).interface(1, 0, &[]).file;
    for (name, bytes) in [("a.zst", file.clone()), ("b.pcap", gzip(&[&file])), ("c.txt", zstd(&[&file]))] {
        let file = TempFile::new(name, &bytes);
        assert_eq!(recognise(&file.0).expect("readable"), FileKind::Pcapng);
        assert_eq!(drain(Capture::open(&file.0).expect("a capture")).1.truncated, None);
    }
}

#[test]
fn kinds_are_recognised_by_content() {
    let kind = |bytes: Vec<u8>| Source::from_bytes(bytes).and_then(|mut source| source.kind()).expect("readable");
    assert_eq!(kind(Pcap::microseconds(1).file), FileKind::Pcap);
    assert_eq!(kind(zstd(&[&Pcap::microseconds(1).file])), FileKind::Pcap);
    assert_eq!(kind(Pcapng::new(LITTLE).file), FileKind::Pcapng);
    assert_eq!(kind(b"\0\x0cS\0\0 messages of an exchange".to_vec()), FileKind::Other);
    assert_eq!(kind(b"\n\r\r\n and a text".to_vec()), FileKind::Other);
    assert_eq!(kind(Vec::new()), FileKind::Other);
}

#[test]
fn positions_lead_to_the_end_of_the_file_on_disk() {
    let plain = large().file;
    for bytes in [plain.clone(), gzip(&[&plain]), zstd(&[&plain])] {
        let file = TempFile::new("positions", &bytes);
        let mut capture = Capture::open(&file.0).expect("a capture");
        assert_eq!(capture.total_bytes(), bytes.len() as u64);
        let mut last = 0;
        while capture.next_datagram().expect("sound").is_some() {
            assert!(capture.position_bytes() >= last);
            last = capture.position_bytes();
        }
        assert_eq!(capture.position_bytes(), bytes.len() as u64);
        assert_eq!(capture.offset_bytes(), plain.len() as u64);
    }
}

#[test]
fn a_source_is_read_by_want_and_consume() {
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for file in [bytes.clone(), gzip(&[&bytes])] {
        let mut source = Source::from_bytes(file).expect("memory");
        let mut seen = Vec::new();
        loop {
            let readable = source.fill(1_000 + SLACK_BYTES).expect("memory");
            let step = readable.len().min(1_000);
            seen.extend_from_slice(&readable[..step]);
            source.consume(step);
            if step == 0 {
                break;
            }
        }
        assert!(seen == bytes);
        assert_eq!(source.offset_bytes(), bytes.len() as u64);
        assert_eq!(source.failure(), None);
    }
}

#[test]
fn a_source_skips_and_says_where_it_could_not() {
    let bytes: Vec<u8> = vec![7; 2_000_000];
    for file in [bytes.clone(), zstd(&[&bytes])] {
        let mut source = Source::from_bytes(file).expect("memory");
        let mut skip = |mut left: u64| source.skip(&mut left).map(|()| left).expect("memory");
        assert_eq!((skip(1_500_000), skip(u64::MAX)), (0, u64::MAX - 500_000));
        assert!(source.fill(1).expect("memory").is_empty());
    }
}

#[test]
fn what_is_no_capture_is_named_and_described() {
    let message = |bytes: &[u8]| Capture::from_bytes(bytes.to_vec()).err().expect("no capture").to_string();
    assert!(message(b"").contains("found an empty file"), "{}", message(b""));
    let text = message(b"#!/bin/sh\necho no capture");
    assert!(text.contains(r##"found a file beginning with "#!/bin/sh\necho n""##), "{text}");
    let text = message(&Pcap::microseconds(1).file[..10]);
    assert!(text.contains("found a pcap file header cut off after 10 of 24 bytes"), "{text}");
    let text = message(&gzip(&[b"data"])[..6]);
    assert!(text.contains("found a gzip stream that ends early"), "{text}");
    assert!(!text.contains('\n'), "one line: {text}");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let path = std::env::temp_dir().join("no/such/capture.pcap");
    let error = Capture::open(&path).err().expect("no such file");
    assert!(matches!(&error, CaptureError::Io { path: named, .. } if *named == path));
    assert!(error.to_string().starts_with(&format!("{}: cannot be read: ", path.display())));
    assert!(Capture::open(&std::env::temp_dir()).is_err(), "a folder");
}

#[test]
fn a_capture_can_be_handed_to_another_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<Capture>();
}
