//! Batches from live lines: the ring's datagrams through the pipeline, with a stamp at every stage.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::arbitrate::ArbiterOptions;
use crate::batch::Batch;
use crate::capture::CaptureError;
use crate::clock::realtime_ns;
use crate::event::Cause;
use crate::feed::tap::{CaptureOptions, CaptureReport, Rotation, Setup, Tap};
use crate::filter::Filter;
use crate::latency::{Latency, Percentiles, Stage};
use crate::pipeline::{Channel, Datagram, Pipeline, PipelineOptions};
use crate::plan::Plan;
use crate::receive::{LineStats, ReceiveOptions, Receiver, Stopper};
use crate::report::Report;
use crate::ring::{Arena, Pages, Slot, SlotFlags};
use crate::wait::{Wait, WaitOutcome};
use crate::wire::{LineReport, LineSpec, Warning, WireError};

/// How live lines are read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveOptions {
    /// Names of the channels; a line's `channel` is a position in it.
    pub channels: Vec<String>,
    /// The lines; each channel's count from 0.
    pub lines: Vec<LineSpec>,
    /// Sockets, ring and receive thread.
    pub receive: ReceiveOptions,
    /// Disorder.
    pub arbiter: ArbiterOptions,
    /// Messages after which a batch is closed.
    pub batch_messages: usize,
    /// Age of its first message at which a batch is closed, while more are waiting. An empty ring closes it at once.
    pub batch_age_ns: u64,
    /// What the reader does while the ring is empty.
    pub wait: Wait,
    /// Interval log of the latencies.
    pub hlog: Option<PathBuf>,
    /// Its interval.
    pub hlog_interval_ns: u64,
    /// Whether the latency from the packet headers' send time is kept, which is then nanoseconds since 1970.
    #[serde(default)]
    pub send_time: bool,
}

/// What live lines have to tell.
#[derive(Clone, Debug, Serialize)]
pub struct LiveReport {
    /// What the pipeline has to tell.
    #[serde(flatten)]
    pub pipeline: Report,
    /// Datagrams, as a capture would have records.
    pub packets: u64,
    /// A live feed has no end that could be missing.
    pub truncated: bool,
    /// None.
    pub truncated_detail: Option<String>,
    /// Time since the lines were opened, seconds.
    pub elapsed_s: f64,
    /// The lines' sockets.
    pub wire: Vec<WireLine>,
    /// Settings that were not granted in full.
    pub warnings: Vec<Warning>,
    /// Slots of the ring, and how many were in use at once at most.
    pub ring: RingUse,
    /// Percentiles by stage, ns.
    pub latency_ns: std::collections::BTreeMap<&'static str, Percentiles>,
    /// Why the interval log was given up.
    pub hlog_error: Option<String>,
    /// What became of what was to be captured, where that was asked for.
    pub captured: Option<CaptureReport>,
}

/// A line's socket.
#[derive(Clone, Debug, Serialize)]
pub struct WireLine {
    /// Its settings.
    #[serde(flatten)]
    pub settings: LineReport,
    /// What it counted.
    pub stats: LineStats,
}

/// How much of the ring was needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RingUse {
    /// Slots.
    pub slots: usize,
    /// Most that were in use at once.
    pub high_water: usize,
    /// Longest datagram, or run of coalesced ones, that a slot has room for.
    pub slot_bytes: usize,
    /// What its memory is made of.
    pub pages: Pages,
}

/// What a poll ended with.
#[derive(Debug)]
pub enum Polled {
    /// A batch.
    Batch(Batch),
    /// Nothing came in time, or a signal did.
    Nothing,
    /// The lines were stopped and everything was read.
    Over,
}

/// Datagrams decoded between two readings of the clock.
const CHUNK: usize = 64;
/// Chunks between two looks at whether the time for a batch is up: a millisecond or so, however much comes that makes none.
const MOST_CHUNKS: usize = 128;
/// How often holes are looked at while nothing comes.
const DISORDER_TICK: Duration = Duration::from_millis(1);

