//! Captures that others recorded, where the folder with them is at hand (`FEEDHANDLER_CAPTURES`).

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use feedhandler_core::capture::{Capture, CaptureStats, FileKind, recognise};

use crate::{Seen, drain};

/// The folder of captures, or `None` with a reason printed.
fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures");
    let folder = std::env::var_os("FEEDHANDLER_CAPTURES").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no captures in {}; FEEDHANDLER_CAPTURES names their folder", folder.display());
    None
}

fn read(path: &Path) -> (Vec<Seen>, CaptureStats) {
    drain(Capture::open(path).unwrap_or_else(|error| panic!("{error}")))
}

fn by_destination(seen: &[Seen]) -> BTreeMap<SocketAddr, usize> {
    seen.iter().fold(BTreeMap::new(), |mut counts, seen| {
        *counts.entry(seen.packet.destination).or_default() += 1;
        counts
    })
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn iex_tops_in_gzipped_pcapng() {
    let Some(folder) = folder() else { return };
    let (seen, stats) = read(&folder.join("iex/TOPS16.pcapng.gz"));
    assert_eq!(by_destination(&seen), BTreeMap::from([(address("224.67.0.199:16642"), 13_022)]));
    assert_eq!(stats.truncated, None);
}

#[test]
fn cme_lines_in_nanosecond_pcap() {
    let Some(folder) = folder() else { return };
    let (seen, stats) = read(&folder.join("cme/Cme.Mdp3.Sbe.v8.1.Example.pcap"));
    let lines = [(address("224.0.31.11:14320"), 5_000), (address("224.0.32.11:15320"), 5_000)];
    assert_eq!(by_destination(&seen), BTreeMap::from(lines));
    assert_eq!(stats.interfaces[0].resolution.to_string(), "10^-9 s");
    let steps_back = seen.windows(2).filter(|pair| pair[1].ts_ns < pair[0].ts_ns).count();
    assert_eq!(steps_back, 612, "records that are not in the order of their times");
}

#[test]
fn nyse_in_pcap() {
    let Some(folder) = folder() else { return };
    let (seen, _) = read(&folder.join("nyse/Nyse.ImbalancesFeed.v2.1.f.Example.pcap"));
    assert_eq!(by_destination(&seen), BTreeMap::from([(address("233.125.89.36:11106"), 11_819)]));
}

#[test]
fn odd_pcaps() {
    let Some(folder) = folder() else { return };
    let stats = |name: &str| read(&folder.join("pcapng").join(name)).1;
    let vlan = stats("VlanPackets.pcap");
    assert_eq!((vlan.malformed_link, vlan.malformed_ip, vlan.truncated), (0, 0, None));
    assert_eq!(vlan.records, vlan.not_udp + vlan.datagrams);
    // Two records of 16 bytes that are no packets.
    for (name, first_ts_ns, last_ts_ns) in
        [("microsecs.pcap", 1_000_002_000, 1_000_001_000), ("nanosecs.pcap", 1_000_002_000, 1_000_001_234)]
    {
        let stats = stats(name);
        assert_eq!((stats.records, stats.datagrams), (2, 0), "{name}");
        assert_eq!((stats.first_ts_ns, stats.last_ts_ns), (Some(first_ts_ns), Some(last_ts_ns)), "{name}");
    }
    let big_endian = stats("nanosecs_big_endian.pcap");
    assert_eq!((big_endian.records, big_endian.not_udp), (big_endian.not_udp, big_endian.records), "TCP");
    assert_eq!(big_endian.first_ts_ns, Some(0x6948_8b46 * 1_000_000_000 + 0x09fe_183b));
}

/// The counts under `Block counts:` in the text beside a conformance file.
fn expected_blocks(text: &str) -> BTreeMap<&str, u64> {
    let lines = text.lines().filter(|line| line.starts_with('\t'));
    lines
        .map(|line| line.trim().split_once(": ").expect("a count"))
        .map(|(code, n)| (code, n.parse().expect("a number")))
        .collect()
}

#[test]
fn pcapng_conformance_files_have_the_blocks_their_texts_say() {
    let Some(folder) = folder() else { return };
    let mut files = 0;
    for group in ["basic", "advanced"] {
        for entry in fs::read_dir(folder.join("pcapng/hadrielk-le").join(group)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "pcapng") {
                let text = fs::read_to_string(path.with_extension("txt")).expect("a text beside it");
                let (_, stats) = read(&path);
                assert_eq!(stats.blocks.by_code(), expected_blocks(&text), "{}", path.display());
                assert_eq!(stats.truncated, None, "{}", path.display());
                files += 1;
            }
        }
    }
    assert_eq!(files, 21);
}

#[test]
fn single_itch_datagrams_and_bare_messages() {
    let Some(folder) = folder() else { return };
    for group in ["itch/singles-bx-20230822", "itch/singles-nasdaq-20230822"] {
        for entry in fs::read_dir(folder.join(group)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let (seen, stats) = read(&path);
            assert!(!seen.is_empty() && stats.truncated.is_none(), "{}: {stats:?}", path.display());
        }
    }
    for bare in ["itch/12302019_SNIPPET.NASDAQ_ITCH50", "itch/ex20101224.TEST_ITCH_50.gz"] {
        assert_eq!(recognise(&folder.join(bare)).expect("readable"), FileKind::Other);
    }
}
