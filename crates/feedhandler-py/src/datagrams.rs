//! The datagrams of a file one after the other, for the `replay` package.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use feedhandler_core::send::{DatagramSource, FileError, FileSource, MessagePacking, Pacing};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{capture_error, send_error};

/// When a datagram was seen, where it went, and its payload.
type Seen<'py> = (u64, Option<(String, u16)>, Bound<'py, PyBytes>);

/// The datagrams of a capture, or the messages of a file packed into packets.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Datagrams(Mutex<FileSource>);

#[pymethods]
impl Datagrams {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it extracted")]
    fn new(py: Python<'_>, path: PathBuf, messages: &[u8]) -> PyResult<Self> {
        let messages: MessagePacking =
            serde_json::from_slice(messages).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let source = FileSource::open(&path, Some(&messages), Pacing::Original { speed: 1.0 });
        let source = source.map_err(|error| match error {
            FileError::Capture(error) => capture_error(py, &error),
            other => send_error(py, &other),
        })?;
        Ok(Self(Mutex::new(source)))
    }

    /// The next datagrams, at most so many; none at the end.
    fn take<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Vec<Seen<'py>>> {
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(next) = source.next_datagram().map_err(|error| send_error(py, &error))? else { break };
            let address = |to: SocketAddr| (to.ip().to_string(), to.port());
            taken.push((next.ts_ns, next.destination.map(address), PyBytes::new(py, next.payload)));
        }
        Ok(taken)
    }
}
