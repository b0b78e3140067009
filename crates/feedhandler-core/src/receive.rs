//! The receive thread and its handle: sockets are emptied into the ring without the GIL, an allocation or a log line.
//!
//! Between `wire` and the pipeline. A [`Receiver`] owns the lines' sockets, the thread that looks at them in turn, and the
//! consumer's end of the [`ring`](crate::ring), which the pipeline drives.

mod counters;
mod line;
mod pause;
mod thread;
mod wake;

use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

pub use counters::LineStats;

use crate::cache_padded::CachePadded;
use crate::event_fd::EventFd;
use crate::ring::{Arena, Consumer, LayoutError, SlotLayout, ring};
use crate::wait::Wait;
use crate::wire::{LineReport, LineSocket, LineSpec, MAX_BATCH, Warning, WireError};
use counters::LineCounters;
use thread::ReceiveThread;

/// How to receive.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiveOptions {
    /// What the receive thread does while all sockets are empty.
    pub wait: Wait,
    /// Datagrams to take with one system call, at most.
    pub batch: usize,
    /// Longest datagram that is received whole.
    pub slot_bytes: usize,
    /// Slots of the ring, a power of two.
    pub slots: usize,
    /// What to do while the ring is full.
    pub full: FullPolicy,
    /// Processor that the receive thread is to run on; without it, any.
    pub cpu: Option<usize>,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self { wait: Wait::Block, batch: 64, slot_bytes: 2048, slots: 8192, full: FullPolicy::LeaveInSocket, cpu: None }
    }
}

impl ReceiveOptions {
    /// The slots of the ring; its arena needs [`SlotLayout::arena_bytes`].
    ///
    /// # Errors
    /// See [`SlotLayout::new`].
    pub fn layout(&self) -> Result<SlotLayout, LayoutError> {
        SlotLayout::new(self.slots, self.slot_bytes)
    }
}

/// What the receive thread does while the ring is full.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FullPolicy {
    /// Takes nothing: datagrams wait in the receive buffer, and the kernel drops those that find it full.
    LeaveInSocket,
    /// Takes datagrams, counts them and throws them away: those in the ring are the oldest.
    DropNewest,
}

/// The lines of a feed, being received.
#[derive(Debug)]
pub struct Receiver {
    consumer: Consumer,
    shared: Arc<Shared>,
    reports: Vec<LineReport>,
    thread_warning: Option<Warning>,
    state: State,
}

#[derive(Debug)]
enum State {
    Running { sockets: Arc<[LineSocket]>, thread: JoinHandle<()> },
    Stopped { stats: Vec<LineStats> },
}

/// What the receive thread and everybody else see.
#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    stop_event: EventFd,
    polled_ns: CachePadded<AtomicU64>,
    counters: Vec<CachePadded<LineCounters>>,
}

impl Receiver {
    /// Opens the lines and starts to receive them into slots of `arena`. [`SlotHeader::line`](crate::ring::SlotHeader::line)
    /// is a line's position in `lines`.
    ///
    /// # Errors
    /// An option is impossible, a line cannot be opened, or the system has no thread or descriptor left.
    pub fn start(lines: &[LineSpec], options: &ReceiveOptions, arena: Arena) -> Result<Self, WireError> {
        check(lines, options)?;
        let layout = options.layout().map_err(|error| impossible(error.setting, &error.expected, error.found))?;
        let sockets: Arc<[LineSocket]> = lines.iter().map(LineSocket::open).collect::<Result<_, _>>()?;
        let reports = sockets.iter().map(|socket| socket.report().clone()).collect();
        let (producer, consumer) = ring(arena, layout).map_err(|error| no_system("make the ring", &error))?;
        let shared = Arc::new(Shared::new(lines.len()).map_err(|error| no_system("make the stop event", &error))?);
        let thread = {
            let (sockets, shared, options) = (Arc::clone(&sockets), Arc::clone(&shared), *options);
            std::thread::Builder::new()
                .name("fh-receive".into())
                .spawn(move || ReceiveThread::new(sockets, shared, producer, &options).run())
                .map_err(|error| no_system("start the receive thread", &error))?
        };
        let thread_warning = options.cpu.and_then(|cpu| pin(&thread, cpu));
        Ok(Self { consumer, shared, reports, thread_warning, state: State::Running { sockets, thread } })
    }

    /// The end of the ring that datagrams come out of.
    pub fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// The watermark: every datagram that the kernel had queued on a line's socket before this instant
    /// (`CLOCK_REALTIME`) is in the ring, or counted in `ring_drops`. 0 before all lines have been looked at.
    ///
    /// It is the oldest of the lines' instants. A line's is the clock reading before the look that found its socket empty;
    /// while a line is never found empty, the stamp of the last datagram taken from it, if older than the look, because a
    /// socket is first in, first out. It stands still while the ring is full and datagrams are left in the sockets, and may step back with the
    /// system's clock. While all lines are quiet it advances at least every millisecond, or as often as
    /// [`Wait::Sleep`] says.
    ///
    /// Ordering: the thread publishes slots first and stores the watermark with Release; this loads it with Acquire. So
    /// *read the watermark first, then look at the ring*: once the ring is empty, everything from before the watermark has
    /// been seen. The other way round, a datagram may come in between.
    ///
    /// The kernel stamps a datagram before it queues it. The time between (as a rule microseconds, more while the
    /// processor that serves the network card is overloaded) is not covered: a grace time has to be longer.
    #[must_use]
    pub fn polled_ns(&self) -> u64 {
        self.shared.polled_ns.load(Ordering::Acquire)
    }

