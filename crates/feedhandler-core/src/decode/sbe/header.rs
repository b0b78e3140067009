//! The header in front of each message, as the schema lays it out.

use super::SbePlan;
use crate::field::IntField;
use crate::plan::PlanError;
use crate::spec::{IntSpec, SbeHeaderSpec};

/// A header, compiled.
#[derive(Debug)]
pub(super) struct Header {
    pub bytes: usize,
    block_length: IntField,
    template_id: IntField,
    schema_id: Option<IntField>,
    version: Option<IntField>,
}

/// What a header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub block_length: u64,
    pub template_id: u64,
    pub schema_id: u64,
    pub version: u64,
}

impl Header {
    /// Compiles a header.
    ///
    /// # Errors
    /// [`PlanError`] where a number stands outside of it.
    pub fn new(spec: &SbeHeaderSpec) -> Result<Self, PlanError> {
        let number = |field| number(field, spec.bytes, "message header");
        Ok(Self {
            bytes: spec.bytes,
            block_length: number(spec.block_length)?,
            template_id: number(spec.template_id)?,
            schema_id: spec.schema_id.map(number).transpose()?,
            version: spec.version.map(number).transpose()?,
        })
    }

    /// Reads the header at `start`; none where `bytes` ends before it does.
    #[inline(always)]
    pub fn read(&self, bytes: &[u8], start: usize, plan: &SbePlan) -> Option<Head> {
        Some(Head {
            block_length: self.block_length.load(bytes, start)?,
            template_id: self.template_id.load(bytes, start)?,
            schema_id: self.schema_id.map_or(Some(plan.schema_id), |field| field.load(bytes, start))?,
            version: self.version.map_or(Some(plan.version), |field| field.load(bytes, start))?,
        })
    }
}

/// A number in a header of `length` bytes.
///
/// # Errors
/// [`PlanError`] where it is outside of it, or has a width that a number cannot have.
pub(super) fn number(field: IntSpec, length: usize, name: &str) -> Result<IntField, PlanError> {
    let end = field.offset.checked_add(field.width);
    if (1..=8).contains(&field.width) && end.is_some_and(|end| end <= length) {
        return Ok(IntField::new(field));
    }
    let what = format!("a number of {} bytes at {} of {length}", field.width, field.offset);
    Err(PlanError::new(name, what))
}
