//! Receiving live lines.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use feedhandler_core::feed::{CaptureOptions, LiveFeed, LiveOptions, Polled, Rotation};
use feedhandler_core::receive::Stopper;
use feedhandler_core::ring::{Arena, SlotLayout};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::batch::Batch;
use crate::errors::{capture_error, wire_error};
use crate::file::json;
use crate::filter::{Instrument, filter};
use crate::plan::Plan;

/// Receives live lines: sockets, ring and receive thread.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Receiver {
    state: Mutex<State>,
    stopper: Stopper,
    rotation: Option<Rotation>,
    is_polled: AtomicBool,
}

struct State {
    feed: LiveFeed,
    /// When the last batch was handed over.
    handed: Option<Instant>,
}

/// Longest time without a look at signals.
const SIGNAL_TICK: Duration = Duration::from_millis(50);

/// One call at a time: the turn of whoever polls.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Receiver {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the state, without the GIL.
    fn with<R: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut State) -> R + Send) -> PyResult<R> {
        self.check_process()?;
        Ok(py.detach(|| work(&mut self.state())))
    }

    /// A process that was forked has no receive thread, and perhaps a lock that nobody gives back.
    fn check_process(&self) -> PyResult<()> {
        if self.stopper.is_of_this_process() {
            return Ok(());
        }
        let process = self.stopper.process();
        Err(PyRuntimeError::new_err(format!(
            "the feed was opened by process {process}, from which this one was forked: open another one here"
        )))
    }

    fn begin_turn(&self) -> PyResult<Turn<'_>> {
        if self.is_polled.swap(true, Ordering::Acquire) {
            let told = "the feed is being polled already: only one iteration, or poll, can be under way at a time";
            return Err(PyRuntimeError::new_err(told));
        }
        Ok(Turn(&self.is_polled))
    }

    /// Tells the feed that a batch is in Python's hands. The GIL is not kept while somebody else has the lock.
    fn hand_over(&self, py: Python<'_>, ready: Instant) {
        let now = Instant::now();
        match self.state.try_lock() {
            Ok(mut state) => state.hand_over(ready, now),
            Err(_) => py.detach(|| self.state().hand_over(ready, now)),
        }
    }
}

impl State {
    /// Polls; returns when the result was ready.
    fn poll(&mut self, timeout: Duration) -> (Polled, Instant) {
        if let Some(handed) = self.handed.take() {
            self.feed.processed(handed.elapsed());
        }
        (self.feed.poll(timeout), Instant::now())
    }

    fn hand_over(&mut self, ready: Instant, now: Instant) {
        self.feed.handed_over(now - ready);
        self.handed = Some(now);
    }
}

/// Channel and line, its name, and the address and port it is bound to.
type Place = (u16, u16, String, String, u16);

