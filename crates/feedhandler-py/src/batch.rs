//! Batches: tables as buffers that numpy looks at without a copy.

use std::ffi::c_int;
use std::sync::Arc;

use feedhandler_core::{Rows as CoreRows, batch};
use pyo3::exceptions::PyIndexError;
use pyo3::ffi;
use pyo3::prelude::*;

/// The rows of one table, as a read-only buffer.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Rows(pub Arc<CoreRows>);

#[pymethods]
impl Rows {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[expect(clippy::needless_pass_by_value, reason = "the interpreter's calling convention, by way of PyO3")]
    /// Hands the memory out; the view keeps this object, and this object the memory.
    ///
    /// # Safety
    /// Called by the interpreter only, which vouches for `view`.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes = slf.get().0.bytes();
        let length = ffi::Py_ssize_t::try_from(bytes.len())?;
        let memory = bytes.as_ptr().cast_mut().cast();
        // SAFETY: the memory is `length` bytes that live as long as `slf`, of which FillInfo takes a reference, and the
        // view is read-only.
        let status = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), memory, length, 1, flags) };
        if status == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// Messages and events, columns by table.
#[pyclass(frozen, module = "feedhandler._core")]
pub struct Batch(pub batch::Batch);

#[pymethods]
impl Batch {
    #[getter]
    fn size(&self) -> usize {
        self.0.order.len()
    }

    #[getter]
    fn queue_depth(&self) -> usize {
        self.0.queue_depth
    }

    #[pyo3(signature = (index, /))]
    fn table(&self, index: usize) -> PyResult<Option<Rows>> {
        let table = self.0.tables.get(index);
        let table = table.ok_or_else(|| PyIndexError::new_err(format!("no table {index} in this protocol")))?;
        Ok(table.clone().map(Rows))
    }

    fn order(&self) -> Rows {
        Rows(Arc::clone(&self.0.order))
    }

    fn events(&self) -> Rows {
        Rows(Arc::clone(&self.0.events))
    }
}
