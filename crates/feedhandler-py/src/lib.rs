//! PyO3 glue: conversions, GIL release, exceptions. No logic: what can be tested without Python is in the core crate.

use pyo3::prelude::*;

/// The Rust half of feedhandler.
#[pymodule]
mod _core {
    #[pymodule_export]
    const BUILD_PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };
}
