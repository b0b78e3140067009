//! The synthetic market, for the `replay` package.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use feedhandler_core::generate::{
    Generator as CoreGenerator, Kind, Limit, Line, Made, Options, Progress, Protocol, Written, write_file,
};
use feedhandler_core::send::{Pending, Worker};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::send_error;
use crate::file::json;

/// When a packet is to be sent, its first sequence number, how many messages it has, and its bytes.
type Timed<'py> = (u64, u64, u16, Bound<'py, PyBytes>);

/// Makes the packets of a synthetic session and keeps its true books.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Generator(Arc<Mutex<CoreGenerator>>);

#[pymethods]
impl Generator {
    #[new]
    fn new(
        protocol: &str,
        seed: u64,
        instruments: u32,
        session: String,
        start_ns: u64,
        rate: f64,
        packet_bytes: usize,
    ) -> PyResult<Self> {
        let protocol = Protocol::named(protocol)
            .ok_or_else(|| PyValueError::new_err(format!("expected msgpack or itch50, found {protocol:?}")))?;
        let options = Options { protocol, seed, instruments, session, start_ns, rate, packet_bytes };
        let generator = CoreGenerator::new(options).map_err(value_error)?;
        Ok(Self(Arc::new(Mutex::new(generator))))
    }

    /// The next packet with so many messages of the time before `send_time_ns`; fewer where no more fit.
    fn packet<'py>(&self, py: Python<'py>, send_time_ns: u64, messages: u64) -> Timed<'py> {
        let mut generator = self.lock();
        timed(py, generator.packet_at(send_time_ns, messages))
    }

    /// The packets of what happens before a time.
    fn until<'py>(&self, py: Python<'py>, horizon_ns: u64) -> Vec<Timed<'py>> {
        let mut generator = self.lock();
        let mut made = Vec::new();
        while generator.next_ns() < horizon_ns {
            made.push(timed(py, generator.next_packet(u64::MAX)));
        }
        made
    }

    /// The messages that end a session, where the protocol has such.
    fn closing<'py>(&self, py: Python<'py>, send_time_ns: u64) -> Option<Timed<'py>> {
        self.lock().closing_packet(send_time_ns).map(|made| timed(py, made))
    }

    fn heartbeat<'py>(&self, py: Python<'py>, send_time_ns: u64) -> Timed<'py> {
        timed(py, self.lock().signal(Kind::Heartbeat, send_time_ns))
    }

    fn end_of_session<'py>(&self, py: Python<'py>, send_time_ns: u64) -> Timed<'py> {
        timed(py, self.lock().signal(Kind::EndOfSession, send_time_ns))
    }

    /// Packets of a session of its own that make the present books.
    fn snapshot<'py>(&self, py: Python<'py>, session: &str, send_time_ns: u64) -> Vec<Bound<'py, PyBytes>> {
        let packets = self.lock().snapshot(session, send_time_ns);
        packets.iter().map(|packet| PyBytes::new(py, packet)).collect()
    }

    /// The books that all messages so far make, as JSON.
    fn books(&self) -> PyResult<Cow<'static, [u8]>> {
        json(&self.lock().true_books())
    }

    /// Number of the next message.
    #[getter]
    fn next_sequence(&self) -> u64 {
        self.lock().next_sequence()
    }

    /// Messages that a session has at least.
    #[getter]
    fn least_messages(&self) -> u64 {
        self.lock().least_messages()
    }

    /// Writes what is left of the session to a capture; returns what was written, as JSON.
    #[pyo3(signature = (path, lines, limit, *, on_progress=None))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it extracted")]
    fn write(
        &self,
        py: Python<'_>,
        path: PathBuf,
        lines: Vec<(String, String, u64)>,
        limit: (String, u64),
        on_progress: Option<Py<PyAny>>,
    ) -> PyResult<Cow<'static, [u8]>> {
        let limit = limit_of(limit)?;
        let lines: Vec<_> = lines.into_iter().map(line).collect::<PyResult<_>>()?;
        let progress = Arc::new(Progress::default());
        let worker = Worker::start(Arc::clone(&self.0), || {}).map_err(|error| send_error(py, &error))?;
        let (shown, to) = (Arc::clone(&progress), path.clone());
        let pending = worker.submit(move |generator| {
            let mut generator = generator.lock().unwrap_or_else(PoisonError::into_inner);
            write_file(&mut generator, &path, &lines, limit, &progress)
        });
        let written = wait(py, on_progress.as_ref(), &shown, pending)?;
        json(&written.map_err(|error| PyOSError::new_err((error.raw_os_error(), error.to_string(), to)))?)
    }
}

impl Generator {
    fn lock(&self) -> MutexGuard<'_, CoreGenerator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits without the GIL; every 50 ms looks after signals and tells `on_progress` how far it is.
fn wait(
    py: Python<'_>,
    on_progress: Option<&Py<PyAny>>,
    progress: &Progress,
    pending: Pending<io::Result<Written>>,
) -> PyResult<io::Result<Written>> {
    let mut raised = None;
    let result = py.detach(|| {
        pending.wait(|| {
            if let Err(error) = Python::attach(|py| look_after(py, on_progress, progress)) {
                progress.stop.store(true, Ordering::Relaxed);
                raised.get_or_insert(error);
            }
        })
    });
    match raised {
        Some(error) => Err(error),
        None => result.map_err(|gone| send_error(py, &gone)),
    }
}

fn look_after(py: Python<'_>, on_progress: Option<&Py<PyAny>>, progress: &Progress) -> PyResult<()> {
    py.check_signals()?;
    let Some(on_progress) = on_progress else { return Ok(()) };
    let counts = [&progress.messages, &progress.bytes, &progress.elapsed_ns].map(|count| count.load(Ordering::Relaxed));
    on_progress.call1(py, <(u64, u64, u64)>::from(counts))?;
    Ok(())
}

fn timed<'py>(py: Python<'py>, made: Made<'_>) -> Timed<'py> {
    (made.send_time_ns, made.sequence, made.count, PyBytes::new(py, made.payload))
}

fn limit_of((what, most): (String, u64)) -> PyResult<Limit> {
    match what.as_str() {
        "messages" => Ok(Limit::Messages(most)),
        "size_bytes" => Ok(Limit::Bytes(most)),
        "duration_ns" => Ok(Limit::DurationNs(most)),
        _ => Err(PyValueError::new_err(format!("expected messages, size_bytes or duration_ns, found {what:?}"))),
    }
}

fn line((name, to, skew_ns): (String, String, u64)) -> PyResult<Line> {
    let expected = |_| PyValueError::new_err(format!("expected an IPv4 address and a port, found {to:?}"));
    Ok(Line { to: to.parse::<SocketAddrV4>().map_err(expected)?, name, skew_ns })
}

fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
