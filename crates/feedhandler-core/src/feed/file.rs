//! Batches from a capture, or from a file of bare messages.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::arbitrate::ArbiterOptions;
use crate::batch::Batch;
use crate::capture::{Capture, CaptureError, CaptureStats, FileKind, Source};
use crate::faults::{FaultError, Faulted, FaultsSpec, Injector, LineName, Truth};
use crate::feed::intake::{ChannelSpec, Intake};
use crate::feed::look::Look;
use crate::feed::pair::Paired;
use crate::filter::Filter;
use crate::framing::Delimiter;
use crate::padded::Padded;
use crate::pipeline::{Pipeline, PipelineOptions};
use crate::plan::Plan;
use crate::report::Report;

/// How a file is read.
#[derive(Clone, Debug, Default)]
pub struct FileOptions {
    /// Disorder.
    pub arbiter: ArbiterOptions,
    /// Messages after which a batch is closed.
    pub batch_messages: usize,
    /// Channels.
    pub channels: Vec<ChannelSpec>,
    /// What becomes of destinations that none of them names.
    pub rest: Rest,
}

/// What becomes of destinations that no channel names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// Those that are [found](Look) to be lines of one channel are; each of the others is a channel of its own.
    Pair,
    /// Each is a channel of its own.
    #[default]
    Each,
    /// They are left out.
    Skip,
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
    /// Streams that were found to be lines of one channel.
    pub paired: Vec<Paired>,
    /// Why none were looked for, where they should have been.
    pub not_paired: Option<String>,
    /// Facts of the capture; none for a file of bare messages.
    pub capture: Option<CaptureStats>,
}

/// Reads a file into batches.
pub struct FileFeed {
    pipeline: Pipeline,
    input: Input,
    look: Look,
    elapsed: Duration,
    is_over: bool,
}

enum Input {
    Capture(Box<CaptureInput>),
    Messages(Box<MessagesInput>),
}

struct CaptureInput {
    capture: Capture,
    intake: Intake,
    faults: Option<Box<Faults>>,
}

/// Faults in front of the pipeline, and the channel and line that each of their lines is.
struct Faults {
    injector: Injector,
    places: Vec<(usize, usize)>,
    is_over: bool,
}

struct MessagesInput {
    source: Source,
    delimiter: Delimiter,
    truncated: Option<String>,
}

impl FileFeed {
    /// Opens a file.
    ///
    /// # Errors
    /// [`CaptureError`] where it cannot be read, or is neither a capture nor a file of the protocol's messages.
    pub fn open(path: &Path, plan: &Arc<Plan>, options: &FileOptions) -> Result<Self, CaptureError> {
        let began = Instant::now();
        let look = match options.rest {
            // A file that is no capture is refused below, or has no streams.
            Rest::Pair => Look::at(path, plan, &options.channels).unwrap_or_default(),
            Rest::Each | Rest::Skip => Look::default(),
        };
        let channels = options.channels.iter().cloned().chain(look.channels()).collect();
        let feed = Self::new(Source::open(path)?, plan, &FileOptions { channels, ..*options })?;
        Ok(Self { look, elapsed: began.elapsed(), ..feed })
    }

    /// Reads from a source, which can be read once only: no lines are looked for.
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
            let intake = Intake::new(&mut pipeline, &options.channels, options.rest != Rest::Skip);
            Input::Capture(Box::new(CaptureInput { capture, intake, faults: None }))
        };
        Ok(Self { pipeline, input, look: Look::default(), elapsed: Duration::ZERO, is_over: false })
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
    /// [`CaptureError`] where the file cannot be read any more; never for damage inside it. Where reading was broken off
    /// ([`break_off`](crate::break_off)), the next call goes on.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, CaptureError> {
        let began = Instant::now();
        let filled = self.fill();
        self.elapsed += began.elapsed();
        filled?;
        Ok(self.pipeline.has_content().then(|| self.pipeline.take_batch()))
    }

    /// Reads until there is a batch, or the file is over.
    fn fill(&mut self) -> Result<(), CaptureError> {
        while !self.is_over && !self.pipeline.is_full() {
            self.is_over = !match &mut self.input {
                Input::Capture(input) => input.read(&mut self.pipeline)?,
                Input::Messages(input) => input.read(&mut self.pipeline)?,
            };
            if self.is_over {
                self.pipeline.finish();
            }
        }
        Ok(())
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
                (Some(stats.clone()), stats.truncated.clone(), input.intake.other_datagrams())
            }
            Input::Messages(input) => (None, input.truncated.clone(), 0),
        };
        FileReport {
            packets: capture.as_ref().map_or(0, |stats| stats.records),
            other_datagrams: other,
            truncated: truncated.is_some(),
            truncated_detail: truncated,
            elapsed_s: self.elapsed.as_secs_f64(),
            paired: self.look.paired.clone(),
            not_paired: self.look.not_paired.clone(),
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
            self.intake.settle(pipeline);
            return Ok(false);
        };
        self.intake.take(pipeline, datagram.destination, datagram.ts_ns, datagram.payload);
        Ok(true)
    }

    /// The same with faults in between.
    #[cold]
    fn read_faulty(&mut self, pipeline: &mut Pipeline) -> Result<bool, CaptureError> {
        let Some(faults) = &mut self.faults else { return Ok(false) };
        if let Some(Faulted { line, ts_ns, payload }) = faults.injector.take() {
            self.intake.accept(pipeline, faults.places[line], ts_ns, Padded::from(payload.as_slice()));
            return Ok(true);
        }
        if faults.is_over {
            self.intake.settle(pipeline);
            return Ok(false);
        }
        match self.capture.next_datagram()? {
            Some(datagram) => {
                if let Some(place) = self.intake.place(pipeline, datagram.destination) {
                    faults.offer(place, datagram.ts_ns, datagram.payload.bytes());
                }
            }
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

/// Bytes of messages that are decoded at a time.
const SLAB_BYTES: usize = 32 << 10;
/// Bytes that are made readable for it: a slab, one more message of the greatest length, and slack.
const WINDOW_BYTES: usize = SLAB_BYTES + (80 << 10);

impl MessagesInput {
    /// Takes a slab of messages in; false at the end.
    fn read(&mut self, pipeline: &mut Pipeline) -> Result<bool, CaptureError> {
        self.source.may_go_on()?;
        let plan = Arc::clone(pipeline.plan());
        let offset = self.source.offset_bytes();
        let window = self.source.fill(WINDOW_BYTES)?;
        let (mut end, mut fault) = (0, None);
        while end < window.len().min(SLAB_BYTES) && fault.is_none() {
            match plan.messages.next_at(&self.delimiter, window, end, window.len()) {
                Ok(next) => end = next,
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
