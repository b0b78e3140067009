//! The load of the benchmarks, for `feedhandler.bench.sender`.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use feedhandler_core::latency::serialize;
use feedhandler_core::send::{
    Control, DeadlineWait, Halt, LoadReport, Monotonic, OpenLoop as CoreOpenLoop, OpenLoopSpec, Reach, SendReport,
    Sender, Template, TemplateSpec, UdpTransmit, Worker, sharpen_sleeps_of_this_thread, unix_offset_ns,
};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::errors::send_error;
use crate::file::json;

/// How a load is sent, as Python says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Address of each line.
    to: Vec<SocketAddr>,
    /// What stands in each packet where.
    templates: Vec<TemplateSpec>,
    /// When what is sent.
    load: OpenLoopSpec,
    /// How the sender waits.
    wait: DeadlineWait,
    /// Interface for multicast.
    interface: Option<String>,
    multicast_ttl: u32,
    allow_remote: bool,
}

/// What was sent.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    load: LoadReport,
    sender: SendReport,
}

/// What was sent as JSON, and how late as a serialized histogram.
type Sent = (Cow<'static, [u8]>, Cow<'static, [u8]>);

type Sending = (Sender<UdpTransmit, Monotonic>, CoreOpenLoop);

/// Sends a load once, on a thread that never takes the GIL.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct OpenLoop {
    worker: Mutex<Option<Worker<Sending>>>,
    control: Arc<Control>,
}

#[pymethods]
impl OpenLoop {
    #[new]
    #[pyo3(signature = (options, packets, /))]
    fn new(py: Python<'_>, options: &[u8], packets: Vec<Vec<u8>>) -> PyResult<Self> {
        let options: Options = serde_json::from_slice(options).map_err(value_error)?;
        if packets.len() != options.templates.len() || options.to.len() != options.load.channels.len() {
            return Err(PyValueError::new_err("expected a template for each packet, and a channel for each address"));
        }
        let templates = packets.into_iter().zip(&options.templates).map(|(packet, spec)| Template::new(packet, *spec));
        let templates = templates.collect::<Result<_, _>>().map_err(value_error)?;
        let interface = options.interface.map(|interface| interface.parse()).transpose();
        let interface = interface.map_err(|error: std::io::Error| send_error(py, &error))?;
        let reach = Reach { interface, multicast_ttl: options.multicast_ttl, allow_remote: options.allow_remote };
        let transmit = UdpTransmit::open(&options.to, &reach).map_err(|error| send_error(py, &error))?;
        let control = Arc::new(Control::default());
        let sender = Sender::new(transmit, &options.to, Monotonic, options.wait, Arc::clone(&control));
        let load = CoreOpenLoop::new(options.load, templates, unix_offset_ns()).map_err(value_error)?;
        let worker = Worker::start((sender, load), sharpen_sleeps_of_this_thread);
        let worker = worker.map_err(|error| send_error(py, &error))?;
        Ok(Self { worker: Mutex::new(Some(worker)), control })
    }

    /// Sends it all, or until stopped; returns what was sent, as JSON, and how late, as a histogram.
    fn run(&self, py: Python<'_>) -> PyResult<Sent> {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        let worker = worker.ok_or_else(|| PyRuntimeError::new_err("a load is sent once"))?;
        let pending = worker.submit(|(sender, load)| {
            let ended = load.run(sender);
            (ended, Report { load: load.report(), sender: sender.report() }, serialize(sender.lateness_ns()))
        });
        let mut raised = None;
        let done = py.detach(|| {
            pending.wait(|| {
                let heeded = Python::attach(heed_signals);
                if let Err(error) = heeded {
                    self.stop();
                    raised.get_or_insert(error);
                }
            })
        });
        let (ended, report, lateness) = done.map_err(|gone| send_error(py, &gone))?;
        match (raised, ended) {
            (Some(error), _) => Err(error),
            (None, Err(failed @ Halt::Failed { .. })) => Err(send_error(py, &failed)),
            (None, Ok(()) | Err(Halt::Stopped)) => Ok((json(&report)?, Cow::Owned(lateness))),
        }
    }

    /// Makes what is being sent end within 50 ms.
    fn stop(&self) {
        self.control.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for OpenLoop {
    fn drop(&mut self) {
        self.stop();
    }
}

fn heed_signals(py: Python<'_>) -> PyResult<()> {
    py.check_signals()
}

fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
