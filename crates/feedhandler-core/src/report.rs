//! What a run tells at its end: counters, the ledger and its sums, gaps, sessions. One form for files and live lines.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::decode::UnknownCode;
use crate::history::{Gap, Sample, SessionSeen};
use crate::latency::{Percentiles, percentiles};
use crate::ledger::{LineCounters, LineUnits, MessageCounters, UnitCounters};
use crate::malformed::Reason;
use crate::pipeline::{Channel, Line, Pipeline};
use crate::spec::SequenceUnit;

/// Messages of one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeCount {
    /// Name of the message.
    pub name: String,
    /// How many were delivered.
    pub count: u64,
}

/// Fates of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelLedger {
    /// Name.
    pub name: String,
    /// What its sequence counts.
    pub unit: SequenceUnit,
    /// Units of all its sessions up to now.
    pub expected: u64,
    /// Fates of its units.
    pub units: UnitCounters,
    /// Fates of its messages.
    pub messages: MessageCounters,
    /// Its lines.
    pub lines: Vec<LineLedger>,
    /// How long a missing unit is waited for.
    pub grace_ns: u64,
    /// Whether every sum is right.
    pub is_balanced: bool,
}

/// Fates of a line's datagrams, and what it did for its channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineLedger {
    /// Name.
    pub name: String,
    /// Fates.
    #[serde(flatten)]
    pub counters: LineCounters,
    /// What it brought and missed of the channel's units.
    pub units: LineUnits,
    /// How much later than the first copy its copies came; none where no copy was measured.
    pub skew_ns: Option<Percentiles>,
}

/// The ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Whether every sum of every channel is right, and always was.
    pub is_balanced: bool,
    /// Sums that were found to be wrong, now or with an earlier batch.
    pub mismatches: u64,
    /// The channels.
    pub channels: Vec<ChannelLedger>,
}

/// What a pipeline has to tell.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the protocol.
    pub protocol: String,
    /// UDP payloads taken in.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages delivered, after arbitration.
    pub messages: u64,
    /// Rows by code, as in the specification.
    pub by_type: BTreeMap<String, TypeCount>,
    /// Types that the declaration does not know.
    pub unknown_types: Vec<UnknownCode>,
    /// Heartbeats.
    pub heartbeats: u64,
    /// What was lost.
    pub gaps: Vec<Gap>,
    /// Gaps beyond those listed.
    pub gaps_omitted: u64,
    /// Datagrams that brought nothing new.
    pub duplicates: u64,
    /// Datagrams and messages that could not be used.
    pub malformed: u64,
    /// The same by reason.
    pub malformed_by_reason: BTreeMap<Reason, u64>,
    /// Samples of them.
    pub malformed_samples: Vec<Sample>,
    /// Sessions in the order they began; a restart is another.
    pub sessions: Vec<SessionSeen>,
    /// Digest of all that was delivered.
    pub digest: String,
    /// Fates.
    pub ledger: Ledger,
}

impl Report {
    /// What `pipeline` has to tell now.
    #[must_use]
    pub fn new(pipeline: &Pipeline) -> Self {
        let ledger = ledger(pipeline);
        let channels = &ledger.channels;
        let history = pipeline.history();
        let lines = || channels.iter().flat_map(|channel| &channel.lines).map(|line| &line.counters);
        let sum = |count: fn(&LineCounters) -> u64| lines().map(count).sum::<u64>();
        Self {
            protocol: pipeline.plan().name.clone(),
            datagrams: sum(|line| line.datagrams),
            bytes: sum(|line| line.bytes),
            messages: channels.iter().map(|channel| channel.messages.messages).sum(),
            by_type: by_type(pipeline),
            unknown_types: pipeline.decoder().unknown().to_vec(),
            heartbeats: sum(|line| line.heartbeats),
            gaps: history.gaps.clone(),
            gaps_omitted: history.gaps_omitted,
            duplicates: sum(|line| line.duplicate),
            malformed: history.malformed.values().sum(),
            malformed_by_reason: history.malformed.clone(),
            malformed_samples: history.samples.clone(),
            sessions: sessions(pipeline),
            digest: pipeline.digest().to_string(),
            ledger,
        }
    }
}

fn ledger(pipeline: &Pipeline) -> Ledger {
    let (mut channels, mut mismatches) = (Vec::new(), pipeline.mismatches());
    for channel in pipeline.channels() {
        let (ledger, wrong) = channel_ledger(pipeline, channel);
        channels.push(ledger);
        mismatches += wrong;
    }
    Ledger { is_balanced: mismatches == 0, mismatches, channels }
}

fn by_type(pipeline: &Pipeline) -> BTreeMap<String, TypeCount> {
    let plan = pipeline.plan();
    let counted = plan.codes.iter().zip(pipeline.decoder().counts()).filter(|(_, count)| **count > 0);
    counted
        .map(|(code, count)| {
            let name = plan.tables[usize::from(code.table)].name.clone();
            (code.text.clone(), TypeCount { name, count: *count })
        })
        .collect()
}

/// Sessions that are over, then those that go on.
fn sessions(pipeline: &Pipeline) -> Vec<SessionSeen> {
    let open = pipeline
        .channels()
        .iter()
        .filter_map(|channel| channel.arbiter.session().map(|session| SessionSeen::new(&channel.name, session)));
    pipeline.history().sessions.iter().cloned().chain(open).collect()
}

/// A channel's ledger, and how many of its sums are wrong.
fn channel_ledger(pipeline: &Pipeline, channel: &Channel) -> (ChannelLedger, u64) {
    let (expected, unit) = (pipeline.expected(channel), pipeline.plan().framing.unit);
    let lines = channel.arbiter.line_units();
    let mismatches = channel.mismatches(expected) + channel.mismatches_of_lines(expected);
    let ledger = ChannelLedger {
        name: channel.name.clone(),
        unit,
        expected,
        units: channel.arbiter.counters,
        messages: channel.messages,
        lines: (0..).zip(lines).map(|(line, units)| line_ledger(channel, line, units)).collect(),
        grace_ns: channel.arbiter.grace_ns(),
        is_balanced: mismatches == 0,
    };
    (ledger, mismatches)
}

fn line_ledger(channel: &Channel, line: usize, units: LineUnits) -> LineLedger {
    let Line { name, counters } = &channel.lines[line];
    let skew_ns = channel.arbiter.skew_ns(line).map(percentiles);
    LineLedger { name: name.clone(), counters: *counters, units, skew_ns }
}