/// Reads live lines into batches.
pub struct LiveFeed {
    receiver: Receiver,
    arbiter: ArbiterOptions,
    reader: Reader,
    wait: Wait,
    began: Instant,
    is_over: bool,
    is_closed: bool,
    hlog_error: Option<String>,
}

/// What the ring's datagrams go into.
struct Reader {
    pipeline: Pipeline,
    tap: Option<Tap>,
    latency: Latency,
    /// Channel and line, by position in the receiver's list.
    routes: Vec<(usize, usize)>,
    /// Drops at the socket and at the ring that were told of.
    drops: Vec<(u64, u64)>,
    /// Of what each slot in the batch brought: kernel stamp, when it was decoded, and how many datagrams.
    stamps: Vec<(u64, u64, u64)>,
    /// Send times of the datagrams in the batch, where they are asked for.
    send_times: Vec<u64>,
    batch_age_ns: u64,
    watermark: Watermark,
}

/// Until when every line has been looked at, once the slots that were in the ring at that reading have been taken in.
#[derive(Clone, Copy, Debug, Default)]
struct Watermark {
    ns: u64,
    slots_left: usize,
}

impl LiveFeed {
    /// Opens the lines and starts to receive.
    ///
    /// # Errors
    /// [`WireError`] where a line cannot be opened; the interval log's error is told in the report.
    pub fn open(plan: Arc<Plan>, options: LiveOptions, arena: Arena) -> Result<Self, WireError> {
        let pipeline_options = PipelineOptions { arbiter: options.arbiter, batch_messages: options.batch_messages };
        let mut pipeline = Pipeline::new(plan, pipeline_options);
        for (channel, name) in (0_u16..).zip(&options.channels) {
            let lines = options.lines.iter().filter(|line| line.channel == channel);
            pipeline.add_channel(name, lines.map(|line| line.name.clone()));
        }
        let receiver = Receiver::start(&options.lines, &options.receive, arena)?;
        let mut latency = Latency::new(options.send_time);
        let log = options.hlog.map(|path| latency.log_to(&path, options.hlog_interval_ns, realtime_ns()));
        let reader = Reader {
            pipeline,
            tap: None,
            latency,
            routes: options.lines.iter().map(|line| (line.channel.into(), line.line.into())).collect(),
            drops: vec![(0, 0); options.lines.len()],
            stamps: Vec::new(),
            send_times: Vec::new(),
            batch_age_ns: options.batch_age_ns,
            watermark: Watermark::default(),
        };
        let hlog_error = log.and_then(Result::err).map(|error| error.to_string());
        let (arbiter, wait) = (options.arbiter, options.wait);
        Ok(Self {
            receiver,
            arbiter,
            reader,
            wait,
            began: Instant::now(),
            is_over: false,
            is_closed: false,
            hlog_error,
        })
    }

    /// From now on everything that comes goes into files as well. To be called before the first poll, and with
    /// [`ReceiveOptions::senders`] set, without which the files do not say who sent what.
    ///
    /// # Errors
    /// [`CaptureError::NotWritable`] where the first file cannot be made.
    pub fn capture(&mut self, options: CaptureOptions) -> Result<(), CaptureError> {
        let pipeline = &self.reader.pipeline;
        let names: Vec<_> = pipeline.channels().iter().map(|channel| channel.name.clone()).collect();
        let (reports, senders) = (self.receiver.reports(), self.receiver.senders());
        let setup = Setup::new(options, pipeline.plan(), self.arbiter, &names, reports, senders);
        self.reader.tap = Some(Tap::start(setup, self.receiver.stopper())?);
        Ok(())
    }

    /// Asks for the next file of a capture from elsewhere; none where nothing is captured.
    #[must_use]
    pub fn rotation(&self) -> Option<Rotation> {
        self.reader.tap.as_ref().map(Tap::rotation)
    }

    /// From now on only messages about instruments that `filter` wants become rows, and those that are about none.
    pub fn filter_by(&mut self, filter: Filter) {
        self.reader.pipeline.filter_by(filter);
    }

