//! The block format: sections, interfaces, clocks and every kind of block.

use feedhandler_core::capture::BlockKind;
use proptest::prelude::*;

use crate::packets::{Packet, linux_sll2};
use crate::writer::{BIG, LITTLE, Pcapng, len32};
use crate::{packets, read, times};

const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

fn frame(payload: &[u8]) -> Vec<u8> {
    Packet::v4(payload).ethernet()
}

proptest! {
    #[test]
    fn what_is_written_comes_back(
        sections in prop::collection::vec(
            (any::<bool>(), prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..99)), 0..9)),
            1..5,
        ),
    ) {
        let mut pcapng = Pcapng { file: Vec::new(), boundaries: Vec::new(), order: LITTLE };
        let mut expected = Vec::new();
        for (is_big, records) in &sections {
            pcapng = pcapng.section(if *is_big { BIG } else { LITTLE }).interface(1, 0, &[(IF_TSRESOL, &[9])]);
            for (tick, payload) in records {
                let ticks = u64::from(*tick) << 31;
                pcapng = pcapng.enhanced(0, ticks, &frame(payload));
                expected.push((ticks, Packet::v4(payload)));
            }
        }
        let (seen, stats) = read(&pcapng.file);
        prop_assert_eq!(stats.truncated, None);
        prop_assert_eq!(stats.interfaces.len(), sections.len());
        let seen: Vec<_> = seen.into_iter().map(|seen| (seen.ts_ns, seen.packet)).collect();
        prop_assert_eq!(seen, expected);
    }
}

#[test]
fn each_interface_has_its_clock_and_link_type() {
    for order in [LITTLE, BIG] {
        let offset = match order {
            LITTLE => 1_000_i64.to_le_bytes(),
            BIG => 1_000_i64.to_be_bytes(),
        };
        let pcapng = Pcapng::new(order)
            .interface(1, 65_535, &[])
            .interface(276, 0, &[(IF_TSRESOL, &[3]), (IF_TSOFFSET, &offset)])
            .interface(1, 0, &[(IF_TSRESOL, &[0x8a])])
            .enhanced(0, 2_000_001, &frame(b"microseconds"))
            .enhanced(1, 5, &linux_sll2(0x0800, &Packet::v4(b"milliseconds").ip()))
            .enhanced(2, 1025, &frame(b"1024ths"));
        let (seen, stats) = read(&pcapng.file);
        assert_eq!(times(&seen), [2_000_001_000, 1_000_005_000_000, 1_000_976_562]);
        let payloads: Vec<_> = seen.iter().map(|seen| seen.packet.payload.as_slice()).collect();
        assert_eq!(payloads, [&b"microseconds"[..], b"milliseconds", b"1024ths"]);
        assert_eq!(stats.interfaces[1].offset_s, 1_000);
        assert_eq!(stats.interfaces[2].resolution.to_string(), "2^-10 s");
    }
}

#[test]
fn interfaces_belong_to_their_section() {
    let pcapng = Pcapng::new(LITTLE)
        .interface(1, 0, &[(IF_NAME, b"eth0")])
        .interface(1, 0, &[(IF_NAME, b"eth1")])
        .enhanced(1, 0, &frame(b"first"))
        .section(BIG)
        .interface(1, 0, &[(IF_NAME, b"eth2")])
        .enhanced(0, 0, &frame(b"second"))
        .enhanced(1, 0, &frame(b"no such interface here"))
        .statistics(0, &[(4, &77_u64.to_be_bytes()), (5, &3_u64.to_be_bytes())])
        .statistics(1, &[(4, &1_u64.to_be_bytes())]);
    let (seen, stats) = read(&pcapng.file);
    assert_eq!(packets(&seen), [Packet::v4(b"first"), Packet::v4(b"second")]);
    assert_eq!(stats.malformed_record, 1);
    let names: Vec<_> = stats.interfaces.iter().map(|interface| interface.name.as_deref()).collect();
    assert_eq!(names, [Some("eth0"), Some("eth1"), Some("eth2")]);
    let counts: Vec<_> = stats.interfaces.iter().map(|interface| (interface.received, interface.dropped)).collect();
    assert_eq!(counts, [(None, None), (None, None), (Some(77), Some(3))]);
}

