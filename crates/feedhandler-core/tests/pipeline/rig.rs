//! A pipeline with one channel, what came out of it, and the ledger checked after every step.

use std::sync::Arc;

use feedhandler_core::arbitrate::ArbiterOptions;
use feedhandler_core::batch::Batch;
use feedhandler_core::event::{EVENT_KINDS, EventKind};
use feedhandler_core::ledger::UnitCounters;
use feedhandler_core::padded::Padded;
use feedhandler_core::pipeline::{Channel, Datagram, Pipeline, PipelineOptions};
use feedhandler_core::plan::Plan;

use crate::mold;

/// How long a missing message is waited for.
pub const GRACE_NS: u64 = 1_000;

/// A part of the stream that something happened to: what, first and last sequence number.
pub type Told = (EventKind, u64, u64);

/// See the module's documentation.
pub struct Rig {
    pub pipeline: Pipeline,
    /// Sequence numbers delivered, in the order of delivery.
    pub delivered: Vec<u64>,
    /// Events told, but for the start of a session.
    pub told: Vec<Told>,
    /// Before which of those delivered each was told.
    pub told_at: Vec<usize>,
    /// Where in `delivered` each session starts.
    pub starts: Vec<usize>,
}

/// All but the grace time as by default.
fn options() -> ArbiterOptions {
    ArbiterOptions { grace_ns: GRACE_NS, ..ArbiterOptions::default() }
}

impl Rig {
    /// A channel with the lines A and B.
    pub fn new() -> Self {
        Self::of(mold::plan(), 4096)
    }

    /// A channel with the line A only.
    pub fn with_one_line() -> Self {
        Self::with(mold::plan(), options(), &["A"])
    }

    /// A channel that keeps so many packets beyond a hole.
    pub fn with_window(window_packets: usize) -> Self {
        Self::of(mold::plan(), window_packets)
    }

    /// A channel of another protocol.
    pub fn of(plan: Arc<Plan>, window_packets: usize) -> Self {
        Self::with(plan, ArbiterOptions { window_packets, ..options() }, &["A", "B"])
    }

    /// A channel whose grace time follows the skew between its lines.
    pub fn adaptive() -> Self {
        let options = ArbiterOptions { is_grace_adaptive: true, ..ArbiterOptions::default() };
        Self::with(mold::plan(), options, &["A", "B"])
    }

    fn with(plan: Arc<Plan>, arbiter: ArbiterOptions, lines: &[&str]) -> Self {
        let mut pipeline = Pipeline::new(plan, PipelineOptions { arbiter, ..PipelineOptions::default() });
        pipeline.add_channel("numbers", lines.iter().map(|line| (*line).to_owned()));
        Self { pipeline, delivered: Vec::new(), told: Vec::new(), told_at: Vec::new(), starts: Vec::new() }
    }

    /// A datagram comes on line 0 (A) or 1 (B), and there is nothing older on the other.
    pub fn on(&mut self, line: usize, ts_ns: u64, bytes: &[u8]) -> &mut Self {
        let payload = Padded::from(bytes);
        self.pipeline.on_datagram(&Datagram { channel: 0, line, ts_recv_ns: ts_ns, is_cut_off: false, payload });
        self.until(ts_ns)
    }

    /// Datagrams that come at once, so that one batch has all that they bring.
    pub fn in_one_batch(&mut self, datagrams: &[(usize, Vec<u8>)]) -> &mut Self {
        for (line, bytes) in datagrams {
            let payload = Padded::from(bytes.as_slice());
            let datagram = Datagram { channel: 0, line: *line, ts_recv_ns: 0, is_cut_off: false, payload };
            self.pipeline.on_datagram(&datagram);
        }
        self.take()
    }

    /// All lines have been looked at until then.
    pub fn until(&mut self, now_ns: u64) -> &mut Self {
        self.pipeline.advance(now_ns);
        self.take()
    }

    /// Nothing more comes.
    pub fn finish(&mut self) -> &mut Self {
        self.pipeline.finish();
        self.take();
        assert_eq!(self.units().pending, 0, "nothing waits for ever");
        self
    }

    pub fn channel(&self) -> &Channel {
        &self.pipeline.channels()[0]
    }

    pub fn units(&self) -> &UnitCounters {
        &self.channel().arbiter.counters
    }

    fn take(&mut self) -> &mut Self {
        let batch = self.pipeline.take_batch();
        let before = self.delivered.len();
        self.delivered.extend(numbers(&batch));
        for (told, position) in events(&batch) {
            if told.0 == EventKind::SessionStart {
                self.starts.push(before + position);
            } else {
                self.told.push(told);
                self.told_at.push(before + position);
            }
        }
        assert_balanced(&self.pipeline);
        self
    }
}

/// Sequence numbers of the batch's rows; each row's number must be that of its sequence number.
pub fn numbers(batch: &Batch) -> Vec<u64> {
    let Some(rows) = &batch.tables[0] else { return Vec::new() };
    let word = |row: &[u8], at: usize| u64::from_le_bytes(row[at..at + 8].try_into().expect("eight bytes"));
    let seq = |row| {
        assert_eq!(word(row, mold::NUMBER_AT), mold::number_of(word(row, 0)), "message {}", word(row, 0));
        word(row, 0)
    };
    rows.bytes().chunks_exact(rows.row_bytes()).map(seq).collect()
}

/// Events, and the index of the message that each precedes.
fn events(batch: &Batch) -> impl Iterator<Item = (Told, usize)> {
    let word = |row: &[u8], at: usize| u64::from_le_bytes(row[at..at + 8].try_into().expect("eight bytes"));
    let kind = |number| EVENT_KINDS.iter().find(|(kind, _)| *kind as u8 == number).expect("a known kind").0;
    batch.events.bytes().chunks_exact(batch.events.row_bytes()).map(move |row| {
        let position = usize::try_from(word(row, 40)).expect("a place in a batch");
        ((kind(row[0]), word(row, 8), word(row, 16)), position)
    })
}

/// Every packet, unit and message has a fate.
pub fn assert_balanced(pipeline: &Pipeline) {
    assert_eq!(pipeline.mismatches(), 0);
    for channel in pipeline.channels() {
        let expected = pipeline.expected(channel);
        let units = &channel.arbiter.counters;
        assert!(units.is_balanced(expected), "{units:#?} do not add up to {expected}");
        assert!(channel.messages.is_balanced(), "{:#?}", channel.messages);
        for line in &channel.lines {
            assert!(line.counters.is_balanced(), "{} {:#?}", line.name, line.counters);
        }
        let lines = channel.arbiter.line_units();
        assert_eq!(lines.iter().map(|line| line.won).sum::<u64>(), units.delivered + units.recovered, "{lines:#?}");
        for line in lines {
            assert!(line.is_balanced(expected), "{line:#?} of {expected}");
        }
    }
}
