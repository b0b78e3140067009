//! Errors of the core crate become exceptions of `feedhandler.errors`.

use std::fmt::Display;

use feedhandler_core::capture::CaptureError;
use feedhandler_core::faults::FaultError;
use feedhandler_core::wire::WireError;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;

/// An exception of the class `name` of `feedhandler.errors`, made of its context.
fn exception<'py>(py: Python<'py>, name: &str, context: impl PyCallArgs<'py>) -> PyErr {
    let made = py.import("feedhandler.errors").and_then(|errors| errors.getattr(name)?.call1(context));
    made.map_or_else(|failure| failure, PyErr::from_value)
}

/// A file that cannot be read; or what a signal's handler raised meanwhile.
pub fn capture_error(py: Python<'_>, error: &CaptureError) -> PyErr {
    if let Some(raised) = error.broken_off().and_then(|broken_off| broken_off.reason::<PyErr>()) {
        return raised.clone_ref(py);
    }
    exception(py, "CaptureError", (error.path().display().to_string(), error.reason()))
}

/// A line that cannot be opened.
pub fn wire_error(py: Python<'_>, error: &WireError) -> PyErr {
    let WireError { subject, doing, expected, found, remedy } = error;
    exception(py, "WireError", (subject, doing, expected, found, remedy))
}

/// Faults that cannot be injected.
pub fn fault_error(py: Python<'_>, error: &FaultError) -> PyErr {
    exception(py, "FaultError", (error.to_string(),))
}

/// Datagrams that cannot be sent.
pub fn send_error(py: Python<'_>, error: &impl Display) -> PyErr {
    exception(py, "SendError", (error.to_string(),))
}