    /// The next batch, waiting for it for `timeout` at most.
    pub fn poll(&mut self, timeout: Duration) -> Polled {
        let until = Instant::now() + timeout;
        while !self.is_closed {
            let is_empty = self.reader.read(&mut self.receiver);
            self.reader.tick();
            if self.reader.is_ready(is_empty) {
                return Polled::Batch(self.take_batch());
            }
            let left = until.saturating_duration_since(Instant::now());
            if is_empty && let Some(end) = self.wait_for_more(left) {
                return end;
            }
            if !is_empty && left.is_zero() {
                return if self.reader.pipeline.has_content() {
                    Polled::Batch(self.take_batch())
                } else {
                    Polled::Nothing
                };
            }
        }
        Polled::Over
    }

    /// Waits while the ring is empty; says how the poll ends, if it does.
    fn wait_for_more(&mut self, left: Duration) -> Option<Polled> {
        if self.is_over {
            return Some(Polled::Over);
        }
        if left.is_zero() && !self.receiver.consumer().is_over() {
            return Some(Polled::Nothing);
        }
        let slice = if self.reader.pipeline.is_disordered() { left.min(DISORDER_TICK) } else { left };
        match self.receiver.wait(self.wait, slice) {
            WaitOutcome::Ready | WaitOutcome::TimedOut => None,
            WaitOutcome::Interrupted => Some(Polled::Nothing),
            WaitOutcome::Closed => {
                self.finish();
                None
            }
        }
    }

    /// Stops reception, closes the sockets, and ends a capture's file; nothing more is handed out. The report and the
    /// latencies remain.
    ///
    /// # Panics
    /// The receive thread, or the one that writes a capture, has panicked.
    pub fn close(&mut self) {
        self.is_closed = true;
        self.log(Latency::finish);
        self.receiver.stop();
        let stats = self.receiver.stats();
        self.reader.end_capture(&stats);
    }

    /// The lines are stopped and the ring is empty: what waits for something missing is delivered.
    fn finish(&mut self) {
        self.receiver.stop();
        let stats = self.receiver.stats();
        for (line, stats) in stats.iter().enumerate() {
            self.reader.note_drops(line, stats.socket_drops, stats.ring_drops, realtime_ns());
        }
        self.reader.pipeline.advance(realtime_ns());
        self.reader.pipeline.finish();
        self.reader.end_capture(&stats);
        self.is_over = true;
        self.log(Latency::finish);
    }

    fn take_batch(&mut self) -> Batch {
        let mut batch = self.reader.pipeline.take_batch();
        batch.queue_depth = self.receiver.consumer().depth();
        batch
    }

    /// Notes that the batch is in Python's hands, for which the GIL was waited `gil` long.
    pub fn handed_over(&mut self, gil: Duration) {
        self.reader.handed_over(gil);
        self.log(Latency::tick);
    }

    /// Notes how long the user's code took with a batch.
    pub fn processed(&mut self, span: Duration) {
        self.reader.latency.record(Stage::Processor, 0, nanoseconds(span));
    }

    /// Forgets the latencies so far, such as those of a warm-up.
    pub fn clear_latency(&mut self) {
        self.reader.latency.clear();
    }

    fn log(&mut self, write: impl Fn(&mut Latency, u64) -> io::Result<()>) {
        if let Err(error) = write(&mut self.reader.latency, realtime_ns()) {
            self.hlog_error = Some(error.to_string());
        }
    }

