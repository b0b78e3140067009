use proptest::prelude::*;

use super::*;

/// Nasdaq `MoldUDP64` 1.00, "Downstream Packet".
pub fn moldudp64() -> FramingSpec {
    serde_json::from_str(
        r#"{
        "name": "moldudp64", "counts": "messages", "first_sequence": 1,
        "header": {"kind": "binary", "bytes": 20,
            "session": {"offset": 0, "width": 10, "kind": "ascii"},
            "sequence": {"offset": 10, "width": 8, "byte_order": "big"},
            "count": {"offset": 18, "width": 2, "byte_order": "big"},
            "send_time": null, "payload_length": null, "expect": [], "heartbeat": null,
            "end_of_session": {"field": {"offset": 18, "width": 2, "byte_order": "big"}, "values": [65535]}},
        "delimiter": {"kind": "length", "field": {"offset": 0, "width": 2, "byte_order": "big"}, "excludes": 2, "data_offset": 2}
    }"#,
    )
    .expect("a framing")
}

/// A framing with what `MoldUDP64` lacks: little-endian, a payload length, expected values, a session number, packet
/// numbers, a marked heartbeat, and a length that counts its whole block.
fn other() -> FramingSpec {
    serde_json::from_str(
        r#"{
        "name": "other", "counts": "packets", "first_sequence": 7,
        "header": {"kind": "binary", "bytes": 16,
            "session": {"offset": 4, "width": 4, "kind": "uint_little"},
            "sequence": {"offset": 8, "width": 4, "byte_order": "little"},
            "count": {"offset": 12, "width": 1, "byte_order": "little"},
            "send_time": null,
            "payload_length": {"field": {"offset": 2, "width": 2, "byte_order": "little"}, "excludes": 16},
            "expect": [{"name": "version", "field": {"offset": 0, "width": 1, "byte_order": "little"}, "values": [3, 2]}],
            "heartbeat": {"field": {"offset": 13, "width": 1, "byte_order": "little"}, "values": [9]},
            "end_of_session": null},
        "delimiter": {"kind": "length", "field": {"offset": 1, "width": 2, "byte_order": "little"}, "excludes": 0, "data_offset": 4}
    }"#,
    )
    .expect("a framing")
}

/// Reads `MoldUDP64` packets as slowly and plainly as can be: (session, sequence, messages) of each.
fn unpack(packets: &[Vec<u8>]) -> Vec<(Vec<u8>, u64, Vec<Vec<u8>>)> {
    let mut unpacked = Vec::new();
    for packet in packets {
        let (header, mut blocks) = packet.split_at(20);
        let sequence = u64::from_be_bytes(header[10..18].try_into().expect("8 bytes"));
        let count = u16::from_be_bytes(header[18..].try_into().expect("2 bytes"));
        let mut messages = Vec::new();
        for _ in 0..count {
            let length = usize::from(u16::from_be_bytes(blocks[..2].try_into().expect("2 bytes")));
            messages.push(blocks[2..2 + length].to_vec());
            blocks = &blocks[2 + length..];
        }
        assert!(blocks.is_empty(), "bytes left behind the last message");
        unpacked.push((header[..10].to_vec(), sequence, messages));
    }
    unpacked
}

fn taken(packer: &mut Packer) -> Vec<u8> {
    let mut bytes = Vec::new();
    packer.take(&mut bytes);
    bytes
}

fn pack_all(packer: &mut Packer, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for message in messages {
        if !packer.has_room(message.len()) {
            packets.push(taken(packer));
        }
        packer.push(message).expect("a message that fits");
    }
    if packer.count() > 0 {
        packets.push(taken(packer));
    }
    packets
}

proptest! {
    #[test]
    fn what_is_packed_comes_out_again_numbered_without_a_gap(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..200),
        limit_bytes in 82..400_usize,
    ) {
        let mut packer = Packer::new(&moldudp64(), "SESSION", limit_bytes).expect("a packer");
        let packets = pack_all(&mut packer, &messages);
        let mut expected_sequence = 1;
        let mut unpacked = Vec::new();
        for (packet, (session, sequence, inside)) in packets.iter().zip(unpack(&packets)) {
            prop_assert!(packet.len() <= limit_bytes);
            prop_assert_eq!(session, b"SESSION   ");
            prop_assert_eq!(sequence, expected_sequence);
            expected_sequence += inside.len() as u64;
            unpacked.extend(inside);
        }
        prop_assert_eq!(unpacked, messages);
    }
}

#[test]
fn heartbeat_and_end_of_session_carry_the_next_expected_sequence_number() {
    let mut packer = Packer::new(&moldudp64(), "S", 100).expect("a packer");
    pack_all(&mut packer, &[b"one".to_vec(), b"two".to_vec()]);
    let mut last = taken(&mut packer);
    assert_eq!(last, b"S         \0\0\0\0\0\0\0\x03\0\0", "heartbeat: a count of 0");
    assert!(packer.end_of_session(&mut last));
    assert_eq!(last, b"S         \0\0\0\0\0\0\0\x03\xff\xff");
}

#[test]
fn another_framing_is_followed_field_by_field() {
    let mut packer = Packer::new(&other(), "258", 100).expect("a packer");
    let packets = pack_all(&mut packer, &[b"ab".to_vec()]);
    assert_eq!(packets, [[&[3, 0, 6, 0, 2, 1, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0], &[0, 6, 0, 0][..], b"ab"].concat()]);
    let mut heartbeat = taken(&mut packer);
    assert_eq!(heartbeat, [3, 0, 0, 0, 2, 1, 0, 0, 8, 0, 0, 0, 0, 9, 0, 0]);
    assert!(!packer.end_of_session(&mut heartbeat), "this framing has no end of session");
}

#[test]
fn what_cannot_be_packed_is_refused_with_a_reason() {
    let too_long = Packer::new(&moldudp64(), "12345678901", 100).expect_err("11 characters");
    assert_eq!(too_long.to_string(), r#"expected at most 10 ASCII characters as session, found "12345678901""#);
    assert!(Packer::new(&other(), "4294967296", 100).is_err(), "more than 4 bytes");
    assert!(Packer::new(&other(), "today", 100).is_err(), "not a number");
    let whole = FramingSpec { delimiter: DelimiterSpec::Whole {}, ..moldudp64() };
    assert!(matches!(Packer::new(&whole, "S", 100), Err(PackError::Framing { .. })));
    let mut packer = Packer::new(&moldudp64(), "S", 25).expect("a packer");
    assert_eq!(packer.push(b"four"), Err(PackError::TooLong { found_bytes: 26, limit_bytes: 25 }));
    packer.push(b"3 b").expect("fits to the byte");
}
