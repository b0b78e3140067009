//! Random bytes, and random choices, for each target.

use std::cell::Cell;
use std::time::{Duration, Instant};

use feedhandler_core::report::ChannelLedger;
use feedhandler_core::spec::SequenceUnit;

use crate::captures;
use crate::fuzz::chance::Chance;
use crate::fuzz::mutate::mutate;
use crate::fuzz::protocols::{self, Protocol};
use crate::fuzz::{books, encoder, files, session};

/// Inputs for each target, where no time is given.
const INPUTS: u64 = 1_500;

/// `SplitMix64`: small, seeded, and good enough to spoil bytes.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Gives `body` one seed after the other, and tells the one that fails.
fn for_seeds(body: impl Fn(&mut Random)) {
    struct Tell(u64);
    impl Drop for Tell {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("to see it again: FUZZ_SEED={}", self.0);
            }
        }
    }
    let (first, began) = (from_environment("FUZZ_SEED").unwrap_or(0), Instant::now());
    let duration = from_environment("FUZZ_SECONDS").map(Duration::from_secs);
    for seed in first.. {
        let tell = Tell(seed);
        body(&mut Random::new(seed));
        drop(tell);
        if duration.map_or(seed - first >= INPUTS, |duration| began.elapsed() > duration) {
            break;
        }
    }
}

fn length(random: &mut Random, most: u64) -> usize {
    usize::try_from(random.next() % most).expect("a short input")
}

/// Plays random choices, and checks that they have tried every fate that the protocol knows.
fn play(protocol: &Protocol) {
    let fates = Cell::new([0; 7]);
    for_seeds(|random| {
        let length = length(random, 4_000);
        let report = session::datagrams(protocol, &random.bytes(length));
        let sum = |count: fn(&ChannelLedger) -> u64| report.ledger.channels.iter().map(count).sum::<u64>();
        let here = [
            sum(|channel| channel.units.delivered),
            sum(|channel| channel.messages.rows),
            sum(|channel| channel.messages.unknown),
            report.malformed,
            sum(|channel| channel.units.duplicate),
            sum(|channel| channel.units.recovered),
            sum(|channel| channel.units.lost()),
        ];
        fates.update(|fates| std::array::from_fn(|fate| fates[fate] + here[fate].min(1)));
    });
    let sequenced = if protocol.spec.framing.counts == SequenceUnit::Nothing { 4 } else { 7 };
    assert!(fates.get()[..sequenced].iter().all(|inputs| *inputs > 0), "inputs with each fate: {fates:?}");
}

macro_rules! datagrams {
    ($($protocol:ident),*) => {
        $(
            #[test]
            fn $protocol() {
                play(&protocols::$protocol());
            }
        )*
    };
}

datagrams!(
    itch50,
    narrow,
    iex_tops,
    iex_deep,
    iex_deep_plus,
    nyse_xdp,
    cboe_pitch,
    cme_mdp3,
    everything,
    nasdaq_bbo,
    nasdaq_nls_plus,
    msgpack,
    crypto_trades
);

/// Protocols of which there is a target.
const DATAGRAMS: [&str; 13] = [
    "itch50",
    "narrow",
    "iex_tops",
    "iex_deep",
    "iex_deep_plus",
    "nyse_xdp",
    "cboe_pitch",
    "cme_mdp3",
    "everything",
    "nasdaq_bbo",
    "nasdaq_nls_plus",
    "msgpack",
    "crypto_trades",
];

/// Books that are given anything have tried every fate of a message.
#[test]
fn batches_for_books() {
    let fates = Cell::new([0; 5]);
    let protocols = protocols::all();
    for_seeds(|random| {
        let protocol = &protocols[length(random, protocols.len() as u64)];
        let length = length(random, 6_000);
        let Some(counters) = books::batches(protocol, &random.bytes(length)) else { return };
        let here = [
            counters.applied,
            counters.contradictions.sum(),
            counters.explained.sum(),
            counters.overflow.sum(),
            counters.batches_out_of_order,
        ];
        fates.update(|fates| std::array::from_fn(|fate| fates[fate] + here[fate].min(1)));
    });
    assert!(fates.get().iter().all(|inputs| *inputs > 10), "inputs with each fate: {fates:?}");
}

#[test]
fn captures_with_spoilt_bytes() {
    let files = captures::samples();
    let protocol = protocols::iex_tops();
    for_seeds(|random| {
        let mut bytes = files[length(random, files.len() as u64)].clone();
        let choices = random.bytes(64);
        let mut chance = Chance::new(&choices);
        (0..=chance.below(4)).for_each(|_| mutate(&mut bytes, &mut chance));
        files::capture(&bytes);
        files::feed(&protocol, &bytes);
    });
}

#[test]
fn message_files_with_spoilt_bytes() {
    let protocol = protocols::itch50();
    for_seeds(|random| {
        let choices = random.bytes(2_000);
        let mut chance = Chance::new(&choices);
        let messages: Vec<_> = (0..20)
            .map(|_| encoder::message(&protocol.spec, chance.below(encoder::types(&protocol.spec)), &mut chance))
            .collect();
        let mut bytes = encoder::file(&protocol.spec, &messages);
        (0..chance.below(4)).for_each(|_| mutate(&mut bytes, &mut chance));
        files::feed(&protocol, &bytes);
    });
}

/// Gives the fuzzer something good to begin with, where `FUZZ_SEEDS` names its corpus.
#[test]
fn seeds() {
    let Ok(corpus) = std::env::var("FUZZ_SEEDS") else { return };
    let write = |target: &str, name: usize, bytes: &[u8]| {
        let folder = std::path::Path::new(&corpus).join(target);
        std::fs::create_dir_all(&folder).expect("a folder for the corpus");
        std::fs::write(folder.join(format!("seed-{name}")), bytes).expect("room for a seed");
    };
    for (file, name) in captures::samples().iter().zip(0..) {
        write("capture", name, file);
    }
    for (seed, name) in (0..16).zip(0..) {
        write("books", name, &Random::new(seed).bytes(4_000));
    }
    let spec = protocols::itch50().spec;
    let message = |index| encoder::message(&spec, index, &mut Chance::new(&[1; 64]));
    let messages: Vec<_> = (0..encoder::types(&spec)).map(message).collect();
    write("message_file", 0, &encoder::file(&spec, &messages));
    for target in DATAGRAMS {
        for (seed, name) in (0..16).zip(0..) {
            write(&format!("datagram_{target}"), name, &Random::new(seed).bytes(2_000));
        }
    }
}
