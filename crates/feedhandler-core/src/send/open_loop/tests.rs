use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use super::super::clock::tests::ManualClock;
use super::super::{Control, DeadlineWait};
use super::*;

const MS: u64 = 1_000_000;
/// What a `ManualClock` shows more than its wall.
const UNIX_OFFSET_NS: u64 = 1_000 * MS;
const MESSAGES: u64 = 3;
const BYTES: usize = 40;

/// Keeps what it is given: destination, sequence number and send time.
#[derive(Debug, Default)]
struct Kept(Vec<(usize, u64, u64)>);

impl Transmit for Kept {
    fn transmit(&mut self, batch: &Batch, from: usize) -> io::Result<usize> {
        let left = &batch.packets()[from..];
        for packet in left {
            let payload = batch.payload(packet);
            let number = |at: usize| u64::from_be_bytes(payload[at..at + 8].try_into().unwrap());
            assert_eq!((payload.len(), payload[0], payload[BYTES - 1]), (BYTES, 0xAA, 0xAA));
            self.0.push((packet.to, number(8), number(16)));
        }
        Ok(left.len())
    }

    fn wait_writable(&mut self) {}

    fn next_refused(&mut self) -> Option<SocketAddr> {
        None
    }
}

fn template(messages: u64) -> Template {
    let spec = TemplateSpec { sequence_offset: 8, send_time_offset: Some(16), messages };
    Template::new(vec![0xAA; BYTES], spec).expect("inside")
}

fn spec(schedule: ScheduleSpec) -> OpenLoopSpec {
    OpenLoopSpec {
        channels: vec![0],
        first_sequence: 1,
        schedule,
        is_joined: false,
        warm_up: WarmUp::default(),
        stalls: Vec::new(),
        closed_loop: false,
        patience_ns: 1_000 * MS,
    }
}

fn rate(packets_per_s: f64, burst: u64, for_ns: u64) -> ScheduleSpec {
    ScheduleSpec::Rate { packets_per_s, burst, for_ns }
}

struct Ran {
    sent: Vec<(usize, u64, u64)>,
    report: LoadReport,
    late_max_ns: u64,
    ended: Result<(), Halt>,
}

impl Ran {
    /// From each packet's send time to the next one's.
    fn gaps_ns(&self) -> Vec<u64> {
        self.sent.windows(2).map(|pair| pair[1].2 - pair[0].2).collect()
    }
}

fn run(spec: OpenLoopSpec) -> Ran {
    run_with(spec, &Arc::default())
}

fn run_with(spec: OpenLoopSpec, control: &Arc<Control>) -> Ran {
    let to: Vec<SocketAddr> = (1..=5).map(|port| (Ipv4Addr::LOCALHOST, port).into()).collect();
    let mut sender = Sender::new(Kept::default(), &to, ManualClock::default(), DeadlineWait::Busy, Arc::clone(control));
    let mut load = OpenLoop::new(spec, vec![template(MESSAGES), template(1)], UNIX_OFFSET_NS).expect("a load");
    let ended = load.run(&mut sender);
    let late_max_ns = sender.lateness_ns().max();
    Ran { sent: sender.into_transmit().0, report: load.report(), late_max_ns, ended }
}

#[test]
fn packets_carry_the_time_they_were_meant_to_be_sent_and_follow_in_sequence() {
    let ran = run(spec(rate(1_000.0, 1, 10 * MS)));
    assert_eq!(ran.sent.len(), 10);
    assert_eq!(ran.gaps_ns(), [MS; 9]);
    assert!(ran.sent.iter().map(|sent| sent.1).eq((0..10).map(|number| 1 + number * MESSAGES)));
    assert_eq!((ran.report.scheduled, ran.report.packets, ran.report.messages), (10, 10, 30));
    assert!(ran.late_max_ns < 100, "a clock that moves by 10 ns a look");
}

#[test]
fn a_burst_is_due_at_once() {
    let ran = run(spec(rate(1_000.0, 4, 8 * MS)));
    assert_eq!(ran.gaps_ns(), [0, 0, 0, 4 * MS, 0, 0, 0]);
}

