//! When a packet was sent: in one field of the header, or the second and its nanoseconds in two.

use feedhandler_core::framing::Framing;
use feedhandler_core::padded::Padded;
use feedhandler_core::spec::FramingSpec;

fn framing(header: &str) -> Framing {
    let json = format!(
        r#"{{"name": "timed", "header": {header}, "counts": "nothing", "first_sequence": 1,
             "delimiter": {{"kind": "whole"}}}}"#
    );
    let spec: FramingSpec = serde_json::from_str(&json).expect("a framing");
    Framing::new(&spec).expect("a sound framing")
}

fn send_time(framing: &Framing, datagram: &[u8]) -> u64 {
    framing.packet(Padded::from(datagram)).expect("a good packet").send_time
}

/// A header that ends as that of the NYSE XDP feeds: the second (`SendTime`), then its nanoseconds (`SendTimeNS`).
fn binary(seconds: &str) -> Framing {
    framing(&format!(
        r#"{{"kind": "binary", "bytes": 8, "session": null, "sequence": null, "count": null,
            "send_time": {{"offset": 4, "width": 4, "byte_order": "little"}}, "send_time_seconds": {seconds},
            "payload_length": null, "expect": [], "heartbeat": null, "end_of_session": null}}"#
    ))
}

#[test]
fn a_send_time_in_two_fields_is_one_in_nanoseconds() {
    let datagram = [1_700_000_000_u32.to_le_bytes(), 123_456_789_u32.to_le_bytes()].concat();
    let seconds = r#"{"offset": 0, "width": 4, "byte_order": "little"}"#;
    assert_eq!(send_time(&binary(seconds), &datagram), 1_700_000_000_123_456_789);
    assert_eq!(send_time(&binary("null"), &datagram), 123_456_789, "one field is what stands on the wire");
}

#[test]
fn a_send_time_in_two_elements_is_one_in_nanoseconds() {
    let header = framing(
        r#"{"kind": "msgpack", "length": 2, "session": null, "sequence": null, "count": null, "send_time": 1,
            "send_time_seconds": 0, "heartbeat": null, "end_of_session": null}"#,
    );
    assert_eq!(send_time(&header, &[0x92, 0x05, 0xcd, 0x01, 0x00]), 5_000_000_256);
    assert_eq!(send_time(&header, &[0x92, 0xcf, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x01]), u64::MAX, "beyond all time");
}
