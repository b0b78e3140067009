//! A protocol after the manner of XDP and PITCH: a flag says what a packet is, and a unit which sequence it is of.

use std::sync::Arc;

use feedhandler_core::plan::Plan;

use crate::mold::number_of;

/// What a packet's flag says.
#[derive(Clone, Copy)]
pub enum Flag {
    Original = 11,
    Reset = 12,
    Refresh = 17,
}

/// The protocol.
pub fn plan() -> Arc<Plan> {
    of("")
}

/// The protocol with several sequences in one stream.
pub fn plan_of_units() -> Arc<Plan> {
    of(r#""unit": {"offset": 1, "width": 1, "byte_order": "little"},"#)
}

fn of(unit: &str) -> Arc<Plan> {
    let flag = r#""field": {"offset": 0, "width": 1, "byte_order": "little"}"#;
    let byte = |offset: usize| format!(r#"{{"offset": {offset}, "width": 1, "byte_order": "little"}}"#);
    let (count, length, code) = (byte(6), byte(0), byte(0));
    let json = format!(
        r#"{{
        "name": "flagged",
        "framing": {{
            "name": "flagged",
            "header": {{
                "kind": "binary", "bytes": 7, "session": null,
                "sequence": {{"offset": 2, "width": 4, "byte_order": "little"}}, "count": {count},
                "send_time": null, "payload_length": null, "expect": [], "heartbeat": null, "end_of_session": null,
                {unit}
                "session_reset": {{{flag}, "values": [12]}}, "unsequenced": {{{flag}, "values": [17]}}
            }},
            "counts": "messages", "first_sequence": 1,
            "delimiter": {{"kind": "length", "field": {length}, "excludes": 0, "data_offset": 1}}
        }},
        "file": null,
        "messages": {{
            "encoding": "binary", "code": {code},
            "messages": [{{
                "name": "number", "codes": [{{"value": 78, "text": "N"}}], "length": 9, "min_length": 9,
                "fields": [{{"name": "number", "kind": "uint", "offset": 1, "width": 8, "byte_order": "little"}}]
            }}]
        }}
    }}"#
    );
    Arc::new(Plan::from_json(json.as_bytes()).expect("the plan is sound"))
}

/// A packet of a unit with the messages `first..end`; `mark` stands behind each, so that packets differ by it.
pub fn packet(flag: Flag, unit: u8, first: u32, end: u32, mark: u8) -> Vec<u8> {
    let count = u8::try_from(end - first).expect("a short packet");
    let mut packet = vec![flag as u8, unit];
    packet.extend(first.to_le_bytes());
    packet.push(count);
    for seq in first..end {
        packet.extend([11, b'N']);
        packet.extend(number_of(seq.into()).to_le_bytes());
        packet.push(mark);
    }
    packet
}

/// Messages of the sequence.
pub fn data(first: u32, end: u32) -> Vec<u8> {
    packet(Flag::Original, 0, first, end, 0)
}

/// The sequence starts again at 1; each `mark` is another reset.
pub fn reset(mark: u8) -> Vec<u8> {
    packet(Flag::Reset, 0, 1, 2, mark)
}

/// Says that `next` comes next in a unit.
pub fn heartbeat(unit: u8, next: u32) -> Vec<u8> {
    packet(Flag::Original, unit, next, next, 0)
}
