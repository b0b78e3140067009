//! Batches from a capture, or from a file of bare messages.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::arbitrate::ArbiterOptions;
use crate::batch::Batch;
use crate::capture::{Capture, CaptureError, CaptureStats, FileKind, Source};
use crate::faults::{FaultError, Faulted, FaultsSpec, Injector, LineName, Truth};
use crate::feed::stamps::StampClock;
use crate::filter::Filter;
use crate::framing::Delimiter;
use crate::padded::Padded;
use crate::pipeline::{Datagram, Pipeline, PipelineOptions};
use crate::plan::{MessagesPlan, Plan};
use crate::report::Report;

/// A channel and the destinations that are its lines.
#[derive(Clone, Debug)]
pub struct ChannelSpec {
    /// Name.
    pub name: String,
    /// Address and port that each line's datagrams are sent to.
    pub lines: Vec<(IpAddr, u16)>,
}

/// How a file is read.
#[derive(Clone, Debug, Default)]
pub struct FileOptions {
    /// Disorder.
    pub arbiter: ArbiterOptions,
    /// Messages after which a batch is closed.
    pub batch_messages: usize,
    /// Channels. Without any, each destination is a channel of its own; with some, other destinations are left out.
    pub channels: Vec<ChannelSpec>,
}

/// What a file has to tell.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// What the pipeline has to tell.
    #[serde(flatten)]
    pub pipeline: Report,
    /// Packet records in the file.
    pub packets: u64,
    /// Datagrams to destinations that are no line of a channel.
    pub other_datagrams: u64,
    /// Whether the file ends before it should.
    pub truncated: bool,
    /// What was expected there, and what was found.
    pub truncated_detail: Option<String>,
    /// Time spent reading, seconds.
    pub elapsed_s: f64,
    /// Facts of the capture; none for a file of bare messages.
    pub capture: Option<CaptureStats>,
}

/// Destinations that are told apart; datagrams to further ones are counted only.
const MOST_DESTINATIONS: usize = 4096;

/// Reads a file into batches.
pub struct FileFeed {
    pipeline: Pipeline,
    input: Input,
    elapsed: Duration,
    is_over: bool,
}

enum Input {
    Capture(Box<CaptureInput>),
    Messages(Box<MessagesInput>),
}

struct CaptureInput {
    capture: Capture,
    routes: Routes,
    other_datagrams: u64,
    clock: StampClock,
    doubtful: Option<Doubtful>,
    faults: Option<Box<Faults>>,
}

/// Faults in front of the pipeline, and the channel and line that each of their lines is.
struct Faults {
    injector: Injector,
    places: Vec<(usize, usize)>,
    is_over: bool,
}

/// A datagram whose stamp leaps: it waits for the one behind it, which says whether the stamp can be believed.
struct Doubtful {
    channel: usize,
    line: usize,
    ts_ns: u64,
    payload: Vec<u8>,
}

struct MessagesInput {
    source: Source,
    delimiter: Delimiter,
    truncated: Option<String>,
}

/// Which destination is which line.
struct Routes {
    known: HashMap<(IpAddr, u16), Option<(usize, usize)>>,
    /// Most datagrams go where the one before went.
    last: Option<((IpAddr, u16), (usize, usize))>,
    is_open: bool,
}

impl FileFeed {
    /// Opens a file.
    ///
    /// # Errors
    /// [`CaptureError`] where it cannot be read, or is neither a capture nor a file of the protocol's messages.
    pub fn open(path: &Path, plan: &Arc<Plan>, options: &FileOptions) -> Result<Self, CaptureError> {
        Self::new(Source::open(path)?, plan, options)
    }

    /// Reads from a source.
    ///
    /// # Errors
    /// As [`FileFeed::open`].
    pub fn new(mut source: Source, plan: &Arc<Plan>, options: &FileOptions) -> Result<Self, CaptureError> {
        let pipeline_options = PipelineOptions { arbiter: options.arbiter, batch_messages: options.batch_messages };
        let mut pipeline = Pipeline::new(Arc::clone(plan), pipeline_options);
        let input = if let (FileKind::Other, Some(delimiter)) = (source.kind()?, plan.file) {
            pipeline.add_channel("file", ["file".to_owned()]);
            Input::Messages(Box::new(MessagesInput { source, delimiter, truncated: None }))
        } else {
            let capture = Capture::new(source)?;
            let routes = Routes::new(&mut pipeline, &options.channels);
            let clock = StampClock::default();
            Input::Capture(Box::new(CaptureInput {
                capture,
                routes,
                other_datagrams: 0,
                clock,
                doubtful: None,
                faults: None,
            }))
        };
        Ok(Self { pipeline, input, elapsed: Duration::ZERO, is_over: false })
    }

    /// From now on only messages about instruments that `filter` wants become rows, and those that are about none.
    pub fn filter_by(&mut self, filter: Filter) {
        self.pipeline.filter_by(filter);
    }

