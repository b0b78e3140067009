//! Plans and layouts: what Python makes dtypes from.

use std::sync::Arc;

use feedhandler_core::layout::RowLayout;
use feedhandler_core::{batch, event, plan};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Where the columns of a table's row stand.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Layout(pub RowLayout);

#[pymethods]
impl Layout {
    #[getter]
    fn row_bytes(&self) -> usize {
        self.0.row_bytes
    }

    #[getter]
    fn columns(&self) -> Vec<(String, String, usize)> {
        self.0.columns.iter().map(|column| (column.name.clone(), column.format.clone(), column.offset)).collect()
    }
}

/// A protocol declaration, compiled.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Plan(pub Arc<plan::Plan>);

#[pymethods]
impl Plan {
    #[new]
    #[pyo3(signature = (specification, /))]
    fn new(specification: &[u8]) -> PyResult<Self> {
        let plan = plan::Plan::from_json(specification).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self(Arc::new(plan)))
    }

    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    #[getter]
    fn has_file_form(&self) -> bool {
        self.0.file.is_some()
    }

    #[getter]
    fn tables(&self) -> Vec<(String, Vec<String>, Layout)> {
        let table = |table: &plan::TablePlan| (table.name.clone(), table.codes.clone(), Layout(table.layout.clone()));
        self.0.tables.iter().map(table).collect()
    }
}

/// Layout of `batch.events`.
#[pyfunction]
pub fn event_layout() -> Layout {
    Layout(event::layout())
}

/// Layout of `batch.order`.
#[pyfunction]
pub fn order_layout() -> Layout {
    Layout(batch::order_layout())
}

/// Number and name of each kind of event.
#[pyfunction]
pub fn event_kinds() -> Vec<(u8, &'static str)> {
    event::EVENT_KINDS.iter().map(|(kind, name)| (*kind as u8, *name)).collect()
}

/// Number and name of each cause of a loss.
#[pyfunction]
pub fn causes() -> Vec<(u8, &'static str)> {
    event::CAUSES.iter().map(|(cause, name)| (*cause as u8, *name)).collect()
}
