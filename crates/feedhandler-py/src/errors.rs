//! Errors of the core crate become exceptions of `feedhandler.errors`.

use std::fmt::Display;

use feedhandler_core::capture::CaptureError;
use feedhandler_core::wire::WireError;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;

/// An exception of the class `name` of `feedhandler.errors`.
fn exception<'py>(py: Python<'py>, name: &str, args: impl PyCallArgs<'py>) -> PyErr {
    let made = py.import("feedhandler.errors").and_then(|errors| errors.getattr(name)?.call1(args));
    made.map_or_else(|failure| failure, PyErr::from_value)
}

/// A file that cannot be read.
pub fn capture_error(py: Python<'_>, error: &CaptureError) -> PyErr {
    let (CaptureError::Io { path, .. } | CaptureError::NotACapture { path, .. }) = error;
    let (file, text) = (path.display().to_string(), error.to_string());
    let reason = text.strip_prefix(&format!("{file}: ")).unwrap_or(&text);
    exception(py, "CaptureError", (&file, reason))
}

/// A line that cannot be opened.
pub fn wire_error(py: Python<'_>, error: &WireError) -> PyErr {
    exception(py, "WireError", (error.to_string(),))
}

/// Datagrams that cannot be sent.
pub fn send_error(py: Python<'_>, error: &impl Display) -> PyErr {
    exception(py, "SendError", (error.to_string(),))
}
