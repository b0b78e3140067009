//! Paced sending, for the `replay` package.

#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it extracted")]

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use feedhandler_core::faults::Injector;
use feedhandler_core::send::{
    Control, DatagramSource, DeadlineWait, FileError, FilesSpec, Halt, Merged, Monotonic, Pacing, Pending, Prepared,
    Reach, Routes, Sender as CoreSender, SourceError, UdpTransmit, Window, Worker, replay_files,
    sharpen_sleeps_of_this_thread, unix_offset_ns,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors::{capture_error, fault_error, send_error};
use crate::file::{faults_of, json, open_truth};
use crate::signals::heeding_signals;

type Address = (String, u16);
type UdpSender = CoreSender<UdpTransmit, Monotonic>;

/// Batches that wait for their turn behind the one that is being sent.
const QUEUED_BATCHES: usize = 2;

/// Sends datagrams at their deadlines, on a thread that never takes the GIL.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Sender {
    worker: Worker<UdpSender>,
    queued: Mutex<VecDeque<Pending<Result<(), Halt>>>>,
    routes: Arc<Routes>,
    control: Arc<Control>,
    unix_offset_ns: u64,
}

#[pymethods]
impl Sender {
    #[new]
    #[pyo3(signature = (
        to, *, routes=vec![], interface=None, multicast_ttl=0, allow_remote=false, sleep_only=false,
        segments=true
    ))]
    #[expect(clippy::too_many_arguments, reason = "they have names in Python")]
    fn new(
        py: Python<'_>,
        to: Vec<Address>,
        routes: Vec<(Address, Address)>,
        interface: Option<&str>,
        multicast_ttl: u32,
        allow_remote: bool,
        sleep_only: bool,
        segments: bool,
    ) -> PyResult<Self> {
        let pair = |(from, to): &(Address, Address)| Ok((address(from)?, address(to)?));
        let routes: Vec<_> = routes.iter().map(pair).collect::<PyResult<_>>()?;
        let routes = Routes::new(&routes, &to.iter().map(address).collect::<PyResult<Vec<_>>>()?);
        let interface = interface.map(str::parse).transpose().map_err(|error: io::Error| send_error(py, &error))?;
        let reach = Reach { interface, multicast_ttl, allow_remote };
        let transmit = UdpTransmit::open(routes.destinations(), &reach).map_err(|error| send_error(py, &error))?;
        let transmit = if segments { transmit } else { transmit.without_segments() };
        let wait = if sleep_only { DeadlineWait::Sleep } else { DeadlineWait::Spin };
        let control = Arc::new(Control::default());
        let sender = CoreSender::new(transmit, routes.destinations(), Monotonic, wait, Arc::clone(&control));
        let worker = Worker::start(sender, sharpen_sleeps_of_this_thread).map_err(|error| send_error(py, &error))?;
        let queued = Mutex::default();
        Ok(Self { worker, queued, routes: Arc::new(routes), control, unix_offset_ns: unix_offset_ns() })
    }

    /// Sends the datagrams of files, faults being done to them; returns what became of them, as JSON.
    #[pyo3(signature = (files, /, *, speed=None, packets_per_second=None, faults=None, truth=None, on_progress=None))]
    #[expect(clippy::too_many_arguments, reason = "they have names in Python")]
    fn replay(
        &self,
        py: Python<'_>,
        files: &[u8],
        speed: Option<f64>,
        packets_per_second: Option<f64>,
        faults: Option<&[u8]>,
        truth: Option<PathBuf>,
        on_progress: Option<Py<PyAny>>,
    ) -> PyResult<Cow<'static, [u8]>> {
        let pacing = pacing(speed, packets_per_second)?;
        let files: FilesSpec = serde_json::from_slice(files).map_err(value_error)?;
        heeding_signals(py, || files.check(&self.routes, pacing)).map_err(|error| file_error(py, &error))?;
        let faults = faults.map(|faults| self.injector(py, faults, truth.as_deref())).transpose()?;
        let (routes, control) = (Arc::clone(&self.routes), Arc::clone(&self.control));
        let replay = move |sender: &mut UdpSender| replay_files(&files, &routes, pacing, faults, sender);
        let pending = self.worker.submit(move |sender| control.until_stopped(|| replay(sender)));
        let replayed = self.wait(py, on_progress.as_ref(), pending)?.map_err(|error| send_error(py, &error))?;
        json(&replayed)
    }

    /// Has packets sent, each at its Unix time or, without one, at once, behind those queued before.
    #[pyo3(signature = (packets, deadlines_ns=None, lines=None))]
    fn queue(
        &self,
        py: Python<'_>,
        packets: Vec<PyBackedBytes>,
        deadlines_ns: Option<Vec<u64>>,
        lines: Option<Vec<usize>>,
    ) -> PyResult<bool> {
        let prepared = Prepared::new(packets, deadlines_ns, lines, self.routes.unmapped()).map_err(value_error)?;
        let is_going = self.finish(py, QUEUED_BATCHES)?;
        let offset_ns = self.unix_offset_ns;
        let pending = self.worker.submit(move |sender| prepared.send(offset_ns, sender));
        self.queued().push_back(pending);
        Ok(is_going)
    }

    /// Waits until all that was queued is sent; returns whether it was, or sending was stopped.
    fn flush(&self, py: Python<'_>) -> PyResult<bool> {
        self.finish(py, 0)
    }

    /// Makes what is being sent end within 50 ms, and all that is queued or comes later end at once.
    fn stop(&self) {
        self.control.stop.store(true, Ordering::Relaxed);
    }

    /// What was sent so far, as JSON; waits for what was queued.
    fn report(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        let report = self.wait(py, None, self.worker.submit(UdpSender::report))?;
        json(&report)
    }
}

