//! FIX Simple Binary Encoding 1.0: blocks of fixed fields, groups of them, and data of variable length.
//!
//! A block, be it the root of a message or an entry of a group, is fields at fixed offsets, and so one byte permutation:
//! its row is written as those of fixed messages are ([`super::fixed`]). Each block is a table of its own. The row of an
//! entry says in `parent` which row of the enclosing block's table it belongs to.
//!
//! What a message is encoded by may be another version of the schema than the declared one (section 6, "Schema Extension
//! Mechanism"): block lengths are those on the wire, what came with a later version than the message's is missing from it,
//! and what stands behind the known fields is skipped.

mod block;
mod compact;
mod header;
mod message;
mod runs;
#[cfg(test)]
mod tests;
mod walk;
mod writer;

pub(super) use compact::Entries;
pub(super) use writer::packet;

use super::fixed::kernel::KernelKind;
use super::spans::TypeLength;
use crate::plan::{PlanError, TablePlan};
use crate::spec::{CodeValue, SbeMessageSpec, SbeSpec};
use compact::{Compact, CompactHeader};
use header::Header;
use message::Template;

/// Everything decode knows of a schema.
///
/// Invariant: each of `indices` is that of a template, or `UNKNOWN`.
#[derive(Debug)]
pub struct SbePlan {
    header: Header,
    schema_id: u64,
    version: u64,
    /// Index of the template by its id.
    indices: Box<[u16]>,
    templates: Vec<Template>,
    /// The header, where it is so short that messages can be of usual form, and those forms by index of the template.
    compact: Option<CompactHeader>,
    forms: Vec<Option<Compact>>,
    kernel: KernelKind,
}

const UNKNOWN: u16 = u16::MAX;
/// Greatest template id that may be declared.
const MOST_TEMPLATE_ID: usize = 0xffff;

impl SbePlan {
    /// Compiles a schema, and lays out its tables: for each message its own, and behind it those of its groups.
    ///
    /// # Errors
    /// [`PlanError`] where a field stands outside its block, or a number has a width that it cannot have.
    pub fn new(spec: &SbeSpec) -> Result<(Self, Vec<TablePlan>), PlanError> {
        let mut tables = Vec::new();
        let (mut templates, mut indices) = (Vec::new(), Vec::new());
        for (message, index) in spec.messages.iter().zip(0_u16..) {
            let error = |what: String| PlanError::new(&message.block.name, what);
            let id = template_id(message).ok_or_else(|| error(format!("a template id up to {MOST_TEMPLATE_ID}")))?;
            indices.resize(indices.len().max(id + 1), UNKNOWN);
            if indices[id] != UNKNOWN {
                return Err(error(format!("template id {id} is taken by another message")));
            }
            indices[id] = index;
            templates.push(Template::new(message, index, &mut tables)?);
        }
        let compact = CompactHeader::new(&spec.header);
        let forms = spec.messages.iter().zip(&templates).map(|(message, template)| {
            let dimensions: Vec<_> = message.block.groups.iter().map(|group| group.dimension).collect();
            let id = template_id(message)?;
            Compact::new(compact.as_ref()?, [spec.schema_id, id as u64], &template.root, &dimensions)
        });
        let plan = Self {
            forms: forms.collect(),
            compact,
            header: Header::new(&spec.header)?,
            schema_id: spec.schema_id,
            version: spec.version,
            indices: indices.into_boxed_slice(),
            templates,
            kernel: KernelKind::best(),
        };
        Ok((plan, tables))
    }

    /// The usual form of the messages of a template id and their code, where it is known and there is one.
    #[inline(always)]
    fn form(&self, id: u64) -> Option<(u16, &Compact)> {
        let index = *self.indices.get(usize::try_from(id).ok()?)?;
        Some((index, self.forms.get(usize::from(index))?.as_ref()?))
    }

    /// The message type of a template id, where it is known.
    #[inline(always)]
    fn template(&self, id: u64) -> Option<&Template> {
        let index = *self.indices.get(usize::try_from(id).ok()?)?;
        self.templates.get(usize::from(index))
    }
}

/// The template id of a message, where it is one.
fn template_id(message: &SbeMessageSpec) -> Option<usize> {
    let CodeValue::Int(id) = message.code.value else { return None };
    usize::try_from(id).ok().filter(|id| *id <= MOST_TEMPLATE_ID)
}

impl TypeLength for SbePlan {
    /// What is not known ends where everything does.
    fn length_by_type(&self, bytes: &[u8]) -> Option<usize> {
        let head = self.header.read(bytes, 0, self)?;
        match self.template(head.template_id).filter(|_| head.schema_id == self.schema_id) {
            Some(template) => template.end(&head, bytes, self.header.bytes),
            None => Some(bytes.len()),
        }
    }
}
