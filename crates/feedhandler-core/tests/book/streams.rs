//! Random streams, with losses and sessions that start anew, against the oracle: twice over. One oracle hears what was
//! delivered, and the books must say what it says, always. The other hears everything: what the books call good must be
//! what it has.

use std::collections::BTreeMap;

use feedhandler_core::book::BookState;
use proptest::prelude::*;

use crate::oracle::Oracle;
use crate::rig::{Bbo, Rig};
use crate::venue::{Declared, Message, NO_PRICE, Side};

/// What happens next on a channel; what it is depends on what can happen.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent throws of a coin")]
struct Choice {
    channel: usize,
    action: u8,
    instrument: u16,
    pick: prop::sample::Index,
    side: Side,
    price: i32,
    size: u32,
    complete: bool,
    ends_packet: bool,
    packet_is_lost: bool,
    ends_batch: bool,
    starts_session: bool,
}

fn choice() -> impl Strategy<Value = Choice> {
    let message = (0_u8..20, 1_u16..4, any::<prop::sample::Index>(), any::<bool>(), -5_i32..6, 1_u32..9);
    let weights = [0.5, 0.7, 0.08, 0.3, 0.02].map(prop::bool::weighted);
    (0_usize..2, message, weights).prop_map(|(channel, (action, instrument, pick, buys, price, size), flags)| {
        let [ends_packet, complete, packet_is_lost, ends_batch, starts_session] = flags;
        let side = if buys { Side::Buy } else { Side::Sell };
        // Mostly bids below offers, and now and then a crossed book.
        let price = if buys { price - 4 } else { price + 4 };
        Choice {
            channel,
            action,
            instrument,
            pick,
            side,
            price,
            size,
            complete,
            ends_packet,
            packet_is_lost,
            ends_batch,
            starts_session,
        }
    })
}

/// A channel of the venue: what it sent, what of it arrived, and what that makes.
struct Channel {
    declared: Declared,
    sessions: u32,
    next_seq: u64,
    last_ids: BTreeMap<u16, u64>,
    packet: Vec<Message>,
    /// Everything that was sent.
    truth: Oracle,
    /// The truth at the last message that arrived.
    truth_then: Oracle,
    /// What arrived.
    heard: Oracle,
    session_arrived: u32,
    expected_seq: u64,
}

impl Channel {
    fn new(declared: Declared) -> Self {
        let mut truth = Oracle::new(declared);
        let heard = truth.clone();
        truth.start_session(true);
        Self {
            declared,
            sessions: 1,
            next_seq: 1,
            last_ids: BTreeMap::new(),
            packet: Vec::new(),
            truth_then: truth.clone(),
            truth,
            heard,
            session_arrived: 0,
            expected_seq: 1,
        }
    }

    fn start_session(&mut self) {
        self.sessions += 1;
        self.next_seq = 1;
        self.last_ids.clear();
        self.packet.clear();
        self.truth.start_session(true);
    }

    /// A message that the venue may send now.
    fn message(&mut self, choice: &Choice) -> Message {
        let Choice { instrument, side, price, size, complete, .. } = *choice;
        let resting = self.truth.resting();
        match choice.action {
            0 if complete => return Message::ClearAll,
            0 => return Message::Clear { instrument },
            1 => return Message::Trade { instrument },
            2..4 => return Message::Directory { instrument, symbol: *b"ABCD\0\0\0\0" },
            4..6 => {
                let bid = if size == 1 { (NO_PRICE, 0) } else { (price, size) };
                return Message::Quote { instrument, bid, ask: (1, size / 2) };
            }
            _ if !self.declared.by_order => {
                let size = if size < 4 { 0 } else { size };
                return Message::Level { instrument, side, price, size, complete };
            }
            _ => {}
        }
        if choice.action < 12 || resting.is_empty() {
            return Message::Add { instrument, id: self.new_id(instrument), side, price, size };
        }
        let (instrument, id, rest) = resting[choice.pick.index(resting.len())];
        match choice.action {
            12..14 => Message::Reduce { instrument, id, size: size.min(rest) },
            14..16 => Message::Modify { instrument, id, price, size: size - 1 },
            16..18 => Message::Replace { instrument, id, new_id: self.new_id(instrument), price, size },
            _ => Message::Delete { instrument, id },
        }
    }

    /// Orders have numbers of their own for each instrument, unless messages do not say which instrument they are about.
    fn new_id(&mut self, instrument: u16) -> u64 {
        let of = if self.declared.orders_name_instruments { instrument } else { 0 };
        let last = self.last_ids.entry(of).or_default();
        *last += 1;
        *last
    }

