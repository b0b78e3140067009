//! Replays of files against a clock that is set: every deadline is what the file says, over speeds, files and passes.

#![expect(clippy::unwrap_used, reason = "a test that unwraps says where it failed")]

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use feedhandler_core::send::{
    Batch, Clock, Control, DeadlineWait, FileReplayed, FilesSpec, Pacing, Routes, Sender, Transmit, replay_files,
};

const S: u64 = 1_000_000_000;
const START_NS: u64 = 1_700_000_000 * S + 123_456_789;

/// A clock that moves by 100 ns a look and by what is slept, which is always 50 µs too much.
#[derive(Debug)]
struct Simulated(u64);

impl Clock for Simulated {
    fn now_ns(&mut self) -> u64 {
        self.0 += 100;
        self.0
    }

    fn sleep_until(&mut self, wake_ns: u64) {
        self.0 = self.0.max(wake_ns) + 50_000;
    }
}

/// The number in a datagram, and its deadline.
type Sent = (u32, Option<u64>);

/// Keeps the number in each datagram and its deadline.
#[derive(Debug, Default)]
struct Log(Arc<Mutex<Vec<Sent>>>);

impl Transmit for Log {
    fn transmit(&mut self, batch: &Batch, from: usize) -> io::Result<usize> {
        let packets = &batch.packets()[from..];
        let number = |packet| u32::from_be_bytes(batch.payload(packet).try_into().unwrap());
        self.0.lock().unwrap().extend(packets.iter().map(|packet| (number(packet), packet.deadline_ns)));
        Ok(packets.len())
    }

    fn wait_writable(&mut self) {}