    /// What became of the lines' settings.
    #[must_use]
    pub fn reports(&self) -> &[LineReport] {
        &self.reports
    }

    /// Everything that was not granted in full.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        self.reports.iter().flat_map(|report| &report.warnings).chain(&self.thread_warning)
    }

    /// What each line has counted; after the stop, the last word.
    #[must_use]
    pub fn stats(&self) -> Vec<LineStats> {
        match &self.state {
            State::Running { sockets, .. } => self.count(sockets),
            State::Stopped { stats } => stats.clone(),
        }
    }

    /// Something that stops the thread from elsewhere, while the receiver is in use.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.shared))
    }

    /// Stops the thread, reads the kernel's drop counters for the last time and closes the sockets. What is in the ring
    /// stays there; it holds all that was queued before the stop, unless it was full.
    ///
    /// # Panics
    /// The receive thread has panicked.
    pub fn stop(&mut self) {
        if let Err(panic) = self.join() {
            std::panic::resume_unwind(panic);
        }
    }

    fn join(&mut self) -> std::thread::Result<()> {
        let stopped = State::Stopped { stats: Vec::new() };
        match std::mem::replace(&mut self.state, stopped) {
            State::Running { sockets, thread } => {
                self.shared.request_stop();
                let ended = thread.join();
                self.state = State::Stopped { stats: self.count(&sockets) };
                ended
            }
            stopped @ State::Stopped { .. } => {
                self.state = stopped;
                Ok(())
            }
        }
    }

    fn count(&self, sockets: &[LineSocket]) -> Vec<LineStats> {
        self.shared.counters.iter().zip(sockets).map(|(counters, socket)| counters.read(socket)).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // A panic of the thread has been told on standard error; a second one here would end the process.
        let _ = self.join();
    }
}

/// Stops a receiver from another thread or a signal handler. The consumer is woken, and told that the ring is closed once
/// it has taken what is left.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Shared>);

impl Stopper {
    /// Asks the receive thread to stop, and does not wait for it.
    pub fn request_stop(&self) {
        self.0.request_stop();
    }
}

impl Shared {
    fn new(lines: usize) -> io::Result<Self> {
        Ok(Self {
            stop: AtomicBool::new(false),
            stop_event: EventFd::new()?,
            polled_ns: CachePadded::default(),
            counters: (0..lines).map(|_| CachePadded::default()).collect(),
        })
    }

    fn request_stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.stop_event.signal();
    }

    fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

fn check(lines: &[LineSpec], options: &ReceiveOptions) -> Result<(), WireError> {
    if lines.is_empty() || lines.len() > usize::from(u16::MAX) {
        return Err(impossible("lines", "1 to 65535 lines", lines.len()));
    }
    if !(1..=MAX_BATCH).contains(&options.batch) {
        return Err(impossible("batch", &format!("1 to {MAX_BATCH}"), options.batch));
    }
    Ok(())
}

fn impossible(setting: &str, expected: &str, found: usize) -> WireError {
    WireError {
        subject: "receive options".into(),
        doing: format!("use {setting}"),
        expected: expected.into(),
        found: found.to_string(),
        remedy: format!("change {setting}"),
    }
}

fn no_system(doing: &str, error: &io::Error) -> WireError {
    WireError {
        subject: "receiver".into(),
        doing: doing.into(),
        expected: "memory, a descriptor or a thread".into(),
        found: error.to_string(),
        remedy: "see `ulimit -a`".into(),
    }
}

/// Binds a thread to a processor, or tells why not.
fn pin(thread: &JoinHandle<()>, cpu: usize) -> Option<Warning> {
    let error = if cpu < libc::CPU_SETSIZE as usize { set_affinity(thread, cpu).err()? } else { no_such_processor() };
    Some(Warning {
        subject: "receive thread".into(),
        setting: "sched_setaffinity",
        asked: format!("processor {cpu}"),
        granted: "any processor that the process may use".into(),
        why: error.to_string(),
        command: Some(format!("taskset -cp {cpu} {}", std::process::id())),
    })
}

fn set_affinity(thread: &JoinHandle<()>, cpu: usize) -> io::Result<()> {
    // SAFETY: zeros are an empty set, and the processor is below the size of a set.
    let only = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    };
    // SAFETY: the thread has not been joined, and the set has the size that is told.
    match unsafe { libc::pthread_setaffinity_np(thread.as_pthread_t(), size_of_val(&only), &raw const only) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn no_such_processor() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}
