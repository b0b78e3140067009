//! latency: an HDR histogram for every stage that a datagram passes, and for what Python adds.
//!
//! | stage | from | to | clock |
//! |---|---|---|---|
//! | `wire` | the kernel's receive stamp | taken from the socket | `CLOCK_REALTIME` |
//! | `decode` | taken from the socket | decoded | `CLOCK_REALTIME` |
//! | `batch` | decoded | handed to Python | `CLOCK_REALTIME` |
//! | `total` | the kernel's receive stamp | handed to Python | `CLOCK_REALTIME` |
//! | `gil` | the batch is ready | the GIL is held | `CLOCK_MONOTONIC` |
//! | `processor` | handed to Python | Python asks for more | `CLOCK_MONOTONIC` |
//! | `send` | the packet header's send time | handed to Python | `CLOCK_REALTIME` of both machines |
//!
//! `gil` and `processor` count batches, the others datagrams. A real-time clock may be set back, and the sender's may be
//! ahead: such a span counts as 0. `send` is kept only where it was asked for; packets without a send time are not in it.

mod overhead;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
pub use overhead::{Overhead, overhead};
use serde::Serialize;

/// A stage that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Kernel stamp to taken from the socket.
    Wire,
    /// Taken to decoded.
    Decode,
    /// Decoded to handed to Python.
    Batch,
    /// Kernel stamp to handed to Python.
    Total,
    /// Waiting for the GIL.
    Gil,
    /// The user's code.
    Processor,
    /// Send time of the packet header to handed to Python; the last, as it is optional.
    Send,
}

/// All stages, with their names.
pub const STAGES: [(Stage, &str); 7] = [
    (Stage::Wire, "wire"),
    (Stage::Decode, "decode"),
    (Stage::Batch, "batch"),
    (Stage::Total, "total"),
    (Stage::Gil, "gil"),
    (Stage::Processor, "processor"),
    (Stage::Send, "send"),
];

/// Largest span that is told apart, ns: one minute. Longer ones count as this.
const MOST_NS: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Percentiles of a stage, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p99_9: u64,
    /// 99.99 %.
    pub p99_99: u64,
    /// Largest.
    pub max: u64,
    /// Spans.
    pub count: u64,
}

/// Histograms of all stages.
#[derive(Debug)]
pub struct Latency {
    /// Since the last interval.
    recent: Vec<Histogram<u64>>,
    /// Before that.
    total: Vec<Histogram<u64>>,
    log: Option<Log>,
}

#[derive(Debug)]
struct Log {
    file: BufWriter<File>,
    interval_ns: u64,
    began_ns: u64,
    interval_began_ns: u64,
}

pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MOST_NS, SIGNIFICANT_DIGITS).expect("the bounds are constants that fit")
}

impl Latency {
    /// Empty histograms of all stages, or of all but [`Stage::Send`].
    #[must_use]
    pub fn new(has_send: bool) -> Self {
        let stages = STAGES.len() - usize::from(!has_send);
        let all = || (0..stages).map(|_| histogram()).collect();
        Self { recent: all(), total: all(), log: None }
    }

    /// Whether [`Stage::Send`] is kept.
    #[must_use]
    pub fn has_send(&self) -> bool {
        self.recent.len() > Stage::Send as usize
    }

    /// The stages that are kept, with their names.
    fn stages(&self) -> impl Iterator<Item = (Stage, &'static str)> {
        STAGES.into_iter().take(self.recent.len())
    }