    /// Stops reception from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.receiver.stopper()
    }

    /// The receiver, for an event loop to wait on.
    pub fn receiver(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// Whether holes are waited for: then time has to be told although nothing comes.
    #[must_use]
    pub fn is_disordered(&self) -> bool {
        self.reader.pipeline.is_disordered()
    }

    /// Whether the lines were stopped and everything was read, or the feed was closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over || self.is_closed
    }

    /// Whether every channel has come to the end of its session, with nothing missing before it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let channels = self.reader.pipeline.channels();
        let is_ended = |session: &crate::arbitrate::Session| session.is_ended;
        let has_ended = |channel: &Channel| channel.has_units() || channel.arbiter.session().is_some_and(is_ended);
        channels.iter().all(has_ended) && !self.is_disordered()
    }

    /// Latencies by stage.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        &self.reader.latency
    }

    /// What was received so far.
    #[must_use]
    pub fn report(&mut self) -> LiveReport {
        let pipeline = Report::new(&self.reader.pipeline);
        let stats = self.receiver.stats();
        let settings = self.receiver.reports().iter().cloned();
        LiveReport {
            packets: pipeline.datagrams,
            truncated: false,
            truncated_detail: None,
            elapsed_s: self.began.elapsed().as_secs_f64(),
            wire: settings.zip(stats).map(|(settings, stats)| WireLine { settings, stats }).collect(),
            warnings: self.receiver.warnings().cloned().collect(),
            ring: self.ring_use(),
            latency_ns: self.reader.latency.percentiles(),
            hlog_error: self.hlog_error.clone(),
            captured: self.reader.tap.as_ref().map(Tap::report),
            pipeline,
        }
    }

    fn ring_use(&mut self) -> RingUse {
        let pages = self.receiver.pages();
        let consumer = self.receiver.consumer();
        let (slots, slot_bytes) = (consumer.layout().slots(), consumer.layout().slot_bytes());
        RingUse { slots, high_water: consumer.high_water(), slot_bytes, pages }
    }
}

impl Reader {
    /// Takes in what the ring holds, until the batch is to be closed or it is time for a look at the clock; says whether it
    /// was found empty, and the sockets too where the reader looks at them itself.
    fn read(&mut self, receiver: &mut Receiver) -> bool {
        let mut may_have_more = true;
        for _ in 0..MOST_CHUNKS {
            self.renew_watermark(receiver);
            let slots = self.read_chunk(receiver);
            if slots == 0 {
                if !may_have_more {
                    return true;
                }
                may_have_more = receiver.look();
                continue;
            }
            self.watermark.slots_left = self.watermark.slots_left.saturating_sub(slots);
            if self.pipeline.is_full() || self.is_old() {
                return false;
            }
        }
        false
    }

    /// Tells the pipeline the time once the watermark's slots have been taken in, and reads the next.
    fn renew_watermark(&mut self, receiver: &mut Receiver) {
        if self.watermark.slots_left > 0 {
            return;
        }
        self.advance(receiver, self.watermark.ns);
        // The watermark first, then the ring: all that came before it is then among the slots that are counted.
        let ns = receiver.polled_ns();
        let slots_left = receiver.consumer().depth();
        if slots_left == 0 {
            self.advance(receiver, ns);
        }
        self.watermark = Watermark { ns, slots_left };
    }

    /// Tells the pipeline the time. Not each datagram tells what was dropped before it: before a gap is declared, the
    /// kernel is asked whether it has dropped more than was told, so that the gap has its cause.
    fn advance(&mut self, receiver: &Receiver, now_ns: u64) {
        if self.pipeline.may_declare(now_ns) {
            for ((stats, told), (channel, _)) in receiver.stats().iter().zip(&self.drops).zip(&self.routes) {
                if stats.socket_drops > told.0 {
                    self.pipeline.suspect(*channel, Cause::SocketBuffer);
                }
            }
        }
        self.pipeline.advance(now_ns);
        if let Some(tap) = &mut self.tap {
            tap.settled(now_ns);
        }
    }

    /// Has the tap hand on what has waited long enough.
    fn tick(&mut self) {
        if let Some(tap) = &mut self.tap {
            tap.tick(&self.pipeline);
        }
    }

    fn end_capture(&mut self, stats: &[LineStats]) {
        if let Some(tap) = &mut self.tap {
            tap.end(stats, &self.pipeline);
        }
    }

    /// Takes in a few slots; says how many.
    fn read_chunk(&mut self, receiver: &mut Receiver) -> usize {
        let consumer = receiver.consumer();
        let (mut slots, mut datagrams) = (0, 0);
        for slot in consumer.peek(CHUNK) {
            datagrams += self.take(&slot);
            slots += 1;
            if datagrams >= CHUNK || self.pipeline.is_full() {
                break;
            }
        }
        if slots > 0 {
            self.stamp(consumer.peek(slots));
            consumer.release(slots);
        }
        slots
    }

