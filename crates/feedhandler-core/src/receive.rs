//! Reception and its handle: sockets are emptied into the ring without the GIL, an allocation or a log line.
//!
//! Between `wire` and the pipeline. A [`Receiver`] owns the lines' sockets, what looks at them in turn (a thread of its own,
//! or whoever waits), and the consumer's end of the [`ring`](crate::ring), which the pipeline drives.

mod counters;
mod inline;
mod line;
mod lines;
mod options;
mod pause;
mod pin;
mod senders;
mod thread;
mod wake;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub use counters::LineStats;
pub use options::{FullPolicy, Mode, ReceiveOptions};
pub use senders::Senders;
pub(crate) use thread::prepare_thread;

use crate::cache_padded::CachePadded;
use crate::event_fd::EventFd;
use crate::forks::forks;
use crate::ring::{Arena, Consumer, Pages, ring};
use crate::wait::{Wait, WaitOutcome};
use crate::wire::{LineReport, LineSocket, LineSpec, Warning, WireError};
use counters::LineCounters;
use inline::Inline;
use lines::Lines;
use thread::ReceiveThread;

/// The lines of a feed, being received.
#[derive(Debug)]
pub struct Receiver {
    consumer: Consumer,
    shared: Arc<Shared>,
    reports: Vec<LineReport>,
    /// Warnings that are no line's.
    warnings: Vec<Warning>,
    pages: Pages,
    state: State,
}

#[derive(Debug)]
enum State {
    Running { sockets: Arc<[LineSocket]>, engine: Engine },
    Stopped { stats: Vec<LineStats> },
}

/// Who looks at the sockets.
#[derive(Debug)]
enum Engine {
    Thread(JoinHandle<()>),
    Inline(Box<Inline>),
}

/// What the receive thread and everybody else see.
#[derive(Debug)]
struct Shared {
    /// The process whose receive thread this is. After a fork, what the kernel counts and signals is still shared with it.
    process: u32,
    forks: u32,
    stop: AtomicBool,
    stop_event: EventFd,
    polled_ns: CachePadded<AtomicU64>,
    counters: Vec<CachePadded<LineCounters>>,
    senders: Arc<Senders>,
}

impl Receiver {
    /// Opens the lines and starts to receive them into slots of `arena`. [`SlotHeader::line`](crate::ring::SlotHeader::line)
    /// is a line's position in `lines`.
    ///
    /// # Errors
    /// An option is impossible, a line cannot be opened, or the system has no thread or descriptor left.
    pub fn start(lines: &[LineSpec], options: &ReceiveOptions, arena: Arena) -> Result<Self, WireError> {
        let layout = options.checked(lines)?;
        let open = |line| LineSocket::open(line, options.backend);
        let sockets: Arc<[LineSocket]> = lines.iter().map(open).collect::<Result<_, _>>()?;
        let reports = sockets.iter().map(|socket| socket.report().clone()).collect();
        let (producer, consumer) = ring(arena, layout).map_err(|error| no_system("make the ring", &error))?;
        let shared = Arc::new(Shared::new(lines.len()).map_err(|error| no_system("make the stop event", &error))?);
        let lines = Lines::new(Arc::clone(&sockets), Arc::clone(&shared), producer, options);
        let engine = engine(lines, &shared, &sockets, options)?;
        let pages = consumer.pages();
        let warnings = options.cpu.and_then(|cpu| pin::pin(&engine, cpu)).into_iter();
        let warnings = warnings.chain(pages.warning(options.huge_pages, layout)).collect();
        Ok(Self { consumer, shared, reports, warnings, pages, state: State::Running { sockets, engine } })
    }

    /// The end of the ring that datagrams come out of.
    pub fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    /// Looks at the sockets, where that is the reader's part and the last look did not find them all empty; says whether
    /// there may be more in them.
    pub fn look(&mut self) -> bool {
        self.inline().is_some_and(|(inline, _)| inline.look())
    }

    /// Waits until there is a datagram in the ring, reception has ended and the ring is empty, or the time is up.
    ///
    /// Only [`Wait::Block`] notices a signal; the others notice one when the time is up.
    pub fn wait(&mut self, wait: Wait, timeout: Duration) -> WaitOutcome {
        match self.inline() {
            Some((inline, consumer)) => inline.wait(consumer, wait, timeout),
            None => self.consumer.wait(wait, timeout),
        }
    }

    /// Announces a sleep on [`Receiver::as_fd`], see [`Consumer::arm`].
    pub fn arm(&mut self) -> Option<WaitOutcome> {
        match self.inline() {
            Some((inline, consumer)) => inline.arm(consumer),
            None => self.consumer.arm(),
        }
    }

    /// Tells that the sleep is over, see [`Consumer::disarm`].
    pub fn disarm(&mut self) {
        self.consumer.disarm();
    }

    fn inline(&mut self) -> Option<(&mut Inline, &mut Consumer)> {
        match &mut self.state {
            State::Running { engine: Engine::Inline(inline), .. } => Some((inline, &mut self.consumer)),
            _ => None,
        }
    }