    fn send(&mut self, message: Message) {
        self.truth.take(&message);
        self.packet.push(message);
    }

    /// Ends the packet, which arrives or is lost.
    fn end_packet(&mut self, number: usize, is_lost: bool, rig: &mut Rig) {
        let messages = std::mem::take(&mut self.packet);
        let first = self.next_seq;
        self.next_seq += u64::try_from(messages.len()).expect("few messages");
        if is_lost || messages.is_empty() {
            return;
        }
        rig.packet(number, &self.sessions.to_string(), first, &messages);
        if self.session_arrived != self.sessions {
            // Of the very first session nobody knows how it began; of others, that the line was listening.
            self.heard.start_session(first == 1 || self.session_arrived > 0);
            self.expected_seq = if self.session_arrived == 0 { first } else { 1 };
            self.session_arrived = self.sessions;
        }
        if first > self.expected_seq {
            self.heard.lose();
        }
        for message in &messages {
            self.heard.take(message);
        }
        self.expected_seq = self.next_seq;
        self.truth_then = self.truth.clone();
    }
}

fn check(rig: &mut Rig, channels: &[Channel], seen: &mut BTreeMap<(u16, u16), Bbo>) {
    for bbo in rig.changed() {
        seen.insert((bbo.channel, bbo.instrument), bbo);
    }
    let all = rig.all();
    assert!(all.iter().eq(all.iter().map(|bbo| &seen[&(bbo.channel, bbo.instrument)])), "changes add up to the whole");
    for (channel, number) in channels.iter().zip(0_u16..) {
        for instrument in channel.heard.instruments() {
            check_instrument(rig, channel, number, instrument);
        }
    }
}

fn check_instrument(rig: &mut Rig, channel: &Channel, number: u16, instrument: u16) {
    let depth = rig.depth(number, instrument).expect("an instrument that was heard of");
    let bbo = rig.bbo(number, instrument).expect("an instrument that was heard of");
    let sides = |oracle: &Oracle| [Side::Buy, Side::Sell].map(|side| oracle.side(instrument, side));
    assert_eq!([depth.bids.clone(), depth.asks.clone()], sides(&channel.heard));
    assert_eq!(depth.state, channel.heard.state(instrument));
    let best = (channel.heard.best(instrument), channel.heard.state(instrument));
    assert_eq!(([bbo.bid, bbo.ask], bbo.state), channel.heard.quote(instrument).unwrap_or(best));

    let is_served = |state| matches!(state, BookState::Good | BookState::Changing | BookState::Crossed);
    if is_served(depth.state) {
        assert_eq!([depth.bids, depth.asks], sides(&channel.truth_then), "a book is served that is wrong");
    }
    if is_served(bbo.state) && channel.heard.quote(instrument).is_some() {
        assert_eq!(channel.heard.quote(instrument), channel.truth_then.quote(instrument), "a wrong quote is served");
    }
}

fn run(declared: Declared, choices: &[Choice]) {
    let mut rig = Rig::new(declared);
    let mut channels = [Channel::new(declared), Channel::new(declared)];
    let mut seen = BTreeMap::new();
    for choice in choices {
        let channel = &mut channels[choice.channel];
        if choice.starts_session {
            channel.start_session();
        }
        let message = channel.message(choice);
        channel.send(message);
        if choice.ends_packet {
            channel.end_packet(choice.channel, choice.packet_is_lost, &mut rig);
        }
        if choice.ends_batch {
            rig.apply();
            check(&mut rig, &channels, &mut seen);
        }
    }
    rig.apply();
    check(&mut rig, &channels, &mut seen);
    assert_eq!(
        rig.counters().contradictions.sum() + rig.counters().overflow.sum(),
        0,
        "a sound venue, and room for all"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn books_of_orders(choices in prop::collection::vec(choice(), 1..200)) {
        run(Declared::ORDERS, &choices);
    }

    #[test]
    fn books_of_orders_without_a_directory(choices in prop::collection::vec(choice(), 1..200)) {
        run(Declared { has_directory: false, ..Declared::ORDERS }, &choices);
    }

    #[test]
    fn books_of_orders_that_do_not_name_their_instrument(choices in prop::collection::vec(choice(), 1..200)) {
        run(Declared::NAMELESS_ORDERS, &choices);
    }

    #[test]
    fn books_of_levels(choices in prop::collection::vec(choice(), 1..200)) {
        run(Declared::LEVELS, &choices);
    }
}