impl Sender {
    /// Faults whose lines are the destinations.
    fn injector(&self, py: Python<'_>, faults: &[u8], truth: Option<&Path>) -> PyResult<Injector> {
        let injector = Injector::new(faults_of(faults)?, self.routes.line_names(), open_truth(truth)?);
        injector.map_err(|error| fault_error(py, &error))
    }

    /// Waits until at most `left` of the queued batches are still to be sent.
    fn finish(&self, py: Python<'_>, left: usize) -> PyResult<bool> {
        while let Some(pending) = self.oldest_beyond(left) {
            match self.wait(py, None, pending)? {
                Ok(()) => {}
                Err(Halt::Stopped) => return Ok(false),
                Err(failed) => return Err(send_error(py, &failed)),
            }
        }
        Ok(true)
    }

    fn oldest_beyond(&self, left: usize) -> Option<Pending<Result<(), Halt>>> {
        let mut queued = self.queued();
        if queued.len() > left { queued.pop_front() } else { None }
    }

    fn queued(&self) -> std::sync::MutexGuard<'_, VecDeque<Pending<Result<(), Halt>>>> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a result without the GIL; every 50 ms looks after signals and tells `on_progress` how far it is.
    fn wait<R: Send>(&self, py: Python<'_>, on_progress: Option<&Py<PyAny>>, pending: Pending<R>) -> PyResult<R> {
        let mut raised = None;
        let result = py.detach(|| {
            pending.wait(|| {
                if let Err(error) = Python::attach(|py| self.look_after(py, on_progress)) {
                    self.stop();
                    raised.get_or_insert(error);
                }
            })
        });
        match raised {
            Some(error) => Err(error),
            None => result.map_err(|gone| send_error(py, &gone)),
        }
    }

    fn look_after(&self, py: Python<'_>, on_progress: Option<&Py<PyAny>>) -> PyResult<()> {
        py.check_signals()?;
        let Some(on_progress) = on_progress else { return Ok(()) };
        let Control { packets, bytes, position, total, .. } = &*self.control;
        let counts = [packets, bytes, position, total].map(|count| count.load(Ordering::Relaxed));
        on_progress.call1(py, <(u64, u64, u64, u64)>::from(counts))?;
        Ok(())
    }
}

impl Drop for Sender {
    /// Whoever drops it waits for its thread, and so for at most 50 ms.
    fn drop(&mut self) {
        self.stop();
    }
}

/// A datagram of a file: its time, where it was recorded on its way to, and its payload.
type Recorded = (u64, Option<Address>, Vec<u8>);

/// The same, for Python.
type Handed = (u64, Option<Address>, Py<PyBytes>);

/// The datagrams of files, one after the other, as a replay would send them.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Datagrams(Mutex<Pass>);

struct Pass {
    files: FilesSpec,
    source: Merged,
    window: Window,
    passes: u64,
}

/// Datagrams that are handed over together.
const CHUNK: usize = 1024;

#[pymethods]
impl Datagrams {
    #[new]
    #[pyo3(signature = (files, /))]
    fn new(py: Python<'_>, files: &[u8]) -> PyResult<Self> {
        let files: FilesSpec = serde_json::from_slice(files).map_err(value_error)?;
        let opened = py.detach(|| files.window().and_then(|window| Ok((window, files.open(Pacing::Max)?))));
        let (window, source) = opened.map_err(|error| file_error(py, &error))?;
        Ok(Self(Mutex::new(Pass { files, source, window, passes: 1 })))
    }

    /// The next datagrams; none at the end.
    fn next_chunk(&self, py: Python<'_>) -> PyResult<Vec<Handed>> {
        let chunk = py.detach(|| self.0.lock().unwrap_or_else(PoisonError::into_inner).chunk());
        let chunk = chunk.map_err(|error| send_error(py, &error))?;
        Ok(chunk.into_iter().map(|(ts_ns, to, bytes)| (ts_ns, to, PyBytes::new(py, &bytes).unbind())).collect())
    }
}

impl Pass {
    fn chunk(&mut self) -> Result<Vec<Recorded>, SourceError> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            match self.source.next_datagram()? {
                Some(datagram) => {
                    let to = datagram.destination.map(|to| (to.ip().to_string(), to.port()));
                    chunk.extend(self.window.take(&datagram).map(|ts_ns| (ts_ns, to, datagram.payload.to_vec())));
                }
                None if self.passes == self.files.loops || !self.window.pass_again(self.files.loop_gap_ns) => break,
                None => {
                    self.passes += 1;
                    self.source = self.files.open(Pacing::Max)?;
                }
            }
        }
        Ok(chunk)
    }
}

fn address((host, port): &Address) -> PyResult<SocketAddr> {
    let expected = |_| PyValueError::new_err(format!("expected the IP address of a destination, found {host:?}"));
    Ok(SocketAddr::new(host.parse().map_err(expected)?, *port))
}

fn pacing(speed: Option<f64>, packets_per_second: Option<f64>) -> PyResult<Pacing> {
    match (speed, packets_per_second) {
        (Some(speed), None) => Ok(Pacing::Original { speed }),
        (None, Some(packets_per_second)) => Ok(Pacing::Rate { packets_per_second }),
        (None, None) => Ok(Pacing::Max),
        (Some(_), Some(_)) => Err(PyValueError::new_err("expected a speed or a rate, found both")),
    }
}

fn file_error(py: Python<'_>, error: &FileError) -> PyErr {
    match error {
        FileError::Capture(error) => capture_error(py, error),
        other => send_error(py, other),
    }
}

fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
