//! Signals while Rust works without the GIL.

use feedhandler_core::break_off::{ASK_EVERY, BrokenOff, asking};
use pyo3::prelude::*;

/// Does `work` without the GIL; where it takes long, the handlers of signals run meanwhile, and what they raise breaks it off.
/// It must hold no lock that a handler could want.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, and any is asked for")]
pub fn heeding_signals<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> R {
    let ask = || Python::attach(|py| py.check_signals()).map_err(BrokenOff::because);
    py.detach(|| asking(ASK_EVERY, ask, work))
}
