//! Live lines, captured: what comes out of the ring goes into a file as well, without anybody waiting for the disk.
//!
//! Whoever reads the ring copies each datagram into a chunk ([`Tap`]); full or old chunks go through a queue that has a
//! bound to a thread of their own ([`writer`]), which puts datagrams in the order of their times ([`held`]), writes them
//! into files ([`section`]), and drives a pipeline of its own with what it has written ([`proof`]), so that each file's
//! trailer says what whoever reads that file will find. What finds the queue full, or what the disk refuses, is counted.

mod chunk;
mod held;
mod losses;
mod options;
mod proof;
mod queue;
mod report;
mod section;
mod setup;
mod summary;
mod words;
mod writer;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use options::CaptureOptions;
pub use queue::Rotation;
pub use report::{CaptureReport, FileReport, PreviousFile};
pub(super) use setup::Setup;
pub use summary::Summary;

use crate::capture::CaptureError;
use crate::capture::write::{Names, is_closed};
use crate::padded::Padded;
use crate::pipeline::Pipeline;
use crate::receive::{LineStats, Stopper};
use crate::ring::{Slot, SlotFlags, SlotHeader};
use chunk::{Chunk, Record};
use losses::Losses;
use queue::Queue;
use report::Written;
use writer::Writer;

/// Copies what comes out of the ring, and hands it on.
pub(super) struct Tap {
    chunk: Chunk,
    /// When the first datagram of the chunk came.
    began: Option<Instant>,
    /// Latest stamp that was handed on: it may be held back until something later is settled.
    newest_ns: u64,
    settled_ns: u64,
    /// Of each line, by position in the receiver's list.
    lines: Vec<TapLine>,
    counted: Counted,
    flush: Duration,
    max_packets: u64,
    stopper: Stopper,
    rotation: Rotation,
    queue: Queue,
    previous: Option<PreviousFile>,
    written: Arc<Mutex<Written>>,
}

/// What is known of a line's losses.
#[derive(Clone, Copy, Default)]
struct TapLine {
    /// The counters of drops, as the last datagram told them.
    drops: (u64, u64),
    /// What was lost since the last datagram that was handed on.
    losses: Losses,
}

/// Fates of the datagrams that were not handed on, and how many there were in all.
#[derive(Clone, Copy, Default)]
struct Counted {
    datagrams: u64,
    handed_on: u64,
    other_source: u64,
    after_limit: u64,
    queue_full: u64,
}

impl Tap {
    /// Begins the first file and starts the thread that writes.
    ///
    /// # Errors
    /// The file cannot be made, or the system has no thread left.
    pub(super) fn start(setup: Setup, stopper: Stopper) -> Result<Self, CaptureError> {
        let path = setup.options.path.clone();
        Self::begin(setup, stopper).map_err(|error| CaptureError::not_writable(&path, error))
    }

    fn begin(setup: Setup, stopper: Stopper) -> io::Result<Self> {
        let options = setup.options.clone();
        let names = Names::new(&options.path, options.rotate_bytes.is_some() || options.rotate_ns.is_some())?;
        let previous = names.previous().map(|path| PreviousFile { is_closed: is_closed(&path).unwrap_or(false), path });
        let written = Arc::<Mutex<Written>>::default();
        let lines = setup.destinations.len();
        let queue = Queue::start(Writer::begin(setup, names, Arc::clone(&written))?, options.buffer_bytes)?;
        let mut tap = Self::new(&options, lines, stopper, queue);
        (tap.previous, tap.written) = (previous, written);
        Ok(tap)
    }

    fn new(options: &CaptureOptions, lines: usize, stopper: Stopper, queue: Queue) -> Self {
        Self {
            chunk: Chunk::default(),
            began: None,
            newest_ns: 0,
            settled_ns: 0,
            lines: vec![TapLine::default(); lines],
            counted: Counted::default(),
            flush: Duration::from_nanos(options.flush_ns),
            max_packets: options.max_packets.unwrap_or(u64::MAX),
            stopper,
            rotation: Rotation::default(),
            queue,
            previous: None,
            written: Arc::default(),
        }
    }

    /// Asks for the next file from elsewhere.
    pub(super) fn rotation(&self) -> Rotation {
        self.rotation.clone()
    }

    /// Takes the datagrams of a slot, before the pipeline does.
    #[inline]
    pub(super) fn take(&mut self, slot: &Slot<'_>, pipeline: &Pipeline) {
        let header = slot.header;
        let count = slot.count() as u64;
        self.counted.datagrams += count;
        let line = &mut self.lines[usize::from(header.line)];
        line.note_drops(header.socket_drops, header.ring_drops);
        if header.flags.contains(SlotFlags::OTHER_SOURCE) {
            line.losses.other_source += count;
            self.counted.other_source += count;
            return;
        }
        for payload in slot.datagrams() {
            self.push(header, payload, pipeline);
        }
    }