    fn next_refused(&mut self) -> Option<SocketAddr> {
        None
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("feedhandler-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a pcap file with nanoseconds, of datagrams that hold their numbers.
    fn write(&self, name: &str, datagrams: impl IntoIterator<Item = (u64, u32)>) -> PathBuf {
        let mut bytes = [0xa1b2_3c4d_u32, 4 << 16 | 2, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
        for (ts_ns, number) in datagrams {
            let frame = frame(number);
            let length = u32::try_from(frame.len()).unwrap();
            for word in [u32::try_from(ts_ns / S).unwrap(), u32::try_from(ts_ns % S).unwrap(), length, length] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(frame);
        }
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn frame(number: u32) -> Vec<u8> {
    let ethernet = [&[0; 12][..], &[8, 0]].concat();
    let ip = [0x45, 0, 0, 32, 0, 0, 0, 0, 1, 17, 0, 0, 192, 0, 2, 1, 239, 1, 1, 1];
    let udp = [0x9c, 0x40, 0x4e, 0x21, 0, 12, 0, 0];
    [&ethernet[..], &ip, &udp, &number.to_be_bytes()].concat()
}

/// Sixty seconds of bursts and pauses, whose gaps have no pattern.
fn minute() -> Vec<(u64, u32)> {
    let mut chance = 7_u64;
    let mut at_ns = START_NS;
    let mut datagrams = Vec::new();
    while at_ns < START_NS + 60 * S {
        datagrams.push((at_ns, u32::try_from(datagrams.len()).unwrap()));
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let gap_ns = chance >> 40;
        at_ns += if chance >> 61 == 0 { gap_ns * 4 } else { gap_ns / 2 };
    }
    datagrams.push((START_NS + 60 * S, u32::try_from(datagrams.len()).unwrap()));
    datagrams
}

fn files(paths: &[&Path], loops: u64, loop_gap_ns: u64) -> FilesSpec {
    let paths = paths.iter().map(|path| path.to_path_buf()).collect();
    FilesSpec { paths, messages: None, protocol: None, start: None, end: None, loops, loop_gap_ns }
}

/// What was sent, with deadlines counted from the first.
fn replayed(files: &FilesSpec, pacing: Pacing) -> (FileReplayed, Vec<(u32, u64)>, u64) {
    let routes = Routes::new(&[], &[SocketAddr::from(([127, 0, 0, 1], 9))]);
    let log = Log::default();
    let sent = Arc::clone(&log.0);
    let clock = Simulated(5 * S);
    let control = Arc::new(Control::default());
    let mut sender = Sender::new(log, routes.destinations(), clock, DeadlineWait::Spin, control);
    let replayed = replay_files(files, &routes, pacing, None, &mut sender).unwrap();
    let sent = sent.lock().unwrap();
    let anchor_ns = sent[0].1.unwrap();
    let late_ns = sender.report().lateness_ns.max;
    (replayed, sent.iter().map(|(number, due_ns)| (*number, due_ns.unwrap() - anchor_ns)).collect(), late_ns)
}

/// `ns` divided by a speed of thousandths, rounded half up, in integers.
fn scaled(ns: u64, speed_thousandths: u64) -> u64 {
    u64::try_from((u128::from(ns) * 2_000 + u128::from(speed_thousandths)) / (2 * u128::from(speed_thousandths)))
        .unwrap()
}

#[test]
fn a_minute_keeps_its_time_at_every_speed_and_over_passes() {
    let (folder, minute) = (Folder::new("minute"), minute());
    let path = folder.write("minute.pcap", minute.iter().copied());
    for (speed, thousandths) in [(0.5, 500), (1.0, 1_000), (20.0, 20_000)] {
        let gap_ns = 250_000_001;
        let (done, sent, late_ns) = replayed(&files(&[&path], 3, gap_ns), Pacing::Original { speed });
        assert_eq!((done.replayed.datagrams, done.replayed.passes), (3 * minute.len() as u64, 3));
        for (at, (number, due_ns)) in sent.iter().enumerate() {
            let (pass, (ts_ns, expected)) = ((at / minute.len()) as u64, minute[at % minute.len()]);
            let ideal_ns = scaled(pass * (60 * S + gap_ns) + ts_ns - START_NS, thousandths);
            assert_eq!(*number, expected);
            assert!(due_ns.abs_diff(ideal_ns) <= 1, "pass {pass}, datagram {number}: {due_ns} and not {ideal_ns}");
        }
        // A sleep of 50 µs too much is absorbed by the margin of 60 µs, wherever in the hour it happens.
        assert!(late_ns < 1_000, "late by {late_ns} ns");
    }
}

#[test]
fn an_hour_of_passes_is_an_hour_to_the_nanosecond() {
    let folder = Folder::new("hour");
    let path = folder.write("minute.pcap", [(START_NS, 0), (START_NS + 7 * S + 1, 1), (START_NS + 60 * S, 2)]);
    let (_, sent, _) = replayed(&files(&[&path], 60, 0), Pacing::Original { speed: 1.0 });
    assert_eq!(sent.last(), Some(&(2, 3_600 * S)));
    assert_eq!(sent[3 * 59 + 1], (1, 59 * 60 * S + 7 * S + 1));
}

#[test]
fn several_files_are_one_in_the_order_of_their_times() {
    let folder = Folder::new("merge");
    let evens = folder.write("evens.pcap", (0..50_u32).map(|number| (START_NS + 20 * u64::from(number), 2 * number)));
    let odds =
        folder.write("odds.pcap", (0..50_u32).map(|number| (START_NS + 20 * u64::from(number) + 10, 2 * number + 1)));
    let late = folder.write("late.pcap", [(START_NS + 1_000, 1_000), (START_NS + 5, 1_001), (START_NS + 2_000, 1_002)]);
    let (done, sent, _) = replayed(&files(&[&odds, &evens, &late], 2, 0), Pacing::Original { speed: 1.0 });
    let pass: Vec<_> = (0..100).map(|number| (number, 10 * u64::from(number))).collect();
    // What goes back within a file keeps its place in it.
    let pass = [&pass[..], &[(1_000, 1_000), (1_001, 1_000), (1_002, 2_000)]].concat();
    let again = pass.iter().map(|(number, due_ns)| (*number, due_ns + 2_000));
    assert_eq!(sent, pass.iter().copied().chain(again).collect::<Vec<_>>());
    assert_eq!(done.captures.len(), 3);
}

#[test]
fn a_rate_goes_on_over_passes() {
    let folder = Folder::new("rate");
    let path = folder.write("three.pcap", (0..3).map(|number| (START_NS, number)));
    let (_, sent, _) = replayed(&files(&[&path], 100, 5 * S), Pacing::Rate { packets_per_second: 3.0 });
    assert!(sent.iter().enumerate().all(|(at, (_, due_ns))| due_ns.abs_diff(scaled(at as u64 * S, 3_000)) <= 1));
}
