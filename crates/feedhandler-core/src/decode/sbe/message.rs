//! A message type, compiled: its root block, and the groups and data behind it.

use std::ops::Range;

use super::block::{Block, data_columns};
use super::header::{Head, number};
use crate::field::IntField;
use crate::layout::Column;
use crate::plan::{MOST_MESSAGE_BYTES, PlanError, TablePlan};
use crate::spec::{SbeBlockSpec, SbeDataSpec, SbeGroupSpec, SbeMessageSpec};

/// Groups that may stand in each other.
pub(super) const MOST_DEPTH: usize = 8;

/// A message type.
#[derive(Debug)]
pub(super) struct Template {
    /// Index of its code, which is that among the templates.
    pub code: u16,
    pub root: Node,
    /// The tables of its groups.
    pub group_tables: Range<u16>,
}

/// A block, and what stands behind it: groups, then data.
#[derive(Debug)]
pub(super) struct Node {
    pub block: Block,
    pub groups: Box<[Group]>,
    pub data: Box<[Data]>,
}

/// A repeating group.
#[derive(Debug)]
pub(super) struct Group {
    pub since: u64,
    dimension_bytes: usize,
    block_length: IntField,
    count: IntField,
    pub entry: Node,
}

/// What a group's dimension says: its entries, the bytes of each entry's block, and where the first begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dimension {
    pub entries: u64,
    pub block_bytes: u64,
    pub end: usize,
}

/// Data of variable length.
#[derive(Debug)]
pub(super) struct Data {
    pub since: u64,
    length: IntField,
    /// Where its bytes begin, behind the length.
    bytes_at: usize,
    /// Columns of its bytes and of its length.
    pub columns: [Column; 2],
}

impl Template {
    /// Compiles a message, and appends its tables.
    ///
    /// # Errors
    /// [`PlanError`] where something stands outside of what holds it.
    pub fn new(spec: &SbeMessageSpec, code: u16, tables: &mut Vec<TablePlan>) -> Result<Self, PlanError> {
        let root = Node::new(&spec.block, vec![spec.code.text.clone()], 0, tables)?;
        let end = table_index(tables.len(), &spec.block.name)?;
        Ok(Self { code, group_tables: root.block.table + 1..end, root })
    }

    /// Where the message that `head` stands in front of ends; none where it does not within `bytes`.
    pub fn end(&self, head: &Head, bytes: &[u8], at: usize) -> Option<usize> {
        self.root.end(head.block_length, head.version, bytes, at, &mut { bytes.len() })
    }
}

impl Node {
    fn new(
        spec: &SbeBlockSpec,
        codes: Vec<String>,
        depth: usize,
        tables: &mut Vec<TablePlan>,
    ) -> Result<Self, PlanError> {
        if depth > MOST_DEPTH {
            return Err(PlanError::new(&spec.name, format!("at most {MOST_DEPTH} groups in each other")));
        }
        let (block, layout) = Block::new(spec, table_index(tables.len(), &spec.name)?, depth > 0)?;
        let columns = data_columns(spec, &layout);
        tables.push(TablePlan { name: spec.name.clone(), codes, is_group: depth > 0, layout });
        let groups = spec.groups.iter().map(|group| Group::new(group, depth + 1, tables)).collect::<Result<_, _>>()?;
        let data = spec.data.iter().zip(columns).map(|(data, columns)| Data::new(data, columns, &spec.name));
        Ok(Self { block, groups, data: data.collect::<Result<_, _>>()? })
    }

    /// Whether it is a block and nothing else.
    #[inline(always)]
    pub fn is_block(&self) -> bool {
        self.groups.is_empty() && self.data.is_empty()
    }

    /// Where a block of so many bytes at `at`, and what stands behind it, ends; none where it does not within `bytes`, or
    /// there are more entries than `allowance`.
    fn end(&self, block_bytes: u64, version: u64, bytes: &[u8], at: usize, allowance: &mut usize) -> Option<usize> {
        let mut at = within(at, block_bytes, bytes.len())?;
        for group in self.groups.iter().filter(|group| group.since <= version) {
            let Dimension { entries, block_bytes, end } = group.dimension(bytes, at, bytes.len())?;
            *allowance = allowance.checked_sub(usize::try_from(entries).ok()?)?;
            at = end;
            for _ in 0..entries {
                at = group.entry.end(block_bytes, version, bytes, at, allowance)?;
            }
        }
        for data in self.data.iter().filter(|data| data.since <= version) {
            at = data.find(bytes, at, bytes.len())?.end;
        }
        Some(at)
    }
}

impl Group {
    fn new(spec: &SbeGroupSpec, depth: usize, tables: &mut Vec<TablePlan>) -> Result<Self, PlanError> {
        let (dimension, name) = (spec.dimension, spec.block.name.as_str());
        Ok(Self {
            since: spec.since,
            dimension_bytes: dimension.bytes,
            block_length: number(dimension.block_length, dimension.bytes, name)?,
            count: number(dimension.num_in_group, dimension.bytes, name)?,
            entry: Node::new(&spec.block, Vec::new(), depth, tables)?,
        })
    }

    /// Reads the dimension at `at`; none where the message, the first `end` bytes of `slot`, ends before it does.
    #[inline(always)]
    pub fn dimension(&self, slot: &[u8], at: usize, end: usize) -> Option<Dimension> {
        let first = at + self.dimension_bytes;
        if first > end {
            return None;
        }
        let entries = self.count.load(slot, at)?;
        Some(Dimension { entries, block_bytes: self.block_length.load(slot, at)?, end: first })
    }
}

impl Data {
    fn new(spec: &SbeDataSpec, columns: [Column; 2], name: &str) -> Result<Self, PlanError> {
        if !(1..=MOST_MESSAGE_BYTES).contains(&spec.capacity) {
            return Err(PlanError::new(name, format!("a capacity of {} for {}", spec.capacity, spec.name)));
        }
        let length = number(spec.length, spec.data_offset, name)?;
        Ok(Self { since: spec.since, length, bytes_at: spec.data_offset, columns })
    }

    /// Where the data at `at` stands; none where the message, the first `end` bytes of `slot`, ends before it does.
    #[inline(always)]
    pub fn find(&self, slot: &[u8], at: usize, end: usize) -> Option<Range<usize>> {
        let start = at + self.bytes_at;
        if start > end {
            return None;
        }
        Some(start..within(start, self.length.load(slot, at)?, end)?)
    }

    /// Writes the columns of the data into its row.
    #[inline]
    pub fn write(&self, data: &[u8], row: &mut [u8]) {
        let [bytes, length] = &self.columns;
        let kept = data.len().min(bytes.width);
        row[bytes.offset..bytes.offset + kept].copy_from_slice(&data[..kept]);
        let whole = u32::try_from(data.len()).unwrap_or(u32::MAX);
        row[length.offset..length.offset + length.width].copy_from_slice(&whole.to_le_bytes());
    }

    /// Whether so much data is more than its column holds.
    pub fn is_cut(&self, data: &[u8]) -> bool {
        data.len() > self.columns[0].width
    }
}

/// `at + more`, where that is not beyond `end`.
#[inline(always)]
pub(super) fn within(at: usize, more: u64, end: usize) -> Option<usize> {
    let next = usize::try_from(more).ok().and_then(|more| at.checked_add(more))?;
    (next <= end).then_some(next)
}

fn table_index(index: usize, name: &str) -> Result<u16, PlanError> {
    u16::try_from(index).map_err(|_| PlanError::new(name, "too many tables"))
}