    /// What the ring's memory is made of.
    #[must_use]
    pub fn pages(&self) -> Pages {
        self.pages
    }

    /// The watermark: every datagram that the kernel had queued on a line's socket before this instant
    /// (`CLOCK_REALTIME`) is in the ring, or counted in `ring_drops`. 0 before all lines have been looked at.
    ///
    /// It is the oldest of the lines' instants. A line's is the clock reading before the look that found its socket empty;
    /// while a line is never found empty, the stamp of the last datagram taken from it, if older than the look, because a
    /// socket is first in, first out. It stands still while the ring is full and datagrams are left in the sockets, and may step back with the
    /// system's clock. While all lines are quiet it advances at least every millisecond, or as often as
    /// [`Wait::Sleep`] says; without a receive thread, with every look.
    ///
    /// Ordering: whoever looks publishes slots first and stores the watermark with Release; this loads it with Acquire. So
    /// *read the watermark first, then look at the ring*: once the ring is empty, everything from before the watermark has
    /// been seen. The other way round, a datagram may come in between.
    ///
    /// The kernel stamps a datagram before it queues it. The time between (as a rule microseconds, more while the
    /// processor that serves the network card is overloaded) is not covered: a grace time has to be longer.
    #[must_use]
    pub fn polled_ns(&self) -> u64 {
        self.shared.polled_ns.load(Ordering::Acquire)
    }

    /// Who has sent what is in the ring.
    #[must_use]
    pub fn senders(&self) -> Arc<Senders> {
        Arc::clone(&self.shared.senders)
    }

    /// What became of the lines' settings.
    #[must_use]
    pub fn reports(&self) -> &[LineReport] {
        &self.reports
    }

    /// Everything that was not granted in full.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        self.reports.iter().flat_map(|report| &report.warnings).chain(&self.warnings)
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

    /// Stops reception, reads the kernel's drop counters for the last time and closes the sockets. What is in the ring
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
            State::Running { sockets, engine } if !self.shared.is_of_this_process() => {
                leave_to_parent(&sockets, engine);
                Ok(())
            }
            State::Running { sockets, engine } => {
                self.shared.request_stop();
                let ended = engine.end();
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

impl Engine {
    /// Has what is in the sockets moved into the ring, as far as it has space, and closes it.
    fn end(self) -> std::thread::Result<()> {
        match self {
            Self::Thread(thread) => thread.join(),
            Self::Inline(inline) => {
                inline.end();
                Ok(())
            }
        }
    }
}

/// What an event loop waits on while the receiver is armed.
impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.state {
            State::Running { engine: Engine::Inline(inline), .. } => inline.as_fd(),
            _ => self.consumer.as_fd(),
        }
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

    /// Whether this process opened the receiver. One that was forked from it has no receive thread, and must leave the
    /// receiver alone but for dropping it, which leaves its parent's as it is.
    #[must_use]
    pub fn is_of_this_process(&self) -> bool {
        self.0.is_of_this_process()
    }

    /// The process that opened the receiver.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.0.process
    }
}

impl Shared {
    fn new(lines: usize) -> io::Result<Self> {
        Ok(Self {
            process: std::process::id(),
            forks: forks(),
            stop: AtomicBool::new(false),
            stop_event: EventFd::new()?,
            polled_ns: CachePadded::default(),
            counters: (0..lines).map(|_| CachePadded::default()).collect(),
            senders: Arc::default(),
        })
    }

    fn request_stop(&self) {
        if self.is_of_this_process() {
            self.stop.store(true, Ordering::Release);
            self.stop_event.signal();
        }
    }

    fn is_of_this_process(&self) -> bool {
        self.forks == forks()
    }

    fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// In a process that was forked: gives back its share of the sockets, so that they are closed when the parent closes them.
/// The thread is not here, and to wake or signal anybody would be heard by the parent.
fn leave_to_parent(sockets: &[LineSocket], engine: Engine) {
    std::mem::forget(engine);
    for socket in sockets {
        // SAFETY: whoever owns the descriptor was forgotten just now, or is on the stack of a thread that does not run here.
        unsafe { libc::close(socket.as_fd().as_raw_fd()) };
    }
}

/// Whoever looks at the sockets from now on.
fn engine(
    lines: Lines,
    shared: &Arc<Shared>,
    sockets: &Arc<[LineSocket]>,
    options: &ReceiveOptions,
) -> Result<Engine, WireError> {
    if options.mode == Mode::Inline {
        let inline = Inline::new(lines, Arc::clone(shared), sockets);
        return inline.map(Box::new).map(Engine::Inline).map_err(|error| no_system("make an epoll set", &error));
    }
    let thread = ReceiveThread::new(lines, Arc::clone(shared), sockets, options.wait);
    std::thread::Builder::new()
        .name("fh-receive".into())
        .spawn(move || thread.run())
        .map(Engine::Thread)
        .map_err(|error| no_system("start the receive thread", &error))
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