    /// From now on datagrams meet faults before anything else does, in the capture's time; what was done goes to `truth`.
    /// The lines are those of `channels`, in their order.
    ///
    /// # Errors
    /// See [`FaultError`]; also where the file is no capture.
    pub fn inject(&mut self, faults: FaultsSpec, channels: &[ChannelSpec], truth: Truth) -> Result<(), FaultError> {
        let Input::Capture(input) = &mut self.input else { return Err(FaultError::NoLines) };
        if channels.is_empty() {
            return Err(FaultError::NoLines);
        }
        let (mut names, mut places) = (Vec::new(), Vec::new());
        for (channel, spec) in channels.iter().enumerate() {
            for (line, (address, port)) in spec.lines.iter().enumerate() {
                names.push(LineName::new(names.len(), vec![SocketAddr::new(*address, *port).to_string()]));
                places.push((channel, line));
            }
        }
        let injector = Injector::new(faults, names, truth)?;
        input.faults = Some(Box::new(Faults { injector, places, is_over: false }));
        Ok(())
    }

    /// The next batch; none at the end.
    ///
    /// # Errors
    /// [`CaptureError`] where the file cannot be read any more; never for damage inside it.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, CaptureError> {
        let began = Instant::now();
        while !self.is_over && !self.pipeline.is_full() {
            self.is_over = !match &mut self.input {
                Input::Capture(input) => input.read(&mut self.pipeline)?,
                Input::Messages(input) => input.read(&mut self.pipeline)?,
            };
            if self.is_over {
                self.pipeline.finish();
            }
        }
        let batch = self.pipeline.has_content().then(|| self.pipeline.take_batch());
        self.elapsed += began.elapsed();
        Ok(batch)
    }

    /// Ends the truth of what faults did; to be called behind the last batch, or where no more are wanted.
    ///
    /// # Errors
    /// It could not be written.
    pub fn close_truth(&mut self) -> Result<(), FaultError> {
        let Input::Capture(input) = &mut self.input else { return Ok(()) };
        input.faults.as_mut().map_or(Ok(()), |faults| faults.injector.close(None))
    }

    /// Bytes of the file read, and its length.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        match &self.input {
            Input::Capture(input) => (input.capture.position_bytes(), input.capture.total_bytes()),
            Input::Messages(input) => (input.source.position_bytes(), input.source.total_bytes()),
        }
    }

    /// What was read so far.
    #[must_use]
    pub fn report(&self) -> FileReport {
        let pipeline = Report::new(&self.pipeline);
        let (capture, truncated, other) = match &self.input {
            Input::Capture(input) => {
                let stats = input.capture.stats();
                (Some(stats.clone()), stats.truncated.clone(), input.other_datagrams)
            }
            Input::Messages(input) => (None, input.truncated.clone(), 0),
        };
        FileReport {
            packets: capture.as_ref().map_or(0, |stats| stats.records),
            other_datagrams: other,
            truncated: truncated.is_some(),
            truncated_detail: truncated,
            elapsed_s: self.elapsed.as_secs_f64(),
            capture,
            pipeline,
        }
    }
}

impl CaptureInput {
    /// Takes one datagram in; false at the end.
    #[inline]
    fn read(&mut self, pipeline: &mut Pipeline) -> Result<bool, CaptureError> {
        if self.faults.is_some() {
            return self.read_faulty(pipeline);
        }
        let Some(datagram) = self.capture.next_datagram()? else {
            settle(&mut self.doubtful, None, &mut self.clock, pipeline);
            return Ok(false);
        };
        let Some((channel, line)) = self.routes.find(datagram.destination, pipeline) else {
            self.other_datagrams += 1;
            return Ok(true);
        };
        let from = Stamped { channel, line, ts_ns: datagram.ts_ns };
        accept(from, datagram.payload, &mut self.doubtful, &mut self.clock, pipeline);
        Ok(true)
    }

    /// The same with faults in between.
    #[cold]
    fn read_faulty(&mut self, pipeline: &mut Pipeline) -> Result<bool, CaptureError> {
        let Some(faults) = &mut self.faults else { return Ok(false) };
        if let Some(Faulted { line, ts_ns, payload }) = faults.injector.take() {
            let (channel, line) = faults.places[line];
            let from = Stamped { channel, line, ts_ns };
            accept(from, Padded::from(payload.as_slice()), &mut self.doubtful, &mut self.clock, pipeline);
            return Ok(true);
        }
        if faults.is_over {
            settle(&mut self.doubtful, None, &mut self.clock, pipeline);
            return Ok(false);
        }
        match self.capture.next_datagram()? {
            Some(datagram) => match self.routes.find(datagram.destination, pipeline) {
                Some(place) => faults.offer(place, datagram.ts_ns, datagram.payload.bytes()),
                None => self.other_datagrams += 1,
            },
            None => faults.finish(),
        }
        Ok(true)
    }
}

impl Faults {
    fn offer(&mut self, place: (usize, usize), ts_ns: u64, payload: &[u8]) {
        if let Some(line) = self.places.iter().position(|known| *known == place) {
            self.injector.offer(line, ts_ns, payload);
        }
    }

    fn finish(&mut self) {
        self.injector.finish();
        self.is_over = true;
    }
}

/// Where a datagram belongs, and its stamp.
#[derive(Clone, Copy)]
struct Stamped {
    channel: usize,
    line: usize,
    ts_ns: u64,
}