    #[inline]
    fn push(&mut self, header: &SlotHeader, payload: Padded<'_>, pipeline: &Pipeline) {
        if self.counted.handed_on >= self.max_packets {
            self.counted.after_limit += 1;
            return;
        }
        let line = usize::from(header.line);
        if !self.chunk.has_room(payload.len()) && !self.hand_on(pipeline) {
            self.counted.queue_full += 1;
            self.lines[line].losses.queue += 1;
            return;
        }
        self.chunk.push(record(header, payload, std::mem::take(&mut self.lines[line].losses)), payload.bytes());
        self.newest_ns = self.newest_ns.max(header.ts_kernel_ns);
        self.counted.handed_on += 1;
        if self.counted.handed_on == self.max_packets {
            self.stopper.request_stop();
        }
    }

    /// Every line has been looked at up to then, and everything from before has been taken.
    pub(super) fn settled(&mut self, settled_ns: u64) {
        self.settled_ns = settled_ns;
    }

    /// Hands on what has waited long enough, and asks for the next file where that was asked for.
    pub(super) fn tick(&mut self, pipeline: &Pipeline) {
        if self.rotation.take() {
            self.hand_on(pipeline);
            if !self.queue.rotate() {
                self.rotation.request();
            }
        }
        let holds = !self.chunk.records.is_empty() || self.newest_ns > 0;
        if holds && self.began.get_or_insert_with(Instant::now).elapsed() >= self.flush {
            self.hand_on(pipeline);
        }
    }

    /// Hands the chunk on; false where the queue is full.
    fn hand_on(&mut self, pipeline: &Pipeline) -> bool {
        if !self.queue.has_room() {
            return false;
        }
        (self.chunk.settled_ns, self.chunk.feed) = (self.settled_ns, Summary::of(pipeline));
        if !self.queue.hand_on(&mut self.chunk) {
            return false;
        }
        // What is not settled may be held back until another chunk comes.
        if self.newest_ns <= self.settled_ns {
            self.newest_ns = 0;
        }
        self.began = None;
        true
    }

    /// Reception is over: writes everything and ends the file. `stats` are the lines' last counters.
    ///
    /// # Panics
    /// The thread that writes has panicked.
    pub(super) fn end(&mut self, stats: &[LineStats], pipeline: &Pipeline) {
        for (line, stats) in self.lines.iter_mut().zip(stats) {
            line.note_drops(stats.socket_drops, stats.ring_drops);
        }
        if let Err(panic) = self.join(Summary::of(pipeline)) {
            std::panic::resume_unwind(panic);
        }
    }

    /// Nobody but the disk is waited for here: reception is over.
    fn join(&mut self, feed: Summary) -> std::thread::Result<()> {
        let mut chunk = std::mem::take(&mut self.chunk);
        (chunk.settled_ns, chunk.feed) = (u64::MAX, feed);
        let losses = self.lines.iter_mut().map(|line| std::mem::take(&mut line.losses)).collect();
        self.queue.end(chunk, losses, feed)
    }

    /// What became of everything so far.
    pub(super) fn report(&self) -> CaptureReport {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { datagrams, handed_on, other_source, after_limit, queue_full } = self.counted;
        let (buffer_bytes, buffer_high_water_bytes) = self.queue.bytes();
        CaptureReport {
            datagrams,
            captured: written.captured,
            other_source,
            after_limit,
            queue_full,
            disk: written.disk,
            pending: handed_on.saturating_sub(written.captured + written.disk),
            buffer_bytes,
            buffer_high_water_bytes,
            disk_error: written.disk_error.clone(),
            index_error: written.index_error.clone(),
            previous: self.previous.clone(),
            files: written.files.clone(),
            files_omitted: written.files_omitted,
        }
    }
}

/// A feed that is dropped in its midst leaves a file that is closed all the same.
impl Drop for Tap {
    fn drop(&mut self) {
        let feed = self.chunk.feed;
        // A panic of the thread has been told on standard error; a second one here would end the process.
        let _ = self.join(feed);
    }
}

impl TapLine {
    fn note_drops(&mut self, socket: u64, ring: u64) {
        let (socket_known, ring_known) = self.drops;
        self.losses.socket += socket.saturating_sub(socket_known);
        self.losses.ring += ring.saturating_sub(ring_known);
        self.drops = (socket.max(socket_known), ring.max(ring_known));
    }
}

fn record(header: &SlotHeader, payload: Padded<'_>, losses: Losses) -> Record {
    // Datagrams of a run that the kernel coalesced are never cut off.
    let is_cut_off = header.flags.contains(SlotFlags::TRUNCATED);
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    Record {
        ts_ns: header.ts_kernel_ns,
        line: header.line,
        sender: header.sender,
        sent_bytes: if is_cut_off { header.sent_bytes } else { len },
        len,
        losses,
    }
}

/// Whether a capture that this program wrote ends with its trailer.
///
/// # Errors
/// [`CaptureError`] where the file cannot be read.
pub fn capture_is_closed(path: &Path) -> Result<bool, CaptureError> {
    is_closed(path).map_err(|error| CaptureError::io(path, error))
}

#[cfg(test)]
mod tests;