#[test]
fn lines_of_a_channel_get_the_same_packets_and_channels_take_turns() {
    let ran = run(OpenLoopSpec { channels: vec![0, 0, 1], ..spec(rate(1_000.0, 1, 4 * MS)) });
    let sent: Vec<_> = ran.sent.iter().map(|&(to, sequence, _)| (to, sequence)).collect();
    assert_eq!(sent, [(0, 1), (1, 1), (2, 1), (0, 4), (1, 4), (2, 4)]);
    assert_eq!(ran.sent[0].2, ran.sent[1].2);
    assert_eq!((ran.report.packets, ran.sent[2].2 - ran.sent[1].2), (4, MS));
}

#[test]
fn a_stall_makes_packets_late_and_changes_no_send_time() {
    let stalls = vec![Stall { at_ns: 3 * MS, for_ns: 4 * MS }];
    let ran = run(OpenLoopSpec { stalls, ..spec(rate(1_000.0, 1, 20 * MS)) });
    assert_eq!(ran.gaps_ns(), [MS; 19]);
    assert!((4 * MS..4 * MS + MS / 100).contains(&ran.late_max_ns), "{}", ran.late_max_ns);
    assert!(ran.report.elapsed_ns < 20 * MS, "what was held up was sent at once");
}

#[test]
fn a_closed_loop_hides_it() {
    let stalls = vec![Stall { at_ns: 3 * MS, for_ns: 4 * MS }];
    let ran = run(OpenLoopSpec { stalls, closed_loop: true, ..spec(rate(1_000.0, 1, 20 * MS)) });
    assert!(ran.late_max_ns < 1_000, "{}", ran.late_max_ns);
    assert!(ran.gaps_ns().iter().all(|gap_ns| *gap_ns >= MS));
    assert!(ran.report.elapsed_ns > 23 * MS);
}

#[test]
fn a_sender_that_is_hopelessly_late_gives_the_rest_up() {
    let stalls = vec![Stall { at_ns: MS, for_ns: 5_000 * MS }];
    let ran = run(OpenLoopSpec { stalls, ..spec(rate(1_000.0, 1, 1_000 * MS)) });
    assert_eq!((ran.report.scheduled, ran.report.packets), (1_000, 64));
}

#[test]
fn a_warm_up_counts_apart_and_the_sequence_goes_on() {
    let warm_up = WarmUp { packets: 5, pause_ns: 50 * MS };
    let ran = run(OpenLoopSpec { warm_up, ..spec(rate(1_000.0, 1, 3 * MS)) });
    assert_eq!((ran.report.warm_up, ran.report.packets, ran.sent.len()), ((5, 15), 3, 8));
    assert_eq!(ran.sent[5].1, 16);
    assert!(ran.gaps_ns()[4] >= 50 * MS);
    assert!(ran.report.elapsed_ns < 4 * MS);
}

#[test]
fn without_a_schedule_packets_follow_as_fast_as_they_are_taken() {
    let ran = run(OpenLoopSpec { channels: vec![0, 1, 1], ..spec(ScheduleSpec::Unpaced { for_ns: 1_000 }) });
    assert_eq!(ran.report.packets, ran.sent.iter().filter(|sent| sent.0 < 2).count() as u64);
    assert_eq!(ran.report.messages, ran.report.packets * MESSAGES);
    for channel in 0..3 {
        let sequences = ran.sent.iter().filter(|sent| sent.0 == channel).map(|sent| sent.1);
        assert!(sequences.eq((1..).step_by(3).take(ran.sent.len() / 3)), "destination {channel}");
    }
    assert!(ran.sent.is_sorted_by_key(|sent| sent.2));
}

