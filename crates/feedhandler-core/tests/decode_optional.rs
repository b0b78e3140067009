//! Optional fields at the end of a message: there in full, or not at all.

use std::sync::Arc;

use feedhandler_core::padded::Padded;
use feedhandler_core::pipeline::{Datagram, Pipeline, PipelineOptions};
use feedhandler_core::plan::Plan;

fn plan(fields: &str) -> Arc<Plan> {
    let json = r#"{
        "name": "optional",
        "framing": {"name": "none", "header": {"kind": "none"}, "counts": "nothing", "first_sequence": 1,
                    "delimiter": {"kind": "whole"}},
        "file": null,
        "messages": {"encoding": "binary", "code": null, "messages": [{
            "name": "m", "codes": [], "length": 9, "min_length": 1,
            "fields": [FIELDS]}]}
    }"#;
    Arc::new(Plan::from_json(json.replace("FIELDS", fields).as_bytes()).expect("the plan is sound"))
}

/// Columns a, b and c at these places.
fn fields(places: [(usize, usize); 3]) -> String {
    let field = |(name, (offset, width)): (char, (usize, usize))| {
        format!(r#"{{"name": "{name}", "kind": "uint", "offset": {offset}, "width": {width}, "byte_order": "big"}}"#)
    };
    ['a', 'b', 'c'].into_iter().zip(places).map(field).collect::<Vec<_>>().join(", ")
}

/// The columns a, b and c of the message that these bytes are; none where it is malformed.
fn decoded(places: [(usize, usize); 3], bytes: &[u8]) -> Option<[u32; 3]> {
    let mut pipeline = Pipeline::new(plan(&fields(places)), PipelineOptions::default());
    pipeline.add_channel("c", ["A".to_owned()]);
    let payload = Padded::from(bytes);
    pipeline.on_datagram(&Datagram { channel: 0, line: 0, ts_recv_ns: 0, is_cut_off: false, payload });
    assert!(pipeline.channels()[0].messages.is_balanced());
    let batch = pipeline.take_batch();
    let rows = batch.tables[0].as_ref()?;
    let columns = &pipeline.plan().tables[0].layout.columns[3..];
    let value = |index: usize| {
        let column = &columns[index];
        let bytes = &rows.bytes()[column.offset..column.offset + column.width];
        bytes.iter().rev().fold(0, |value, byte| (value << 8) | u32::from(*byte))
    };
    Some([value(0), value(1), value(2)])
}

#[test]
fn a_message_that_ends_within_an_optional_field_ends_before_it() {
    let whole = [1, 0, 0, 0, 2, 0, 0, 0, 3, 0xff, 0xff];
    for length in 0..=whole.len() {
        let expected = match length {
            0 => None,
            1..5 => Some([1, 0, 0]),
            5..9 => Some([1, 2, 0]),
            _ => Some([1, 2, 3]),
        };
        assert_eq!(decoded([(0, 1), (1, 4), (5, 4)], &whole[..length]), expected, "{length} bytes");
    }
}

#[test]
fn fields_may_stand_in_any_order() {
    let whole = [1, 0, 0, 0, 2, 0, 0, 0, 3];
    for (length, expected) in [(1, [1, 0, 0]), (5, [1, 2, 0]), (8, [1, 2, 0]), (9, [1, 2, 3])] {
        let found = decoded([(5, 4), (0, 1), (1, 4)], &whole[..length]).map(|[c, a, b]| [a, b, c]);
        assert_eq!(found, Some(expected), "{length} bytes");
    }
}