#[test]
fn every_kind_of_packet_block_is_read() {
    for order in [LITTLE, BIG] {
        let pcapng = Pcapng::new(order)
            .interface(1, 0, &[])
            .simple(len32(&frame(b"no time yet")), &frame(b"no time yet"))
            .obsolete(0, 5, &frame(b"obsolete"))
            .simple(len32(&frame(b"as before")), &frame(b"as before"))
            .enhanced(0, 6, &frame(b"enhanced"));
        let (seen, stats) = read(&pcapng.file);
        let payloads: Vec<_> = seen.iter().map(|seen| seen.packet.payload.as_slice()).collect();
        assert_eq!(payloads, [&b"no time yet"[..], b"obsolete", b"as before", b"enhanced"]);
        assert_eq!(times(&seen), [0, 5_000, 5_000, 6_000]);
        assert_eq!((stats.first_ts_ns, stats.last_ts_ns), (Some(5_000), Some(6_000)));
    }
}

#[test]
fn a_simple_packet_is_as_long_as_the_interface_lets_it_be() {
    let whole = frame(b"a payload cut by the snap length");
    let pcapng = Pcapng::new(LITTLE).interface(1, 60, &[]).simple(len32(&whole), &whole[..60]);
    let (seen, stats) = read(&pcapng.file);
    assert_eq!((seen.len(), stats.snapped), (0, 1));
}

#[test]
fn blocks_are_counted_by_kind_and_unknown_ones_skipped() {
    let mut pcapng = Pcapng::new(BIG).interface(1, 0, &[]);
    for other in [4, 10, 0xbad, 0x4000_0bad, 9, 0x8000_0001] {
        pcapng = pcapng.block(other, b"what is in it does not matter");
    }
    let (seen, stats) = read(&pcapng.enhanced(0, 1, &frame(b"last")).statistics(0, &[]).file);
    assert_eq!(packets(&seen), [Packet::v4(b"last")]);
    assert_eq!(stats.blocks.of(BlockKind::Unknown), 2);
    let stats = serde_json::to_value(stats).expect("plain data");
    let expected = serde_json::json!(
        {"SHB": 1, "IDB": 1, "NRB": 1, "DSB": 1, "CB": 1, "DCB": 1, "unknown": 2, "EPB": 1, "ISB": 1}
    );
    assert_eq!(stats["blocks"], expected);
    assert_eq!(stats["format"], "pcapng");
}

#[test]
fn a_length_that_leaves_out_its_padding_is_understood() {
    let mut pcapng = Pcapng::new(LITTLE).interface(1, 0, &[]);
    let start = pcapng.file.len();
    pcapng = pcapng.block(0x0bad, b"abc");
    let end = pcapng.file.len();
    pcapng.file[start + 4] -= 1;
    pcapng.file[end - 4] -= 1;
    let (seen, stats) = read(&pcapng.enhanced(0, 1, &frame(b"behind")).file);
    assert_eq!(packets(&seen), [Packet::v4(b"behind")]);
    assert_eq!(stats.truncated, None);
}

#[test]
fn a_packet_longer_than_its_block_is_malformed_and_the_next_is_read() {
    let lie = Pcapng::new(LITTLE).fields().u32(0).u32(0).u32(0).u32(1_000).u32(1_000).padded(&frame(b"x")).bytes;
    let simple_lie = Pcapng::new(LITTLE).fields().u32(u32::MAX).padded(&frame(b"x")).bytes;
    let pcapng = Pcapng::new(LITTLE).interface(1, 0, &[]).block(6, &lie).block(6, &[0; 8]).block(3, &simple_lie);
    let (seen, stats) = read(&pcapng.enhanced(0, 1, &frame(b"next")).file);
    assert_eq!(packets(&seen), [Packet::v4(b"next")]);
    assert_eq!((stats.records, stats.malformed_record), (4, 3));
}

#[test]
fn a_long_interface_name_is_cut() {
    let pcapng = Pcapng::new(LITTLE).interface(1, 0, &[(IF_NAME, &vec![b'n'; 60_000])]);
    let (_, stats) = read(&pcapng.file);
    assert_eq!(stats.interfaces[0].name.as_deref().map(str::len), Some(256));
}
