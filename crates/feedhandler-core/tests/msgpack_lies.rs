//! Headers and messages of msgpack that contradict themselves, at the pipeline's public edge.

#[path = "../../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "what is fuzzed is a crate of its own; each test uses a part")]
mod fuzz;

use std::sync::Arc;

use feedhandler_core::malformed::Reason;
use feedhandler_core::plan::{Plan, PlanError};
use feedhandler_core::report::Report;
use feedhandler_core::spec::{
    CodeValue, DelimiterSpec, MessagesSpec, MsgpackFieldSpec, MsgpackKind, MsgpackMessageSpec, StepSpec,
};
use fuzz::chance::Chance;
use fuzz::encoder::{self, Header};
use fuzz::protocols::{self, Protocol};
use fuzz::session::Session;

/// Our msgpack feed, with its messages delimited in another way.
fn delimited(delimiter: DelimiterSpec) -> Protocol {
    let mut spec = (*protocols::msgpack().spec).clone();
    spec.framing.delimiter = delimiter;
    Protocol { plan: Arc::new(Plan::new(&spec).expect("a sound plan")), spec: Arc::new(spec) }
}

/// What comes of a packet with `messages` quotes whose header counts `count`.
fn counted(protocol: &Protocol, messages: usize, count: u64) -> Report {
    let quote = encoder::message(&protocol.spec, 0, &mut Chance::new(&[7; 64]));
    let header = Header { session: 1, sequence: 1, count };
    played(protocol, &encoder::packet(&protocol.spec, header, &vec![quote; messages]))
}

fn played(protocol: &Protocol, packet: &[u8]) -> Report {
    let mut session = Session::new(protocol);
    session.on(0, packet);
    session.finish();
    session.report()
}

#[test]
fn an_array_that_is_not_as_long_as_the_header_counts_is_malformed() {
    let protocol = delimited(DelimiterSpec::MsgpackArray {});
    assert_eq!(counted(&protocol, 3, 3).messages, 3);
    for (messages, count, reason) in [(3, 4, Reason::CountTooLarge), (5, 3, Reason::CountTooSmall)] {
        let report = counted(&protocol, messages, count);
        assert_eq!((report.messages, report.malformed_by_reason[&reason]), (0, 1), "{messages} counted as {count}");
        assert_eq!(report.ledger.channels[0].lines[0].counters.malformed, 1);
    }
}

#[test]
fn a_payload_that_is_one_message_cannot_be_counted_as_several() {
    let protocol = delimited(DelimiterSpec::Whole {});
    assert_eq!(counted(&protocol, 1, 1).messages, 1);
    let more = counted(&protocol, 1, 5);
    assert_eq!((more.messages, more.malformed_by_reason[&Reason::CountTooLarge]), (0, 1));
}

#[test]
fn a_key_that_comes_twice_is_malformed_even_where_another_is_missing() {
    let protocol = protocols::crypto_trades();
    let good = encoder::message(&protocol.spec, 0, &mut Chance::new(&[7; 64]));
    assert_eq!(played(&protocol, &good).malformed, 0);
    let key = |name: &[u8]| good.windows(name.len()).position(|window| window == name).expect("the key is there");
    let (quantity, price) = (key(b"quantity"), key(b"price"));
    // `price` where `quantity` stood; its length stands in the byte before it.
    let mut twice = good[..quantity - 1].to_vec();
    twice.extend([5]);
    twice.extend(&good[price..price + 5]);
    twice.extend(&good[quantity + 8..]);
    assert_eq!(played(&protocol, &twice).malformed_by_reason[&Reason::RepeatedKey], 1);
}

#[test]
fn what_a_packet_that_lies_had_of_unknown_messages_is_not_counted() {
    let mut session = Session::new(&protocols::msgpack());
    let header = [0x95, 0, 1, 1, 2, 0];
    // One unknown message, and one that does not end; then, on the other line, two unknown ones.
    session.on(0, &[&header[..], &[0x91, 99], &[0x93, 98]].concat());
    session.on(1, &[&header[..], &[0x91, 99], &[0x91, 99]].concat());
    session.finish();
    let unknown: Vec<_> =
        session.report().unknown_types.into_iter().map(|unknown| (unknown.code, unknown.count)).collect();
    assert_eq!(unknown, [("99".to_owned(), 2)]);
}

#[test]
fn a_code_too_great_for_a_signed_number_is_no_negative_one() {
    let mut spec = (*protocols::msgpack().spec).clone();
    let MessagesSpec::Msgpack { messages, .. } = &mut spec.messages else { panic!("it is msgpack") };
    messages[0].codes[0].value = CodeValue::Int(-1);
    let protocol = Protocol { plan: Arc::new(Plan::new(&spec).expect("a sound plan")), spec: Arc::new(spec) };
    let header = [0x95, 0, 1, 1, 1, 0];
    let report = played(&protocol, &[&header[..], &[0x91, 0xcf], &[0xff; 8]].concat());
    assert_eq!((report.unknown_types.len(), report.malformed), (1, 0));
    assert_eq!(report.unknown_types[0].code, u64::MAX.to_string());
}

/// A message that is a map of `keys` integer keys, each with a column.
fn wide(keys: i64) -> Result<Protocol, PlanError> {
    let field = |key| MsgpackFieldSpec {
        name: format!("f{key}"),
        path: vec![StepSpec::IntKey { key }],
        kind: MsgpackKind::Uint,
        width: 1,
        optional: true,
        nullable: false,
        null: 0,
    };
    let fields = (0..keys).map(field).collect();
    let mut spec = (*protocols::crypto_trades().spec).clone();
    let messages = vec![MsgpackMessageSpec { name: "wide".into(), codes: Vec::new(), fields }];
    (spec.messages, spec.book) = (MessagesSpec::Msgpack { code: None, messages }, None);
    spec.instruments.clear();
    Ok(Protocol { plan: Arc::new(Plan::new(&spec)?), spec: Arc::new(spec) })
}

/// A map with these keys, each of value 7.
fn map_of(keys: &[u16]) -> Vec<u8> {
    let mut map = vec![0xde];
    map.extend(u16::try_from(keys.len()).expect("few keys").to_be_bytes());
    for key in keys {
        map.extend([&[0xcd][..], &key.to_be_bytes(), &[7]].concat());
    }
    map
}

#[test]
fn a_key_that_comes_twice_is_malformed_however_many_are_declared() {
    let protocol = wide(1_000).expect("a sound plan");
    let all: Vec<_> = (0..1_000).collect();
    assert_eq!(played(&protocol, &map_of(&all)).messages, 1);
    for repeated in [0, 127, 128, 129, 640, 999] {
        let twice = played(&protocol, &map_of(&[all.as_slice(), &[repeated]].concat()));
        assert_eq!(twice.malformed_by_reason.get(&Reason::RepeatedKey), Some(&1), "{repeated}");
    }
}

#[test]
fn a_map_of_more_keys_than_can_be_told_apart_is_refused_when_it_is_declared() {
    let error = wide(4_097).expect_err("too many keys").to_string();
    assert!(error.contains("4096"), "{error}");
}