#[test]
fn what_is_due_together_is_joined_by_line_and_channels_take_turns() {
    let joined = OpenLoopSpec { is_joined: true, channels: vec![0, 0, 1], ..spec(rate(1_000.0, 2, 8 * MS)) };
    let ran = run(joined.clone());
    let sent: Vec<_> = ran.sent.iter().map(|&(to, sequence, _)| (to, sequence)).collect();
    let (both, one) = ([(0, 1), (0, 4), (1, 1), (1, 4)], [(2, 1), (2, 4)]);
    let again = [(0, 7), (0, 10), (1, 7), (1, 10), (2, 7), (2, 10)];
    assert_eq!(sent, [both.as_slice(), &one, &again].concat());
    assert_eq!((ran.report.packets, ran.report.messages), (8, 24));
    let alone = run(OpenLoopSpec { is_joined: false, channels: vec![0], ..joined.clone() });
    assert_eq!(run(OpenLoopSpec { channels: vec![0], ..joined }).sent, alone.sent, "one line is as without");
}

#[test]
fn a_stopped_load_tells_what_was_sent() {
    let control = Arc::new(Control::default());
    control.stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let ran = run_with(spec(rate(1_000.0, 1, 3 * MS)), &control);
    assert!(matches!(ran.ended, Err(Halt::Stopped)));
    assert_eq!(ran.sent, []);
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("feedhandler-open-loop-{}-{name}", std::process::id()));
    fs::write(&path, bytes).expect("written");
    path
}

fn numbers(of: &[u64]) -> Vec<u8> {
    of.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[test]
fn listed_times_are_kept_each_with_its_packet() {
    let offsets = file("offsets", &numbers(&[0, 2 * MS, 2 * MS, 7 * MS]));
    let picks = file("picks", &[0_u32, 1, 0, 1].map(u32::to_le_bytes).concat());
    let ran = run(spec(ScheduleSpec::Listed { offsets: offsets.clone(), picks: Some(picks.clone()) }));
    assert_eq!(ran.gaps_ns(), [2 * MS, 0, 5 * MS]);
    assert!(ran.sent.iter().map(|sent| sent.1).eq([1, 4, 5, 8]));
    for path in [offsets, picks] {
        fs::remove_file(path).expect("removed");
    }
}

#[test]
fn a_list_that_is_not_whole_or_out_of_order_or_picks_what_is_not_there_is_refused() {
    let refused = |offsets: &[u8], picks: Option<&[u8]>| {
        let (name, picks_name) = (format!("o{}", offsets.len()), format!("p{}", offsets.len()));
        let offsets = file(&name, offsets);
        let picks = picks.map(|picks| file(&picks_name, picks));
        let error = LoadSchedule::open(&ScheduleSpec::Listed { offsets: offsets.clone(), picks: picks.clone() }, 1)
            .expect_err("refused")
            .to_string();
        fs::remove_file(offsets).expect("removed");
        picks.map(fs::remove_file).transpose().expect("removed");
        error
    };
    assert!(refused(&[0; 9], None).ends_with("expected numbers of 8 bytes, found 9 bytes"));
    assert!(refused(&numbers(&[5, 4]), None).ends_with("expected offsets in order, found one before another"));
    assert!(refused(&numbers(&[5; 3]), Some(&[0; 4])).ends_with("expected 3 picks of 1 packets, found others"));
    assert!(refused(&numbers(&[5; 4]), Some(&[1; 16])).ends_with("expected 4 picks of 1 packets, found others"));
}

#[test]
fn a_load_that_cannot_be_sent_is_refused() {
    let refused = |spec: OpenLoopSpec| OpenLoop::new(spec, vec![template(1)], 0).expect_err("refused").to_string();
    assert_eq!(refused(spec(rate(0.0, 1, MS))), "expected a rate above 0, found 0");
    assert_eq!(refused(spec(rate(1.0, 0, MS))), "expected bursts of at least one packet, found 0");
    let without = OpenLoopSpec { channels: vec![1], ..spec(rate(1.0, 1, MS)) };
    assert!(refused(without).ends_with("found a channel without"));
    let at = |offset| TemplateSpec { sequence_offset: offset, send_time_offset: None, messages: 1 };
    assert!(Template::new(vec![0; 15], at(8)).is_err());
    assert!(Template::new(vec![0; 15], at(usize::MAX)).is_err());
    assert!(Template::new(vec![0; 70_000], at(8)).is_err());
    assert!(Template::new(vec![0; 16], at(8)).is_ok());
}
