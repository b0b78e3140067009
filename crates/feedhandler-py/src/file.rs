//! Reading files.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use feedhandler_core::arbitrate::ArbiterOptions;
use feedhandler_core::break_off::{ASK_EVERY, BrokenOff, asking};
use feedhandler_core::capture::CaptureStats;
use feedhandler_core::faults::{FaultsSpec, Truth};
use feedhandler_core::feed::{CaptureInfo, ChannelSpec, FileFeed, FileOptions, InfoOptions, Rest};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::batch::Batch;
use crate::errors::{capture_error, fault_error};
use crate::filter::{Instrument, filter};
use crate::plan::Plan;
use crate::signals::heeding_signals;

/// Reads a capture, or a file of bare messages, into batches.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct FileReader(Mutex<FileFeed>);

impl FileReader {
    fn feed(&self) -> MutexGuard<'_, FileFeed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch. Handlers of signals run without our lock: they may ask how far we are.
    fn read_on(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        loop {
            let break_off = || Err(BrokenOff::default());
            match py.detach(|| asking(ASK_EVERY, break_off, || self.feed().next_batch())) {
                Err(error) if error.broken_off().is_some() => py.check_signals()?,
                read => return read.map(|batch| batch.map(Batch)).map_err(|error| capture_error(py, &error)),
            }
        }
    }
}

#[pymethods]
impl FileReader {
    #[new]
    #[pyo3(signature = (
        path, plan, /, *, channels=vec![], rest="pair", batch_messages=8192, grace_ns=5_000_000, is_grace_adaptive=false,
        window_packets=4096, window_bytes=8_388_608, instruments=None, faults=None, truth=None
    ))]
    #[expect(clippy::too_many_arguments, reason = "they have names in Python")]
    fn new(
        py: Python<'_>,
        path: &str,
        plan: &Plan,
        channels: Vec<(String, Vec<(String, u16)>)>,
        rest: &str,
        batch_messages: usize,
        grace_ns: u64,
        is_grace_adaptive: bool,
        window_packets: usize,
        window_bytes: usize,
        instruments: Option<Vec<Instrument>>,
        faults: Option<&[u8]>,
        truth: Option<&str>,
    ) -> PyResult<Self> {
        let filter = filter(plan, instruments)?;
        let channels = channels.into_iter().map(channel).collect::<PyResult<_>>()?;
        let arbiter = ArbiterOptions { grace_ns, is_grace_adaptive, window_packets, window_bytes };
        let options = FileOptions { arbiter, batch_messages: batch_messages.max(1), channels, rest: rest_of(rest)? };
        let feed = heeding_signals(py, || FileFeed::open(Path::new(path), &plan.0, &options));
        let mut feed = feed.map_err(|error| capture_error(py, &error))?;
        if let Some(filter) = filter {
            feed.filter_by(filter);
        }
        if let Some(faults) = faults {
            let truth = open_truth(truth.map(Path::new))?;
            feed.inject(faults_of(faults)?, &options.channels, truth).map_err(|error| fault_error(py, &error))?;
        }
        Ok(Self(Mutex::new(feed)))
    }

    fn next_batch(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        let batch = self.read_on(py)?;
        if batch.is_none() {
            py.detach(|| self.feed().close_truth()).map_err(|error| fault_error(py, &error))?;
        }
        Ok(batch)
    }

    #[getter]
    fn progress(&self, py: Python<'_>) -> (u64, u64) {
        py.detach(|| self.feed().progress())
    }

    fn report(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        json(&py.detach(|| self.feed().report()))
    }
}

fn channel((name, lines): (String, Vec<(String, u16)>)) -> PyResult<ChannelSpec> {
    let lines = lines.into_iter().map(|(address, port)| {
        let address: IpAddr =
            address.parse().map_err(|_| PyValueError::new_err(format!("not an address: {address}")))?;
        Ok((address, port))
    });
    Ok(ChannelSpec { name, lines: lines.collect::<PyResult<_>>()? })
}

fn rest_of(text: &str) -> PyResult<Rest> {
    match text {
        "pair" => Ok(Rest::Pair),
        "each" => Ok(Rest::Each),
        "skip" => Ok(Rest::Skip),
        _ => Err(PyValueError::new_err(format!("expected pair, each or skip, found {text}"))),
    }
}

/// Faults, as Python describes them.
pub fn faults_of(json: &[u8]) -> PyResult<FaultsSpec> {
    serde_json::from_slice(json).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// A truth that goes to a file, or nowhere.
pub fn open_truth(path: Option<&Path>) -> PyResult<Truth> {
    let open = |path: &Path| {
        File::create(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    let file = path.map(open).transpose()?;
    Ok(Truth::new(file.map(|file| Box::new(BufWriter::new(file)) as Box<dyn Write + Send>)))
}

/// JSON for Python.
pub fn json(value: &impl serde::Serialize) -> PyResult<Cow<'static, [u8]>> {
    let bytes = serde_json::to_vec(value).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(Cow::Owned(bytes))
}

/// What a capture says of itself before its first packet, as JSON.
#[pyfunction]
#[pyo3(signature = (path, /))]
pub fn capture_head(py: Python<'_>, path: &str) -> PyResult<Cow<'static, [u8]>> {
    let stats = py.detach(|| CaptureStats::of_head(Path::new(path)));
    json(&stats.map_err(|error| capture_error(py, &error))?)
}

/// Whether a capture that this program wrote ends with its trailer, by the file's last bytes.
#[pyfunction]
#[pyo3(signature = (path, /))]
pub fn capture_is_closed(py: Python<'_>, path: &str) -> PyResult<bool> {
    let is_closed = py.detach(|| feedhandler_core::feed::capture_is_closed(Path::new(path)));
    is_closed.map_err(|error| capture_error(py, &error))
}

/// Facts of a capture and its streams, as JSON.
#[pyfunction]
#[pyo3(signature = (path, /, *, plans=vec![], most_datagrams=None, has_timelines=false))]
pub fn capture_info(
    py: Python<'_>,
    path: &str,
    plans: Vec<Py<Plan>>,
    most_datagrams: Option<u64>,
    has_timelines: bool,
) -> PyResult<Cow<'static, [u8]>> {
    let plans = plans.into_iter().map(|plan| Arc::clone(&plan.get().0)).collect();
    let options = InfoOptions { plans, most_datagrams, has_timelines };
    let info = heeding_signals(py, || CaptureInfo::read(Path::new(path), &options));
    json(&info.map_err(|error| capture_error(py, &error))?)
}
