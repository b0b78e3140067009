//! Filters, as Python asks for them.

use feedhandler_core::filter::{self, Filter};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::plan::Plan;

/// An instrument that is wanted: a number of 64 bits, or text.
#[derive(FromPyObject)]
pub enum Instrument {
    /// The number that messages name it by.
    Number(u64),
    /// The text that messages name it by, or its symbol.
    Text(String),
}

/// The filter that lets `instruments` pass; none where all are wanted.
pub fn filter(plan: &Plan, instruments: Option<Vec<Instrument>>) -> PyResult<Option<Filter>> {
    let Some(instruments) = instruments else { return Ok(None) };
    let instruments = instruments.into_iter().map(|instrument| match instrument {
        Instrument::Number(number) => filter::Instrument::Number(number),
        Instrument::Text(text) => filter::Instrument::Text(text),
    });
    let filter = Filter::new(&plan.0, &instruments.collect::<Vec<_>>());
    filter.map(Some).map_err(|error| PyValueError::new_err(error.to_string()))
}
