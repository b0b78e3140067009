//! Messages of FIX Simple Binary Encoding 1.0: a schema, resolved.

use serde::{Deserialize, Serialize};

use super::{BinaryFieldSpec, CodeSpec, IntSpec};

/// A schema: one version of the messages, which those of other versions are read by as well.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SbeSpec {
    /// The header in front of each message.
    pub header: SbeHeaderSpec,
    /// Which schema: messages of others are unknown.
    pub schema_id: u64,
    /// Its version.
    pub version: u64,
    /// The messages.
    pub messages: Vec<SbeMessageSpec>,
}

/// The header in front of each message.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SbeHeaderSpec {
    /// Its length.
    pub bytes: usize,
    /// Length of the root block.
    pub block_length: IntSpec,
    /// Type of the message.
    pub template_id: IntSpec,
    /// Schema of the message; without it, all are of this one.
    pub schema_id: Option<IntSpec>,
    /// Version of the schema that the message was encoded by; without it, this one.
    pub version: Option<IntSpec>,
}

/// A message.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SbeMessageSpec {
    /// Its template id.
    pub code: CodeSpec,
    /// What is in it.
    pub block: SbeBlockSpec,
}

/// The root of a message, or an entry of a group: a block of fixed fields, then groups, then data. Its rows are a table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SbeBlockSpec {
    /// Name of the table.
    pub name: String,
    /// Length of the fixed fields and the padding behind them, as the schema states it.
    pub length: usize,
    /// Fixed fields, in the order of the columns.
    pub fields: Vec<SbeFieldSpec>,
    /// Groups, in wire order.
    pub groups: Vec<SbeGroupSpec>,
    /// Variable-length data, in wire order, behind the groups.
    pub data: Vec<SbeDataSpec>,
}

/// A fixed field.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SbeFieldSpec {
    /// Where it stands in the block.
    pub field: BinaryFieldSpec,
    /// Version of the schema that it came with.
    pub since: u64,
    /// What the column holds where it is missing, as the bits of a number (text and bytes: 0, for zeros).
    pub null: i64,
}

/// A repeating group.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SbeGroupSpec {
    /// Version of the schema that it came with.
    pub since: u64,
    /// What stands in front of the entries.
    pub dimension: SbeDimensionSpec,
    /// An entry.
    pub block: SbeBlockSpec,
}

/// What stands in front of a group's entries.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SbeDimensionSpec {
    /// Its length.
    pub bytes: usize,
    /// Length of each entry's block.
    pub block_length: IntSpec,
    /// Number of entries.
    pub num_in_group: IntSpec,
}

/// Variable-length data: two columns, the first bytes of it and its true length.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SbeDataSpec {
    /// Name of the column of bytes.
    pub name: String,
    /// Name of the column of the length.
    pub length_name: String,
    /// Version of the schema that it came with.
    pub since: u64,
    /// Where its length stands.
    pub length: IntSpec,
    /// Where its bytes begin, counted from the beginning of what holds the length.
    pub data_offset: usize,
    /// Bytes that the column holds at most.
    pub capacity: usize,
    /// Whether it is text.
    pub is_text: bool,
}
