//! Timing decode from Python.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use feedhandler_core::bench;
use feedhandler_core::latency::{Overhead, overhead};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::batch::{Batch, Rows};
use crate::plan::Plan;

/// Packets in memory, decoded again and again.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct DecodeBench(Mutex<bench::DecodeBench>);

impl DecodeBench {
    fn bench(&self) -> MutexGuard<'_, bench::DecodeBench> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl DecodeBench {
    #[classattr]
    const SLOT_BYTES: usize = bench::SLOT_BYTES;

    #[new]
    #[pyo3(signature = (plan, packets, /))]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it extracted")]
    fn new(plan: &Plan, packets: Vec<Vec<u8>>) -> PyResult<Self> {
        let bench = bench::DecodeBench::new(Arc::clone(&plan.0), &packets);
        bench.map(|bench| Self(Mutex::new(bench))).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn arena(&self) -> Rows {
        Rows(self.bench().arena())
    }

    fn payloads(&self) -> Vec<(usize, usize, u64)> {
        self.bench().payloads().collect()
    }

    fn batch(&self, py: Python<'_>) -> Batch {
        Batch(py.detach(|| self.bench().batch()))
    }

    #[pyo3(signature = (rounds, /))]
    fn decode(&self, py: Python<'_>, rounds: usize) -> u64 {
        py.detach(|| self.bench().decode(rounds))
    }

    #[pyo3(signature = (rounds, /))]
    fn pipeline(&self, py: Python<'_>, rounds: usize) -> u64 {
        py.detach(|| self.bench().pipeline(rounds))
    }
}

/// The core's clock in GHz, estimated.
#[pyfunction]
pub fn core_ghz(py: Python<'_>) -> f64 {
    py.detach(bench::core_ghz)
}

/// What measuring latency costs: a turn of an empty loop, a look at the clock, and all that is recorded of a datagram; ns.
#[pyfunction]
pub fn latency_overhead_ns(py: Python<'_>) -> (f64, f64, f64) {
    let Overhead { empty_ns, clock_ns, record_ns } = py.detach(overhead);
    (empty_ns, clock_ns, record_ns)
}
