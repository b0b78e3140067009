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
mod report;
mod section;
mod summary;
mod words;
mod writer;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use options::CaptureOptions;
pub use report::{CaptureReport, FileReport, PreviousFile};
pub use summary::Summary;

use crate::arbitrate::ArbiterOptions;
use crate::capture::CaptureError;
use crate::capture::write::{InterfaceDescription, Names, is_closed};
use crate::feed::intake::ChannelSpec;
use crate::padded::Padded;
use crate::pipeline::Pipeline;
use crate::plan::Plan;
use crate::receive::{LineStats, Senders, Stopper};
use crate::ring::{Slot, SlotFlags, SlotHeader};
use crate::wire::LineReport;
use chunk::{CHUNK_BYTES, Chunk, Record};
use losses::Losses;
use report::Written;
use writer::{Order, Writer};

/// What a file is made with.
pub(super) struct Setup {
    options: CaptureOptions,
    plan: Arc<Plan>,
    arbiter: ArbiterOptions,
    channels: Vec<ChannelSpec>,
    /// Of each line, by position in the receiver's list.
    destinations: Vec<SocketAddr>,
    interfaces: Vec<InterfaceDescription>,
    senders: Arc<Senders>,
}

impl Setup {
    /// How the lines of `reports` are captured, which carry the channels of that order.
    pub(super) fn new(
        options: CaptureOptions,
        plan: &Arc<Plan>,
        arbiter: ArbiterOptions,
        channels: &[String],
        reports: &[LineReport],
        senders: Arc<Senders>,
    ) -> Self {
        let name = |report: &LineReport| channels.get(usize::from(report.channel)).map_or("", String::as_str);
        let lines_of = |channel| reports.iter().filter(move |report| usize::from(report.channel) == channel);
        let place = |report: &LineReport| (report.address.ip(), report.address.port());
        let specs = channels
            .iter()
            .enumerate()
            .map(|(channel, name)| ChannelSpec { name: name.clone(), lines: lines_of(channel).map(place).collect() });
        Self {
            options,
            plan: Arc::clone(plan),
            arbiter,
            channels: specs.collect(),
            destinations: reports.iter().map(|report| report.address).collect(),
            interfaces: reports.iter().map(|report| words::interface(name(report), report)).collect(),
            senders,
        }
    }
}

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

/// The way to the thread that writes, and back.
struct Queue {
    orders: Option<SyncSender<Order>>,
    emptied: Receiver<Chunk>,
    /// Chunks that have come back.
    free: Vec<Chunk>,
    chunks: usize,
    in_flight: usize,
    high_water: usize,
    thread: Option<JoinHandle<()>>,
}

/// Asks for the next file from another thread or a signal handler.
#[derive(Clone, Debug, Default)]
pub struct Rotation(Arc<AtomicBool>);

impl Rotation {
    /// Has the next packet begin another file.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
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
            if self.queue.send(Order::Rotate).is_err() {
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
        let Some(orders) = self.queue.orders.take() else { return Ok(()) };
        let mut chunk = std::mem::take(&mut self.chunk);
        (chunk.settled_ns, chunk.feed) = (u64::MAX, feed);
        let losses = self.lines.iter_mut().map(|line| std::mem::take(&mut line.losses)).collect();
        for order in [Order::Write(chunk), Order::End(losses, feed)] {
            // It fails only where the thread has ended, which is told below.
            let _ = orders.send(order);
        }
        drop(orders);
        self.queue.thread.take().map_or(Ok(()), JoinHandle::join)
    }

    /// What became of everything so far.
    pub(super) fn report(&self) -> CaptureReport {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { datagrams, handed_on, other_source, after_limit, queue_full } = self.counted;
        let bytes = |chunks: usize| (chunks * CHUNK_BYTES) as u64;
        CaptureReport {
            datagrams,
            captured: written.captured,
            other_source,
            after_limit,
            queue_full,
            disk: written.disk,
            pending: handed_on.saturating_sub(written.captured + written.disk),
            buffer_bytes: bytes(self.queue.chunks),
            buffer_high_water_bytes: bytes(self.queue.high_water),
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

impl Queue {
    fn start(writer: Writer, buffer_bytes: usize) -> io::Result<Self> {
        let (mut queue, taken, give_back) = Self::new(buffer_bytes);
        let thread = std::thread::Builder::new().name("fh-capture".into());
        queue.thread = Some(thread.spawn(move || writer.run(&taken, &give_back))?);
        Ok(queue)
    }

    /// A queue, and the writer's end of it.
    fn new(buffer_bytes: usize) -> (Self, Receiver<Order>, Sender<Chunk>) {
        let chunks = (buffer_bytes / CHUNK_BYTES).max(2);
        // One more than chunks, for an order to rotate.
        let (orders, taken) = sync_channel(chunks + 1);
        let (give_back, emptied) = channel();
        let (free, orders) = (Vec::with_capacity(chunks), Some(orders));
        (Self { orders, emptied, free, chunks, in_flight: 0, high_water: 0, thread: None }, taken, give_back)
    }

    /// Replaces a chunk by an empty one and hands it on; false where as many are on their way as may be.
    fn hand_on(&mut self, chunk: &mut Chunk) -> bool {
        if self.orders.is_none() {
            return false; // the capture has ended
        }
        let before = self.free.len();
        self.free.extend(self.emptied.try_iter());
        self.in_flight -= self.free.len() - before;
        if self.in_flight >= self.chunks {
            return false;
        }
        let full = std::mem::replace(chunk, self.free.pop().unwrap_or_default());
        match self.send(Order::Write(full)) {
            Err(Order::Write(full)) => {
                self.free.push(std::mem::replace(chunk, full));
                return false;
            }
            _ => self.in_flight += 1,
        }
        self.high_water = self.high_water.max(self.in_flight);
        true
    }

    /// Gives an order, unless there is no room for one, or nobody to take it.
    fn send(&self, order: Order) -> Result<(), Order> {
        let Some(orders) = &self.orders else { return Err(order) };
        orders.try_send(order).map_err(|refused| match refused {
            TrySendError::Full(order) | TrySendError::Disconnected(order) => order,
        })
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