/// The report as JSON, and the histograms of the stages.
type LastWords = (Cow<'static, [u8]>, Histograms);

type Histograms = BTreeMap<&'static str, Cow<'static, [u8]>>;

fn histograms(feed: &LiveFeed) -> Histograms {
    feed.latency().serialized().into_iter().map(|(stage, bytes)| (stage, Cow::Owned(bytes))).collect()
}

#[pymethods]
impl Receiver {
    #[new]
    #[pyo3(signature = (plan, options, arena, /, *, instruments=None, capture=None))]
    fn new(
        py: Python<'_>,
        plan: &Plan,
        options: &[u8],
        arena: &Bound<'_, PyAny>,
        instruments: Option<Vec<Instrument>>,
        capture: Option<&[u8]>,
    ) -> PyResult<Self> {
        let filter = filter(plan, instruments)?;
        let options: LiveOptions = from_json(options)?;
        let capture = capture.map(from_json::<CaptureOptions>).transpose()?;
        let arena = arena_of(arena)?;
        let feed = py.detach(|| LiveFeed::open(Arc::clone(&plan.0), options, arena));
        let mut feed = feed.map_err(|error| wire_error(py, &error))?;
        if let Some(filter) = filter {
            feed.filter_by(filter);
        }
        if let Some(options) = capture {
            py.detach(|| feed.capture(options)).map_err(|error| capture_error(py, &error))?;
        }
        let (stopper, rotation) = (feed.stopper(), feed.rotation());
        let state = Mutex::new(State { feed, handed: None });
        Ok(Self { state, stopper, rotation, is_polled: AtomicBool::new(false) })
    }

    #[pyo3(signature = (timeout_ns, /))]
    fn next_batch(&self, py: Python<'_>, timeout_ns: u64) -> PyResult<Option<Batch>> {
        self.check_process()?;
        let _turn = self.begin_turn()?;
        let until = Instant::now() + Duration::from_nanos(timeout_ns);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (polled, ready) = self.with(py, |state| state.poll(left.min(SIGNAL_TICK)))?;
            match polled {
                Polled::Batch(batch) => {
                    self.hand_over(py, ready);
                    return Ok(Some(Batch(batch)));
                }
                Polled::Over => return Ok(None),
                Polled::Nothing => py.check_signals()?,
            }
            if left <= SIGNAL_TICK {
                return Ok(None);
            }
        }
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.with(py, |state| state.feed.receiver().as_fd().as_raw_fd())
    }

    fn arm(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |state| state.feed.receiver().arm().is_none())
    }

    fn disarm(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |state| state.feed.receiver().disarm())
    }

    fn stop(&self) {
        self.stopper.request_stop();
    }

    fn rotate(&self) {
        if let Some(rotation) = &self.rotation {
            rotation.request();
        }
    }

    /// Stops, closes the sockets, and returns the report and the histograms; none in a process that was forked, which
    /// has nothing to close.
    fn close(&self, py: Python<'_>) -> PyResult<Option<LastWords>> {
        if self.check_process().is_err() {
            return Ok(None);
        }
        self.stop(); // ends another thread's poll
        let (report, histograms) = self.with(py, |state| {
            state.feed.close();
            (state.feed.report(), histograms(&state.feed))
        })?;
        Ok(Some((json(&report)?, histograms)))
    }

    #[getter]
    fn is_disordered(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |state| state.feed.is_disordered())
    }

    #[getter]
    fn is_over(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |state| state.feed.is_over())
    }

    #[getter]
    fn has_ended(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |state| state.feed.has_ended())
    }

    #[getter]
    fn addresses(&self, py: Python<'_>) -> PyResult<Vec<Place>> {
        self.with(py, |state| {
            let reports = state.feed.receiver().reports().iter();
            let place = |report: &feedhandler_core::wire::LineReport| {
                let address = report.address;
                (report.channel, report.line, report.name.clone(), address.ip().to_string(), address.port())
            };
            reports.map(place).collect()
        })
    }

    fn report(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        json(&self.with(py, |state| state.feed.report())?)
    }

    fn clear_latency(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |state| state.feed.clear_latency())
    }

    fn histograms(&self, py: Python<'_>) -> PyResult<Histograms> {
        self.with(py, |state| histograms(&state.feed))
    }
}

fn from_json<T: serde::de::DeserializeOwned>(json: &[u8]) -> PyResult<T> {
    serde_json::from_slice(json).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Memory that a ring of `slots` slots of `slot_bytes` needs.
#[pyfunction]
#[pyo3(signature = (slots, slot_bytes, /))]
pub fn arena_bytes(slots: usize, slot_bytes: usize) -> PyResult<usize> {
    let layout = SlotLayout::new(slots, slot_bytes).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(layout.arena_bytes())
}

/// A ring's memory in a writable buffer of Python's, which is kept for as long as the ring.
fn arena_of(object: &Bound<'_, PyAny>) -> PyResult<Arena> {
    let buffer = PyBuffer::<u8>::get(object)?;
    if buffer.readonly() || !buffer.is_c_contiguous() {
        return Err(PyValueError::new_err("the arena must be writable and contiguous"));
    }
    let start = NonNull::new(buffer.buf_ptr().cast::<u8>());
    let start = start.ok_or_else(|| PyValueError::new_err("the arena must have memory"))?;
    let length = buffer.len_bytes();
    // SAFETY: the buffer is writable, `length` bytes long, and held by the arena; numpy does not move it while it is
    // held, and the package hands the array to nobody who would write.
    Ok(unsafe { Arena::from_raw(start, length, Box::new(buffer)) })
}