    /// Takes in the datagrams of a slot; says how many.
    #[inline]
    fn take(&mut self, slot: &Slot<'_>) -> usize {
        if let Some(tap) = &mut self.tap {
            tap.take(slot, &self.pipeline);
        }
        let (header, line) = (slot.header, usize::from(slot.header.line));
        if self.drops[line] != (header.socket_drops, header.ring_drops) {
            self.note_drops(line, header.socket_drops, header.ring_drops, header.ts_kernel_ns);
        }
        let (channel, line) = self.routes[line];
        if header.flags.contains(SlotFlags::OTHER_SOURCE) {
            self.pipeline.on_other_source(channel, line, slot.count() as u64, header.len.into());
            return slot.count();
        }
        let is_cut_off = header.flags.contains(SlotFlags::TRUNCATED);
        let has_send = self.latency.has_send();
        for payload in slot.datagrams() {
            let datagram = Datagram { channel, line, ts_recv_ns: header.ts_recv_ns, is_cut_off, payload };
            let send_time_ns = self.pipeline.on_datagram_at(&datagram, header.ts_kernel_ns);
            if has_send && send_time_ns > 0 {
                self.send_times.push(send_time_ns);
            }
        }
        slot.count()
    }

    /// Stamps a chunk of datagrams as decoded.
    fn stamp<'a>(&mut self, slots: impl Iterator<Item = Slot<'a>>) {
        let decoded_ns = realtime_ns();
        for Slot { header, .. } in slots {
            let datagrams = header.datagrams.into();
            self.latency.record_n(Stage::Wire, header.ts_kernel_ns, header.taken_ns, datagrams);
            self.latency.record_n(Stage::Decode, header.taken_ns, decoded_ns, datagrams);
            self.stamps.push((header.ts_kernel_ns, decoded_ns, datagrams));
        }
        if !self.pipeline.has_content() {
            self.stamps.clear();
            self.send_times.clear();
        }
    }

    #[cold]
    fn note_drops(&mut self, line: usize, socket: u64, ring: u64, ts_ns: u64) {
        let (socket_known, ring_known) = self.drops[line];
        let (channel, of_channel) = self.routes[line];
        if socket > socket_known {
            self.pipeline.on_drop(channel, of_channel, Cause::SocketBuffer, socket - socket_known, ts_ns);
        }
        if ring > ring_known {
            self.pipeline.on_drop(channel, of_channel, Cause::RingFull, ring - ring_known, ts_ns);
        }
        self.drops[line] = (socket.max(socket_known), ring.max(ring_known));
    }

    /// Whether the batch's first message has waited long enough.
    fn is_old(&self) -> bool {
        let (Some((_, first_ns, _)), Some((_, last_ns, _))) = (self.stamps.first(), self.stamps.last()) else {
            return false;
        };
        let is_full = self.stamps.len().max(self.send_times.len()) >= MOST_STAMPS;
        is_full || last_ns.saturating_sub(*first_ns) >= self.batch_age_ns
    }

    fn is_ready(&self, is_empty: bool) -> bool {
        self.pipeline.has_content() && (is_empty || self.pipeline.is_full() || self.is_old())
    }

    fn handed_over(&mut self, gil: Duration) {
        let handed_ns = realtime_ns();
        for (ts_kernel_ns, decoded_ns, datagrams) in self.stamps.drain(..) {
            self.latency.record_n(Stage::Batch, decoded_ns, handed_ns, datagrams);
            self.latency.record_n(Stage::Total, ts_kernel_ns, handed_ns, datagrams);
        }
        for send_time_ns in self.send_times.drain(..) {
            self.latency.record(Stage::Send, send_time_ns, handed_ns);
        }
        self.latency.record(Stage::Gil, 0, nanoseconds(gil));
    }
}

/// Slots, or datagrams with a send time that is asked for, after which a batch is closed, however few messages they brought.
const MOST_STAMPS: usize = 65_536;

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
