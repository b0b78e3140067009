//! Files that are cut, corrupt or made to harm: what precedes the damage is used, and the damage is named.

use feedhandler_core::capture::{Capture, CaptureStats};
use proptest::prelude::*;

use crate::packets::{ETHERNET, Packet};
use crate::writer::{BIG, LITTLE, Pcap, Pcapng, gzip, zstd};
use crate::{Seen, drain, packets, read};

fn pcap() -> Pcap {
    let frames = [&b""[..], b"one", b"and two"].map(|payload| Packet::v4(payload).ethernet());
    frames.iter().fold(Pcap::microseconds(ETHERNET), |pcap, frame| pcap.record(1, 2, frame))
}

fn pcapng() -> Pcapng {
    let frame = Packet::v6(b"some payload").ethernet();
    let pcapng = Pcapng::new(LITTLE).interface(1, 0, &[(2, b"eth0"), (9, &[9])]).enhanced(0, 1, &frame);
    let pcapng = pcapng.simple(u32::try_from(frame.len()).expect("short"), &frame).block(4, b"names").section(BIG);
    pcapng.interface(1, 0, &[]).obsolete(0, 1, &frame).statistics(0, &[(4, &[1; 8])]).enhanced(0, 1, &frame)
}

/// What is read of the first `length` bytes, where they are still a capture.
fn read_cut(file: &[u8], length: usize) -> Option<(Vec<Seen>, CaptureStats)> {
    Capture::from_bytes(file[..length].to_vec()).ok().map(drain)
}

/// Datagrams without what a cut rightly changes: how much is readable behind them.
fn bare(seen: &[Seen]) -> Vec<(u64, Packet)> {
    seen.iter().map(|seen| (seen.ts_ns, seen.packet.clone())).collect()
}

fn assert_every_cut_is_told(file: &[u8], boundaries: &[usize]) {
    let whole = bare(&read(file).0);
    for length in 0..file.len() {
        let Some((seen, stats)) = read_cut(file, length) else { continue };
        assert!(whole.starts_with(&bare(&seen)), "{length} bytes");
        assert_eq!(stats.truncated.is_none(), boundaries.contains(&length), "{length} bytes: {stats:?}");
    }
}

#[test]
fn every_cut_of_a_file_leaves_what_precedes_it() {
    assert_every_cut_is_told(&pcap().file, &pcap().boundaries);
    assert_every_cut_is_told(&pcapng().file, &pcapng().boundaries);
}

#[test]
fn every_cut_of_a_compressed_file_is_told() {
    for file in [pcap().file, pcapng().file] {
        let (first, second) = file.split_at(100);
        assert_every_cut_is_told(&gzip(&[&file]), &[]);
        assert_every_cut_is_told(&zstd(&[&file]), &[]);
        let boundary = gzip(&[first]).len();
        assert_every_cut_is_told(&gzip(&[first, second])[..boundary - 1], &[]);
    }
}

#[test]
fn the_report_says_what_was_expected_and_found_and_where() {
    let truncated = |file: &[u8]| read(file).1.truncated.expect("a cut");
    let pcap = pcap();
    let start = pcap.boundaries[2];
    let expected = format!(
        "at byte {start}: expected a record header of 16 bytes and 49 bytes of packet, \
         found 20 bytes and the end of the file"
    );
    assert_eq!(truncated(&pcap.file[..start + 20]), expected);
    let expected =
        format!("at byte {start}: expected a record header of 16 bytes, found 3 bytes and the end of the file");
    assert_eq!(truncated(&pcap.file[..start + 3]), expected);
    let compressed = gzip(&[&pcap.file]);
    let expected = format!(
        "at byte {} of the decompressed data: expected a record header of 16 bytes, \
         found 0 bytes and the end of the file: gzip stream that ends early",
        pcap.file.len()
    );
    assert_eq!(truncated(&compressed[..compressed.len() - 1]), expected);
}

#[test]
fn a_damaged_checksum_of_a_compressed_file_is_told() {
    let mut file = gzip(&[&pcap().file]);
    let checksum = file.len() - 8;
    file[checksum] ^= 1;
    let (seen, stats) = read(&file);
    assert_eq!(seen.len(), 3);
    assert!(stats.truncated.is_some_and(|text| text.contains("damaged gzip stream")));
}

