//! The general way to read an object: the tree of the declared paths, walked beside it.

use super::flat::Flat;
use super::leaf::{Leaf, null};
use super::path::read_key;
use super::seen::{FEW_KEYS, MOST_KEYS, Seen};
use crate::layout::RowLayout;
use crate::malformed::Reason;
use crate::msgpack::{Kind, Reader};
use crate::plan::PlanError;
use crate::spec::{MsgpackMessageSpec, StepSpec};

/// One message type, compiled.
#[derive(Debug)]
pub(super) struct Message {
    root: Node,
    /// A row whose every column is null, in pieces of [`PIECE`].
    pub template: Vec<[u8; PIECE]>,
    /// Fields that must be there.
    required: u32,
    /// The short way, where there is one.
    pub flat: Option<Flat>,
}

/// Bytes in which a template is copied.
const PIECE: usize = 16;

/// A place in the object.
#[derive(Debug)]
enum Node {
    /// Nothing that was declared: skip it.
    Skip,
    /// A field's value.
    Leaf(Leaf),
    /// Elements by position.
    Array(Vec<Node>),
    /// Elements by key.
    Map(Vec<(StepSpec, Node)>),
}

impl Message {
    pub fn new(spec: &MsgpackMessageSpec, layout: &RowLayout) -> Result<Self, PlanError> {
        let columns = &layout.columns[layout.columns.len() - spec.fields.len()..];
        let mut root = Node::Skip;
        let mut row = vec![0; layout.row_bytes.next_multiple_of(PIECE)];
        let mut required = 0;
        for (field, column) in spec.fields.iter().zip(columns) {
            required += u32::from(!field.optional);
            row[column.offset..column.offset + column.width].copy_from_slice(&null(field));
            root.insert(&field.path, Leaf::new(field, column.offset))
                .map_err(|what| PlanError::new(format!("{}.{}", spec.name, field.name), what))?;
        }
        let template = row.chunks_exact(PIECE).map(|piece| piece.try_into().unwrap_or([0; PIECE])).collect();
        let flat = root.elements().and_then(|elements| Flat::new(&elements, &row[..layout.row_bytes]));
        Ok(Self { root, template, required, flat })
    }

    /// Fills `row` from the object at `reader`.
    #[inline(always)]
    pub fn write(&self, reader: &mut Reader<'_>, row: &mut [u8]) -> Result<(), Reason> {
        let mut found = 0;
        self.root.write(reader, row, &mut found)?;
        if found == self.required { Ok(()) } else { Err(Reason::MissingField) }
    }
}

/// Positions beyond this are refused in a declaration: the plan has an entry for each.
const MOST_POSITION: usize = 65_535;

impl Node {
    /// Adds a field at the end of `path`.
    fn insert(&mut self, path: &[StepSpec], leaf: Leaf) -> Result<(), &'static str> {
        let Some((step, rest)) = path.split_first() else {
            if !matches!(self, Self::Skip) {
                return Err("two fields have this path, or one stands inside the other");
            }
            *self = Self::Leaf(leaf);
            return Ok(());
        };
        if let (Self::Skip, StepSpec::Index(_)) = (&self, step) {
            *self = Self::Array(Vec::new());
        } else if matches!(self, Self::Skip) {
            *self = Self::Map(Vec::new());
        }
        self.child(step)?.insert(rest, leaf)
    }

    /// The elements of an array that holds nothing but values.
    fn elements(&self) -> Option<Vec<Leaf>> {
        let Self::Array(elements) = self else { return None };
        let leaf = |node: &Self| if let Self::Leaf(leaf) = node { Some(*leaf) } else { None };
        elements.iter().map(leaf).collect()
    }

    fn child(&mut self, step: &StepSpec) -> Result<&mut Self, &'static str> {
        match (self, step) {
            (Self::Array(elements), StepSpec::Index(index)) if *index <= MOST_POSITION => {
                let needed = elements.len().max(index + 1);
                elements.resize_with(needed, || Self::Skip);
                Ok(&mut elements[*index])
            }
            (Self::Map(entries), StepSpec::Key(_) | StepSpec::IntKey { .. }) => {
                let known = entries.iter().position(|(key, _)| key == step);
                let at = known.unwrap_or(entries.len());
                if known.is_none() && at == MOST_KEYS {
                    return Err("a map has at most 4096 keys");
                }
                if known.is_none() {
                    entries.push((step.clone(), Self::Skip));
                }
                Ok(&mut entries[at].1)
            }
            _ => Err("one path goes by position where another goes by key, or ends"),
        }
    }

    #[inline(always)]
    fn write(&self, reader: &mut Reader<'_>, row: &mut [u8], found: &mut u32) -> Result<(), Reason> {
        match self {
            Self::Leaf(leaf) => leaf.write(reader, row, found),
            Self::Array(elements) => write_array(elements, reader, row, found),
            Self::Map(entries) => write_map(entries, reader, row, found),
            Self::Skip => reader.skip(),
        }
    }
}

#[inline]
fn write_array(elements: &[Node], reader: &mut Reader<'_>, row: &mut [u8], found: &mut u32) -> Result<(), Reason> {
    let head = reader.head()?;
    if head.kind != Kind::Array {
        return Err(Reason::WrongKind);
    }
    let declared = elements.iter().take(usize::try_from(head.number).unwrap_or(usize::MAX));
    for element in declared {
        match element {
            Node::Leaf(leaf) => leaf.write(reader, row, found)?,
            other => write_nested(other, reader, row, found)?,
        }
    }
    for _ in elements.len() as u64..head.number {
        reader.skip()?;
    }
    Ok(())
}

/// Containers inside containers: recursion no deeper than the declaration's paths are long.
fn write_nested(node: &Node, reader: &mut Reader<'_>, row: &mut [u8], found: &mut u32) -> Result<(), Reason> {
    node.write(reader, row, found)
}

fn write_map(
    entries: &[(StepSpec, Node)],
    reader: &mut Reader<'_>,
    row: &mut [u8],
    found: &mut u32,
) -> Result<(), Reason> {
    if entries.len() <= FEW_KEYS {
        write_entries(entries, reader, row, found, Seen::few())
    } else {
        write_entries(entries, reader, row, found, Seen::most())
    }
}

#[inline(always)]
fn write_entries<const WORDS: usize>(
    entries: &[(StepSpec, Node)],
    reader: &mut Reader<'_>,
    row: &mut [u8],
    found: &mut u32,
    mut seen: Seen<WORDS>,
) -> Result<(), Reason> {
    let head = reader.head()?;
    if head.kind != Kind::Map {
        return Err(Reason::WrongKind);
    }
    // Senders write their keys in one order: the entry behind the last one is the likeliest.
    let mut likely = 0;
    for _ in 0..head.number {
        let key = read_key(reader)?;
        let (behind, front) = (entries[likely..].iter(), entries[..likely].iter());
        let place = behind.chain(front).position(|(step, _)| key.is(step));
        match place.map(|place| (likely + place) % entries.len()) {
            Some(at) => {
                seen.note(at)?;
                write_nested(&entries[at].1, reader, row, found)?;
                likely = (at + 1) % entries.len();
            }
            None => reader.skip()?,
        }
    }
    Ok(())
}
