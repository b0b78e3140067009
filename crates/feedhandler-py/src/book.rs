//! Books: batches go in whole, best bids and offers and price levels come out as rows.

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use feedhandler_core::Rows as CoreRows;
use feedhandler_core::book::{self, BOOK_STATES, BookLimits};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::batch::{Batch, Rows};
use crate::file::json;
use crate::plan::{Layout, Plan};

/// Books of every instrument of a protocol's channels.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Books(Mutex<book::Books>);

/// State, the number of what brought it, bids and offers.
type Depth = (u8, u64, Rows, Rows);

impl Books {
    fn books(&self) -> MutexGuard<'_, book::Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `read` takes from the books, without the GIL.
    fn with<T: Send>(&self, py: Python<'_>, read: impl FnOnce(&mut book::Books) -> T + Send) -> T {
        py.detach(|| read(&mut self.books()))
    }

    fn rows(&self, py: Python<'_>, read: impl FnOnce(&mut book::Books) -> CoreRows + Send) -> Rows {
        Rows(self.with(py, read).into())
    }
}

#[pymethods]
impl Books {
    #[new]
    #[pyo3(signature = (plan, /, *, instruments, orders, levels))]
    fn new(plan: &Plan, instruments: u32, orders: usize, levels: usize) -> PyResult<Self> {
        let books = book::Books::new(&plan.0, BookLimits { instruments, orders, levels });
        books.map(|books| Self(Mutex::new(books))).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    #[pyo3(signature = (batch, /))]
    fn apply(&self, py: Python<'_>, batch: &Batch) -> PyResult<()> {
        let applied = self.with(py, |books| books.apply(&batch.0));
        applied.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn bbo(&self, py: Python<'_>) -> Rows {
        self.rows(py, book::Books::bbo)
    }

    fn changed(&self, py: Python<'_>) -> Rows {
        self.rows(py, book::Books::changed)
    }

    #[pyo3(signature = (index, /))]
    fn bbo_of(&self, py: Python<'_>, index: u32) -> Option<Rows> {
        self.with(py, |books| books.bbo_of(index)).map(|rows| Rows(rows.into()))
    }

    #[pyo3(signature = (index, levels, /))]
    fn depth(&self, py: Python<'_>, index: u32, levels: usize) -> Option<Depth> {
        let depth = self.with(py, |books| books.depth(index, levels))?;
        Some((depth.state as u8, depth.since_seq, Rows(depth.bids.into()), Rows(depth.asks.into())))
    }

    #[pyo3(signature = (text, /))]
    fn find_text(&self, py: Python<'_>, text: &[u8]) -> Vec<u32> {
        self.with(py, |books| books.find_text(text))
    }

    #[pyo3(signature = (number, /))]
    fn find_number(&self, py: Python<'_>, number: u64) -> Vec<u32> {
        self.with(py, |books| books.find_number(number))
    }

    #[getter]
    fn orders(&self, py: Python<'_>) -> usize {
        self.with(py, |books| books.orders())
    }

    fn counters(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        json(&self.with(py, |books| *books.counters()))
    }

    #[getter]
    fn bbo_layout(&self, py: Python<'_>) -> Layout {
        Layout(self.with(py, |books| books.bbo_layout().clone()))
    }

    #[getter]
    fn level_layout(&self, py: Python<'_>) -> Layout {
        Layout(self.with(py, |books| books.level_layout().clone()))
    }
}

/// Number and name of each state of a book.
#[pyfunction]
pub fn book_states() -> Vec<(u8, &'static str)> {
    BOOK_STATES.iter().map(|(state, name)| (*state as u8, *name)).collect()
}
