//! The usual form of a message, which the hot loops look at: headers of at most eight bytes, each loaded at once.
//!
//! A message is usual where it is a root and groups of blocks, all as long as the schema states, of a version that has all
//! of them. Whatever else comes is left to [`super::walk`].

use super::block::Block;
use super::message::Node;
use crate::decode::fixed::kernel::Kernel;
use crate::decode::fixed::message::Message;
use crate::spec::{ByteOrder, IntSpec, SbeDimensionSpec, SbeHeaderSpec};

const WORD_BYTES: usize = 8;
const MOST_COUNT_BYTES: usize = 4;

/// A number within a word of eight bytes.
#[derive(Clone, Copy, Debug)]
struct Part {
    shift: u32,
    mask: u64,
}

impl Part {
    /// None where the number is not within the first eight bytes.
    fn new(spec: IntSpec) -> Option<Self> {
        let end = spec.offset.checked_add(spec.width).filter(|end| *end <= WORD_BYTES && spec.width > 0)?;
        let first = match spec.byte_order {
            ByteOrder::Little => spec.offset,
            ByteOrder::Big => WORD_BYTES - end,
        };
        let unused = u32::try_from(WORD_BYTES - spec.width).ok()? * 8;
        Some(Self { shift: u32::try_from(first).ok()? * 8, mask: u64::MAX >> unused })
    }

    #[inline(always)]
    fn of(self, word: u64) -> u64 {
        word >> self.shift & self.mask
    }

    /// The bits of a word where the number stands, and what they are where it is `value`.
    fn holding(self, value: u64) -> [u64; 2] {
        [self.mask << self.shift, (value & self.mask) << self.shift]
    }
}

/// The message header as one word.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompactHeader {
    bytes: usize,
    pub is_big: bool,
    template_id: Part,
    version: Option<Part>,
    block_length: Part,
    schema_id: Option<Part>,
}

impl CompactHeader {
    /// None where the header is longer.
    pub fn new(spec: &SbeHeaderSpec) -> Option<Self> {
        let part = |field: Option<IntSpec>| match field {
            None => Some(None),
            Some(field) => Part::new(field).map(Some),
        };
        Some(Self {
            bytes: spec.bytes,
            is_big: spec.template_id.byte_order == ByteOrder::Big,
            template_id: Part::new(spec.template_id)?,
            version: part(spec.version)?,
            block_length: Part::new(spec.block_length)?,
            schema_id: part(spec.schema_id)?,
        })
    }

    #[inline(always)]
    pub fn template_id(&self, word: u64) -> u64 {
        self.template_id.of(word)
    }
}

/// The usual form of a message.
#[derive(Debug)]
pub(super) struct Compact {
    /// Bits of the header that are the same in all such messages, and what they are.
    head: [u64; 2],
    version: Option<Part>,
    complete_since: u64,
    /// Whether all of its rows are [one move](Message::is_one_move).
    are_moves: bool,
    /// Where in the message its root, and what is behind it, begin.
    pub root_at: usize,
    pub groups_at: usize,
    pub root: Message,
    pub groups: Box<[CompactGroup]>,
}

/// The usual form of a group.
///
/// Invariants: the count has at most four bytes, and blocks have one at least.
#[derive(Debug)]
pub(super) struct CompactGroup {
    dimension_bytes: usize,
    pub block_bytes: usize,
    count: Part,
    head: [u64; 2],
    pub block: Message,
}

/// The entries of a group in a payload: where the first begins, and how many there are.
#[derive(Clone, Copy, Debug)]
pub(in crate::decode) struct Entries {
    pub at: u32,
    pub count: u32,
}

impl Compact {
    /// The usual form of a message of that schema and template; none where it has none.
    pub fn new(
        header: &CompactHeader,
        [schema_id, template_id]: [u64; 2],
        root: &Node,
        dimensions: &[SbeDimensionSpec],
    ) -> Option<Self> {
        let is_flat = root.data.is_empty() && root.groups.iter().all(|group| group.entry.is_block());
        let groups = root.groups.iter().zip(dimensions);
        let groups = groups.map(|(group, dimension)| CompactGroup::new(*dimension, &group.entry.block));
        let since = root.groups.iter().map(|group| group.since.max(group.entry.block.complete_since));
        let schema = header.schema_id.map(|schema| schema.holding(schema_id));
        let parts = [header.block_length.holding(root.block.declared), header.template_id.holding(template_id)];
        let head =
            parts.into_iter().chain(schema).fold([0; 2], |[mask, value], part| [mask | part[0], value | part[1]]);
        let are_moves = |block: &Block| block.message.is_one_move();
        is_flat.then_some(())?;
        Some(Self {
            head,
            version: header.version,
            are_moves: are_moves(&root.block) && root.groups.iter().all(|group| are_moves(&group.entry.block)),
            complete_since: since.max().unwrap_or(0).max(root.block.complete_since),
            root_at: header.bytes,
            groups_at: header.bytes + usize::try_from(root.block.declared).ok()?,
            root: root.block.message.clone(),
            groups: groups.collect::<Option<_>>()?,
        })
    }

    /// Whether `K` can write all of its rows as blocks.
    #[inline(always)]
    pub fn suits<K: Kernel>(&self) -> bool {
        self.are_moves || !K::BLOCKS_ARE_MOVES
    }

    /// Whether a message that begins with `word` is of this form, as far as its header says.
    #[inline(always)]
    pub fn is(&self, word: u64) -> bool {
        let [mask, value] = self.head;
        word & mask == value && self.version.is_none_or(|version| version.of(word) >= self.complete_since)
    }
}

impl CompactGroup {
    fn new(dimension: SbeDimensionSpec, block: &Block) -> Option<Self> {
        let is_bounded = dimension.num_in_group.width <= MOST_COUNT_BYTES && block.declared > 0;
        is_bounded.then_some(())?;
        Some(Self {
            dimension_bytes: dimension.bytes,
            block_bytes: usize::try_from(block.declared).ok()?,
            count: Part::new(dimension.num_in_group)?,
            head: Part::new(dimension.block_length)?.holding(block.declared),
            block: block.message.clone(),
        })
    }

    /// The entries of a group whose dimension is at `at` and begins with `word`, and where they end; none where they are not
    /// usual, or end behind `end`.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a count has at most four bytes, and a payload is shorter than 4 GiB"
    )]
    pub fn entries(&self, word: u64, at: usize, end: usize) -> Option<(Entries, usize)> {
        let [mask, value] = self.head;
        let (count, at) = (self.count.of(word) as u32, at + self.dimension_bytes);
        // Neither factor has more than four bytes.
        let behind = at + count as usize * self.block_bytes;
        (word & mask == value && behind <= end).then_some((Entries { at: at as u32, count }, behind))
    }
}
