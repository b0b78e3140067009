//! A protocol after the manner of `MoldUDP64`: one message, a number, and the packets that carry it.

use std::sync::Arc;

use feedhandler_core::plan::Plan;

/// Session of packets that do not care.
pub const SESSION: &str = "SESSION001";
/// Message count that announces the end of the session.
const END_OF_SESSION: u16 = 0xffff;

/// What the number of the message with this sequence number is: different for every message, and not the number itself.
pub fn number_of(seq: u64) -> u64 {
    seq.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The protocol.
pub fn plan() -> Arc<Plan> {
    Arc::new(Plan::from_json(json(10, 8).as_bytes()).expect("the plan is sound"))
}

/// The protocol with only the last two bytes of the sequence number: it wraps.
pub fn wrapping_plan() -> Arc<Plan> {
    Arc::new(Plan::from_json(json(16, 2).as_bytes()).expect("the plan is sound"))
}

/// The protocol, as the Python side would hand it over, with the sequence number there.
fn json(sequence_at: usize, sequence_bytes: usize) -> String {
    let code = r#"{"offset": 0, "width": 1, "byte_order": "big"}"#;
    format!(
        r#"{{
        "name": "numbers",
        "framing": {{
            "name": "moldudp64",
            "header": {{
                "kind": "binary", "bytes": 20,
                "session": {{"offset": 0, "width": 10, "kind": "ascii"}},
                "sequence": {{"offset": {sequence_at}, "width": {sequence_bytes}, "byte_order": "big"}},
                "count": {{"offset": 18, "width": 2, "byte_order": "big"}},
                "send_time": null, "payload_length": null, "expect": [], "heartbeat": null,
                "end_of_session": {{"field": {{"offset": 18, "width": 2, "byte_order": "big"}}, "values": [65535]}}
            }},
            "counts": "messages", "first_sequence": 1,
            "delimiter": {{"kind": "length", "field": {{"offset": 0, "width": 2, "byte_order": "big"}},
                           "excludes": 2, "data_offset": 2}}
        }},
        "file": {{"field": {{"offset": 0, "width": 2, "byte_order": "big"}},
                  "excludes": 2, "data_offset": 2, "zero_length_by_type": false}},
        "messages": {{
            "encoding": "binary", "code": {code},
            "messages": [{{
                "name": "number", "codes": [{{"value": 78, "text": "N"}}], "length": 9, "min_length": 9,
                "fields": [{{"name": "number", "kind": "uint", "offset": 1, "width": 8, "byte_order": "big"}}]
            }}]
        }}
    }}"#
    )
}

/// Offset of the column `number` in a row.
pub const NUMBER_AT: usize = 24;

/// A packet header.
pub fn header(session: &str, sequence: u64, count: u16) -> Vec<u8> {
    let mut packet = format!("{session:<10}").into_bytes();
    packet.extend(sequence.to_be_bytes());
    packet.extend(count.to_be_bytes());
    packet
}

/// A message block.
pub fn block(seq: u64) -> Vec<u8> {
    [&[0, 9, b'N'][..], &number_of(seq).to_be_bytes()].concat()
}

/// A packet like [`packet`] with other bytes: its messages are those of a newer version, and mean the same.
pub fn packet_anew(first: u64, end: u64) -> Vec<u8> {
    let mut packet = header(SESSION, first, u16::try_from(end - first).expect("a packet of few messages"));
    (first..end).for_each(|seq| packet.extend([&[0, 10][..], &block(seq)[2..], b"+"].concat()));
    packet
}

/// A packet of another session with the messages `first..end`.
pub fn packet_of(session: &str, first: u64, end: u64) -> Vec<u8> {
    let count = u16::try_from(end - first).expect("a packet of few messages");
    let mut packet = header(session, first, count);
    (first..end).for_each(|seq| packet.extend(block(seq)));
    packet
}

/// A packet with the messages `first..end`.
pub fn packet(first: u64, end: u64) -> Vec<u8> {
    packet_of(SESSION, first, end)
}

/// A heartbeat that says which number is next.
pub fn heartbeat(next: u64) -> Vec<u8> {
    header(SESSION, next, 0)
}

/// The end of the session, of which `next` would have been the next message.
pub fn end_of_session(next: u64) -> Vec<u8> {
    header(SESSION, next, END_OF_SESSION)
}

/// The packet without its last `bytes`: its last message runs beyond the end.
pub fn cut(mut packet: Vec<u8>, bytes: usize) -> Vec<u8> {
    packet.truncate(packet.len() - bytes);
    packet
}