    /// Writes an interval log (`.hlog`) as well: one line a stage and interval, tagged with the stage.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn log_to(&mut self, path: &Path, interval_ns: u64, now_ns: u64) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        let began = SystemTime::UNIX_EPOCH + Duration::from_nanos(now_ns);
        let mut serializer = V2DeflateSerializer::new();
        IntervalLogWriterBuilder::new()
            .add_comment("feedhandler: latency by stage, ns")
            .with_start_time(began)
            .with_max_value_divisor(MAX_VALUE_DIVISOR)
            .begin_log_with(&mut file, &mut serializer)?;
        file.flush()?; // a process that is forked now has nothing left to write
        self.log = Some(Log { file, interval_ns: interval_ns.max(1), began_ns: now_ns, interval_began_ns: now_ns });
        Ok(())
    }

    /// Forgets what was recorded, such as a warm-up.
    pub fn clear(&mut self) {
        for histogram in self.recent.iter_mut().chain(&mut self.total) {
            histogram.reset();
        }
    }

    /// Records the span between two stamps.
    #[inline]
    pub fn record(&mut self, stage: Stage, from_ns: u64, to_ns: u64) {
        self.recent[stage as usize].saturating_record(to_ns.saturating_sub(from_ns));
    }

    /// Records the span between two stamps of several datagrams.
    #[inline]
    pub fn record_n(&mut self, stage: Stage, from_ns: u64, to_ns: u64, datagrams: u64) {
        self.recent[stage as usize].saturating_record_n(to_ns.saturating_sub(from_ns), datagrams);
    }

    /// Closes the log's interval if its time is over.
    ///
    /// # Errors
    /// The log cannot be written; it is not tried again.
    pub fn tick(&mut self, now_ns: u64) -> io::Result<()> {
        let is_over =
            self.log.as_ref().is_some_and(|log| now_ns.saturating_sub(log.interval_began_ns) >= log.interval_ns);
        if is_over { self.close_interval(now_ns) } else { Ok(()) }
    }

    /// Closes the log's last interval and the log.
    ///
    /// # Errors
    /// The log cannot be written.
    pub fn finish(&mut self, now_ns: u64) -> io::Result<()> {
        if self.log.is_none() {
            return Ok(());
        }
        self.close_interval(now_ns)?;
        self.log.take().map_or(Ok(()), |mut log| log.file.flush())
    }

    fn close_interval(&mut self, now_ns: u64) -> io::Result<()> {
        let written = self.log.as_mut().map_or(Ok(()), |log| log.write(&self.recent, now_ns));
        for (recent, total) in self.recent.iter_mut().zip(&mut self.total) {
            merge(total, recent);
            recent.reset();
        }
        if written.is_err() {
            self.log = None;
        }
        written
    }

    /// All spans of a stage.
    #[must_use]
    pub fn of(&self, stage: Stage) -> Histogram<u64> {
        let mut all = self.total[stage as usize].clone();
        merge(&mut all, &self.recent[stage as usize]);
        all
    }

    /// Percentiles by stage.
    #[must_use]
    pub fn percentiles(&self) -> BTreeMap<&'static str, Percentiles> {
        self.stages().map(|(stage, name)| (name, percentiles(&self.of(stage)))).collect()
    }

    /// Histograms by stage: V2, compressed, as the `hdrhistogram` packages read them (before base64).
    #[must_use]
    pub fn serialized(&self) -> Vec<(&'static str, Vec<u8>)> {
        self.stages().map(|(stage, name)| (name, serialize(&self.of(stage)))).collect()
    }
}

fn merge(into: &mut Histogram<u64>, from: &Histogram<u64>) {
    into.add(from).expect("all histograms have the same bounds");
}

pub(crate) fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let at = |quantile| if histogram.is_empty() { 0 } else { histogram.value_at_quantile(quantile) };
    Percentiles {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p99_9: at(0.999),
        p99_99: at(0.9999),
        max: histogram.max(),
        count: histogram.len(),
    }
}

/// A histogram as the `hdrhistogram` packages read it (before base64): V2, compressed.
///
/// # Panics
/// Never: a `Vec` takes whatever is written.
#[must_use]
pub fn serialize(histogram: &Histogram<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("a Vec takes whatever is written");
    bytes
}

/// Interval logs tell the largest value in milliseconds, as is the custom for spans in nanoseconds.
const MAX_VALUE_DIVISOR: f64 = 1_000_000.0;

impl Log {
    fn write(&mut self, recent: &[Histogram<u64>], now_ns: u64) -> io::Result<()> {
        let mut serializer = V2DeflateSerializer::new();
        let began = SystemTime::UNIX_EPOCH + Duration::from_nanos(self.began_ns);
        let mut lines = Vec::new();
        let mut writer = IntervalLogWriterBuilder::new()
            .with_start_time(began)
            .with_max_value_divisor(MAX_VALUE_DIVISOR)
            .begin_log_with(&mut lines, &mut serializer)?;
        let since_start = Duration::from_nanos(self.interval_began_ns.saturating_sub(self.began_ns));
        let span = Duration::from_nanos(now_ns.saturating_sub(self.interval_began_ns));
        for ((_, name), histogram) in STAGES.iter().zip(recent) {
            let written = writer.write_histogram(histogram, since_start, span, Tag::new(name));
            written.map_err(|error| io::Error::other(format!("{error:?}")))?;
        }
        self.interval_began_ns = now_ns;
        self.file.write_all(without_header(&lines))?;
        self.file.flush()
    }
}

/// The crate's writer cannot be kept beside the file it borrows; each interval makes one, and its header is left out.
fn without_header(lines: &[u8]) -> &[u8] {
    let header =
        lines.split_inclusive(|byte| *byte == b'\n').take_while(|line| matches!(line.first(), Some(b'#' | b'"')));
    &lines[header.map(<[u8]>::len).sum()..]
}
