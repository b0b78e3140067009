//! msgpack made to harm: depth, and lengths far beyond the packet, in every place where a value may stand.

use std::time::{Duration, Instant};

use crate::counting;
use crate::fuzz::encoder::{self, Header};
use crate::fuzz::protocols::{self, Protocol};
use crate::fuzz::session::Session;

/// The largest UDP payload.
const DATAGRAM_BYTES: usize = 65_507;
/// Far more than a datagram takes to decode on any machine, far less than a length of 2^32 would take to believe.
const PATIENCE: Duration = Duration::from_secs(20);
/// The tables of a session and a few datagrams; a length of 2^32 believed would be four thousand of these.
const MOST_BYTES: usize = 256 << 20;

fn bombs() -> Vec<Vec<u8>> {
    let deep = [0x91, 0x81, 0x9f, 0x8f, 0xc1, 0xdd].map(|first| vec![first; DATAGRAM_BYTES / 2]);
    let long_heads: [&[u8]; 9] = [
        &[0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0xdb, 0xff, 0xff, 0xff, 0xff],
        &[0xc6, 0xff, 0xff, 0xff, 0xff],
        &[0xc9, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0xdc, 0xff, 0xff],
        &[0xde, 0xff, 0xff],
        &[0xdd, 0x80, 0x00, 0x00, 0x00],
        &[0xdf, 0x7f, 0xff, 0xff, 0xff],
    ];
    let with_tail = |head: &[u8], tail: u8| [head, &vec![tail; 30_000]].concat();
    let long = long_heads
        .iter()
        .flat_map(|head| [head.to_vec(), with_tail(head, 0), with_tail(head, 0x91), head.repeat(6_000)]);
    deep.into_iter().chain(long).collect()
}

/// The bomb where the packet begins, where a message begins, and in place of each byte of a good packet.
fn packets(protocol: &Protocol, bomb: &[u8]) -> Vec<Vec<u8>> {
    let spec = &protocol.spec;
    let message = encoder::message(spec, 0, &mut crate::fuzz::chance::Chance::new(&[7; 64]));
    let header = Header { session: 1, sequence: 1, count: 1 };
    let good = encoder::packet(spec, header, &[message]);
    let fields = (0..good.len()).map(|at| [&good[..at], bomb].concat());
    fields.chain([encoder::packet(spec, header, &[bomb.to_vec()])]).collect()
}

#[test]
fn bombs_cost_neither_time_nor_memory() {
    let began = Instant::now();
    for protocol in [protocols::msgpack(), protocols::crypto_trades()] {
        for bomb in bombs() {
            for packet in packets(&protocol, &bomb) {
                let mut session = Session::new(&protocol);
                session.on(0, &packet);
                session.finish();
            }
        }
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert!(counting::most_bytes() < MOST_BYTES, "{} bytes at once", counting::most_bytes());
}