/// Takes a datagram in, or lets it wait where nobody knows yet what its stamp is worth.
#[inline]
fn accept(
    from: Stamped,
    payload: Padded<'_>,
    doubtful: &mut Option<Doubtful>,
    clock: &mut StampClock,
    pipeline: &mut Pipeline,
) {
    let Stamped { channel, line, ts_ns } = from;
    settle(doubtful, Some(ts_ns), clock, pipeline);
    if clock.leaps(ts_ns) {
        *doubtful = Some(Doubtful { channel, line, ts_ns, payload: payload.bytes().to_vec() });
        return;
    }
    let now_ns = clock.follow(ts_ns);
    take_in(pipeline, channel, line, ts_ns, now_ns, payload);
}

/// Takes in what waited, given the stamp of what is behind it.
#[inline]
fn settle(doubtful: &mut Option<Doubtful>, next_ns: Option<u64>, clock: &mut StampClock, pipeline: &mut Pipeline) {
    if let Some(doubtful) = doubtful.take() {
        doubtful.settle(next_ns, clock, pipeline);
    }
}

impl Doubtful {
    #[cold]
    fn settle(self, next_ns: Option<u64>, clock: &mut StampClock, pipeline: &mut Pipeline) {
        let now_ns = clock.leap(self.ts_ns, next_ns);
        take_in(pipeline, self.channel, self.line, self.ts_ns, now_ns, Padded::from(self.payload.as_slice()));
    }
}

#[inline]
fn take_in(pipeline: &mut Pipeline, channel: usize, line: usize, ts_recv_ns: u64, now_ns: u64, payload: Padded<'_>) {
    pipeline.advance(now_ns);
    pipeline.on_datagram_at(&Datagram { channel, line, ts_recv_ns, is_cut_off: false, payload }, now_ns);
}

impl Routes {
    fn new(pipeline: &mut Pipeline, channels: &[ChannelSpec]) -> Self {
        let mut known = HashMap::new();
        for spec in channels {
            let names = spec.lines.iter().map(|(address, port)| SocketAddr::new(*address, *port).to_string());
            let channel = pipeline.add_channel(&spec.name, names);
            known.extend(spec.lines.iter().enumerate().map(|(line, place)| (*place, Some((channel, line)))));
        }
        Self { known, last: None, is_open: channels.is_empty() }
    }

    #[inline]
    fn find(&mut self, destination: SocketAddr, pipeline: &mut Pipeline) -> Option<(usize, usize)> {
        let place = (destination.ip(), destination.port());
        match self.last {
            Some((last, route)) if last == place => Some(route),
            _ => self.look_up(place, pipeline),
        }
    }

    fn look_up(&mut self, place: (IpAddr, u16), pipeline: &mut Pipeline) -> Option<(usize, usize)> {
        if !self.known.contains_key(&place) && self.known.len() < MOST_DESTINATIONS {
            let name = SocketAddr::new(place.0, place.1).to_string();
            let route = self.is_open.then(|| (pipeline.add_channel(name.clone(), [name]), 0));
            self.known.insert(place, route);
        }
        let route = self.known.get(&place).copied().flatten()?;
        self.last = Some((place, route));
        Some(route)
    }
}

/// Bytes of messages that are decoded at a time.
const SLAB_BYTES: usize = 32 << 10;
/// Bytes that are made readable for it: a slab, one more message of the greatest length, and slack.
const WINDOW_BYTES: usize = SLAB_BYTES + (80 << 10);

impl MessagesInput {
    /// Takes a slab of messages in; false at the end.
    fn read(&mut self, pipeline: &mut Pipeline) -> Result<bool, CaptureError> {
        let plan = Arc::clone(pipeline.plan());
        let MessagesPlan::Binary(messages) = &plan.messages else { return Ok(false) };
        let offset = self.source.offset_bytes();
        let window = self.source.fill(WINDOW_BYTES)?;
        let (mut end, mut fault) = (0, None);
        while end < window.len().min(SLAB_BYTES) && fault.is_none() {
            match self.delimiter.next(window, end, window.len(), messages) {
                Ok(block) => end = block.next,
                Err(reason) => fault = Some(reason),
            }
        }
        if end > 0 {
            pipeline.on_messages(0, &self.delimiter, Padded::new(window, end));
        }
        let is_last = fault.is_some() || window.len() == end;
        if fault.is_some() {
            let left = window.len() - end;
            self.truncated = Some(truncation(offset + end as u64, left, &window[end..]));
        }
        self.source.consume(end);
        if let (None, Some(failure)) = (&self.truncated, self.source.failure())
            && is_last
        {
            self.truncated = Some(failure.to_owned());
        }
        Ok(!is_last)
    }
}

/// What is told of a file that ends within a message, or goes on with something that is none.
fn truncation(offset: u64, left: usize, rest: &[u8]) -> String {
    let head = rest.get(..8).unwrap_or(rest).escape_ascii();
    format!(
        "expected a whole message at byte {offset}, found \"{head}\" and {left} bytes to the end of the file at most"
    )
}