#[test]
fn a_record_too_long_to_be_true_ends_the_reading() {
    let mut pcap = pcap();
    pcap.file[pcap.boundaries[1] + 8..][..4].fill(0xff);
    let (seen, stats) = read(&zstd(&[&pcap.file]));
    assert_eq!(packets(&seen), [Packet::v4(b"")]);
    let text = stats.truncated.expect("damage");
    assert!(text.contains("expected a record of at most 262144 bytes, found one of 4294967295 bytes"), "{text}");
}

#[test]
fn a_huge_packet_block_ends_the_reading_without_memory_for_it() {
    let mut pcapng = pcapng();
    let start = pcapng.boundaries[1];
    pcapng.file[start + 4..][..4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    for file in [pcapng.file.clone(), gzip(&[&pcapng.file])] {
        let (seen, stats) = read(&file);
        assert!(seen.is_empty());
        let text = stats.truncated.expect("damage");
        assert!(
            text.contains("expected a block (EPB) of at most 16777216 bytes, found one of 4294967280 bytes"),
            "{text}"
        );
    }
}

#[test]
fn a_huge_block_of_no_concern_is_passed_over() {
    let frame = Packet::v4(b"behind").ethernet();
    let pcapng = Pcapng::new(LITTLE).interface(1, 0, &[]).block(0xbad, &vec![0; 40 << 20]).enhanced(0, 1, &frame);
    for file in [pcapng.file.clone(), zstd(&[&pcapng.file])] {
        let (seen, stats) = read(&file);
        assert_eq!(packets(&seen), [Packet::v4(b"behind")]);
        assert_eq!(stats.truncated, None);
    }
    let text = read(&zstd(&[&pcapng.file[..1 << 20]])).1.truncated.expect("a cut");
    assert!(text.contains("expected the rest of a block of 41943052 bytes that begins at byte 52"), "{text}");
}

#[test]
fn block_lengths_that_disagree_end_the_reading() {
    let mut pcapng = pcapng();
    let end = pcapng.boundaries[2];
    pcapng.file[end - 4] ^= 8;
    let (seen, stats) = read(&pcapng.file);
    assert!(seen.is_empty());
    let text = stats.truncated.expect("damage");
    assert!(text.contains("expected a block (EPB) that ends with its length"), "{text}");
}

#[test]
fn an_unknown_version_or_byte_order_ends_the_reading() {
    let mut pcapng = Pcapng::new(LITTLE);
    let second = pcapng.file.len();
    pcapng = pcapng.section(LITTLE);
    let text = |file: &[u8]| read(file).1.truncated.expect("damage");
    let mut version = pcapng.file.clone();
    version[second + 12] = 2;
    assert!(text(&version).contains("expected a section of pcapng version 1, found version 2"), "{}", text(&version));
    pcapng.file[second + 8] = 0;
    assert!(text(&pcapng.file).contains("expected the byte-order magic 1a2b3c4d"), "{}", text(&pcapng.file));
}

#[test]
fn interfaces_without_end_are_not_kept() {
    let file = (0..70_000).fold(Pcapng::new(LITTLE), |pcapng, _| pcapng.interface(1, 0, &[])).file;
    let (_, stats) = read(&gzip(&[&file]));
    assert_eq!(stats.interfaces.len(), 65_536);
    assert!(stats.truncated.is_some_and(|text| text.contains("at most 65,536 interfaces")));
}

proptest! {
    #[test]
    fn flipped_bytes_never_panic(
        which in 0..6_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (pcap, pcapng) = (pcap().file, pcapng().file);
        let mut file = match which {
            0 => pcap,
            1 => pcapng,
            2 => gzip(&[&pcap]),
            3 => gzip(&[&pcapng]),
            4 => zstd(&[&pcap]),
            _ => zstd(&[&pcapng]),
        };
        for (at, value) in flips {
            let at = at.index(file.len());
            file[at] ^= value;
        }
        read_cut(&file, file.len());
    }

    #[test]
    fn noise_behind_a_header_never_panics(is_pcapng: bool, noise in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let head = if is_pcapng { Pcapng::new(BIG).interface(1, 0, &[]).file } else { Pcap::microseconds(1).file };
        read(&[head, noise].concat());
    }

    #[test]
    fn noise_in_a_frame_never_panics(
        link in prop::sample::select(vec![0, 1, 101, 113, 276]),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let start = Packet::v4(b"x").ethernet();
        read(&Pcap::microseconds(link).record(1, 1, &noise).record(1, 1, &[&start[..20], &noise].concat()).file);
    }
}
