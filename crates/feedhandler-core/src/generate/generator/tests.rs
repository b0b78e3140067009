use super::super::packet::Protocol;
use super::*;

const START_NS: u64 = 1_767_623_400_000_000_000;

fn generator(protocol: Protocol, seed: u64, rate: f64) -> Generator {
    let session = "20260105".to_owned();
    let options = Options { protocol, seed, instruments: 5, session, start_ns: START_NS, rate, packet_bytes: 1_400 };
    Generator::new(options).expect("options that fit")
}

#[test]
fn packets_are_numbered_without_gaps_and_never_sent_before_what_they_tell() {
    for protocol in [Protocol::Msgpack, Protocol::Itch50] {
        let mut generator = generator(protocol, 1, 100_000.0);
        let (mut sequence, mut sent_ns) = (1, START_NS);
        for _ in 0..5_000 {
            let made = generator.next_packet(u64::MAX);
            assert_eq!(made.sequence, sequence);
            assert!(made.count > 0 && made.payload.len() <= 1_400);
            assert!(made.send_time_ns >= sent_ns);
            (sequence, sent_ns) = (sequence + u64::from(made.count), made.send_time_ns);
        }
        assert_eq!(generator.next_sequence(), sequence);
    }
}

#[test]
fn the_rate_is_that_of_messages() {
    for protocol in [Protocol::Msgpack, Protocol::Itch50] {
        let mut generator = generator(protocol, 3, 100_000.0);
        while generator.next_ns() < START_NS + 5_000_000_000 {
            generator.next_packet(u64::MAX);
        }
        let told = generator.next_sequence() - 1;
        assert!(told.abs_diff(500_000) < 50_000, "{told}");
    }
}

#[test]
fn a_quiet_market_has_a_heartbeat_every_second() {
    let mut generator = generator(Protocol::Itch50, 1, 0.5);
    let (mut sent_ns, mut heartbeats) = (START_NS, 0);
    for _ in 0..200 {
        let heartbeat_ns = generator.heartbeat_ns();
        let made = match heartbeat_ns {
            Some(due_ns) => generator.signal(Kind::Heartbeat, due_ns),
            None => generator.next_packet(u64::MAX),
        };
        assert!(made.send_time_ns - sent_ns <= HEARTBEAT_NS + SEND_NS);
        sent_ns = made.send_time_ns;
        heartbeats += u32::from(made.count == 0);
    }
    assert!(heartbeats > 50, "{heartbeats}");
}

#[test]
fn the_same_seed_makes_the_same_packets_and_another_does_not() {
    let bytes = |seed| {
        let mut generator = generator(Protocol::Itch50, seed, 1e6);
        (0..500).flat_map(|_| generator.next_packet(u64::MAX).payload.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn a_packet_for_a_time_has_the_messages_asked_for_while_a_datagram_has_room() {
    let mut generator = generator(Protocol::Msgpack, 1, 1e6);
    let early = generator.packet_at(5_000_000, 4);
    assert_eq!((early.count, early.send_time_ns), (4, 5_000_000), "the first packet says when it is");
    let full = generator.packet_at(6_000_000, 10_000);
    assert!(full.count < 10_000 && full.payload.len() > 65_000 && full.payload.len() <= 65_507);
}
