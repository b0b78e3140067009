//! Errors of the core crate become exceptions of `feedhandler.errors`.

use std::fmt::Display;

use feedhandler_core::capture::CaptureError;
use feedhandler_core::wire::WireError;
use pyo3::prelude::*;

/// An exception of the class `name` of `feedhandler.errors`.
fn exception(py: Python<'_>, name: &str, error: &impl Display) -> PyErr {
    let made = py.import("feedhandler.errors").and_then(|errors| errors.getattr(name)?.call1((error.to_string(),)));
    made.map_or_else(|failure| failure, PyErr::from_value)
}

/// A file that cannot be read.
pub fn capture_error(py: Python<'_>, error: &CaptureError) -> PyErr {
    exception(py, "CaptureError", error)
}

/// A line that cannot be opened.
pub fn wire_error(py: Python<'_>, error: &WireError) -> PyErr {
    exception(py, "WireError", error)
}
