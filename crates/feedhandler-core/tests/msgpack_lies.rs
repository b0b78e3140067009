//! Headers and messages of msgpack that contradict themselves, at the pipeline's public edge.

#[path = "../../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "what is fuzzed is a crate of its own; each test uses a part")]
mod fuzz;

use std::sync::Arc;

use feedhandler_core::malformed::Reason;
use feedhandler_core::plan::Plan;
use feedhandler_core::report::Report;
use feedhandler_core::spec::DelimiterSpec;
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
fn of_an_array_the_messages_that_the_header_counts_are_delivered() {
    let protocol = delimited(DelimiterSpec::MsgpackArray {});
    assert_eq!(counted(&protocol, 3, 3).messages, 3);
    let more = counted(&protocol, 5, 3);
    assert_eq!((more.messages, more.ledger.channels[0].units.delivered), (3, 3));
    assert!(more.ledger.channels[0].lines[0].counters.trailing_bytes > 0);
    assert_eq!(counted(&protocol, 3, 4).malformed_by_reason[&Reason::CountTooLarge], 1);
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
