//! A protocol declaration, compiled: what framing and decode look up, checked once so that the hot path need not.

use std::fmt;
use std::sync::Arc;

use crate::book::BookPlan;
use crate::decode::{BinaryPlan, MsgpackPlan, SbePlan};
use crate::filter::InstrumentColumns;
use crate::framing::{Delimiter, Framing};
use crate::layout::RowLayout;
use crate::spec::{CodeSpec, InstrumentSpec, MessagesSpec, ProtocolSpec};

/// A compiled protocol.
#[derive(Debug)]
pub struct Plan {
    /// Name of the protocol.
    pub name: String,
    /// How datagrams are framed.
    pub framing: Framing,
    /// How messages are told apart in a file of bare messages.
    pub file: Option<Delimiter>,
    /// How messages are decoded.
    pub messages: MessagesPlan,
    /// One table a message, in the order of the declaration; those of a message's groups stand behind it.
    pub tables: Vec<TablePlan>,
    /// Every message type's code.
    pub codes: Vec<CodePlan>,
    /// What messages do to books, where the declaration says so.
    pub book: Option<Arc<BookPlan>>,
    /// Where messages say what instrument they are about, by table; none where they do not.
    pub instruments: Vec<Option<InstrumentColumns>>,
}

/// The decoder of a protocol's encoding.
#[derive(Debug)]
pub enum MessagesPlan {
    /// Fields at fixed offsets.
    Binary(BinaryPlan),
    /// msgpack objects.
    Msgpack(MsgpackPlan),
    /// FIX Simple Binary Encoding.
    Sbe(SbePlan),
}

/// The table of a message, or of a group of one.
#[derive(Debug)]
pub struct TablePlan {
    /// Name of the message, or of the group behind that of what it stands in.
    pub name: String,
    /// Codes that stand for it, as in the specification; a group has none.
    pub codes: Vec<String>,
    /// Whether its rows are entries of a group.
    pub is_group: bool,
    /// Its columns.
    pub layout: RowLayout,
}

/// A message type's code.
#[derive(Debug)]
pub struct CodePlan {
    /// As in the specification.
    pub text: String,
    /// Index of its table.
    pub table: u16,
}

/// A specification that no plan can be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Where in the specification.
    pub at: String,
    /// What was wrong.
    pub what: String,
}

impl PlanError {
    pub(crate) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl std::error::Error for PlanError {}

/// Messages that one protocol may declare.
const MOST_TABLES: usize = 4096;
/// Longest message that may be declared, in bytes: a UDP payload holds no more.
pub(crate) const MOST_MESSAGE_BYTES: usize = 65_535;

impl Plan {
    /// Compiles a specification given as JSON.
    ///
    /// # Errors
    /// [`PlanError`] where it is not JSON of the agreed form, or says something impossible.
    pub fn from_json(json: &[u8]) -> Result<Self, PlanError> {
        let spec: ProtocolSpec =
            serde_json::from_slice(json).map_err(|error| PlanError::new("specification", error.to_string()))?;
        Self::new(&spec)
    }

    /// Compiles a specification.
    ///
    /// # Errors
    /// [`PlanError`] where it says something impossible.
    pub fn new(spec: &ProtocolSpec) -> Result<Self, PlanError> {
        let framing = Framing::new(&spec.framing)?;
        let file = spec.file.as_ref().map(Delimiter::of_file).transpose()?;
        let (messages, tables) = compile(&spec.messages)?;
        if tables.is_empty() || tables.len() > MOST_TABLES {
            return Err(PlanError::new("messages", format!("1 to {MOST_TABLES} are needed, found {}", tables.len())));
        }
        if let (MessagesPlan::Msgpack(_), Some(Delimiter::Length(length))) = (&messages, &file)
            && length.is_zero_by_type()
        {
            return Err(PlanError::new("file", "the type of a msgpack message does not tell how long it is"));
        }
        let codes = codes_of(&tables);
        let book = spec.book.as_ref().map(|book| BookPlan::new(book, &framing, &tables).map(Arc::new)).transpose()?;
        let instruments = instruments_of(&spec.instruments, &tables)?;
        Ok(Self { name: spec.name.clone(), framing, file, messages, tables, codes, book, instruments })
    }
}

fn compile(spec: &MessagesSpec) -> Result<(MessagesPlan, Vec<TablePlan>), PlanError> {
    match spec {
        MessagesSpec::Binary { code, messages } => {
            let plan = BinaryPlan::new(*code, messages)?;
            let tables = messages.iter().zip(plan.layouts()).map(|(m, layout)| table(&m.name, &m.codes, layout));
            let tables = tables.collect();
            Ok((MessagesPlan::Binary(plan), tables))
        }
        MessagesSpec::Msgpack { code, messages } => {
            let plan = MsgpackPlan::new(code.as_deref(), messages)?;
            let tables = messages.iter().zip(plan.layouts()).map(|(m, layout)| table(&m.name, &m.codes, layout));
            let tables = tables.collect();
            Ok((MessagesPlan::Msgpack(plan), tables))
        }
        MessagesSpec::Sbe(spec) => SbePlan::new(spec).map(|(plan, tables)| (MessagesPlan::Sbe(plan), tables)),
    }
}

fn table(name: &str, codes: &[CodeSpec], layout: &RowLayout) -> TablePlan {
    let codes = codes.iter().map(|code| code.text.clone()).collect();
    TablePlan { name: name.to_owned(), codes, is_group: false, layout: layout.clone() }
}

fn instruments_of(specs: &[InstrumentSpec], tables: &[TablePlan]) -> Result<Vec<Option<InstrumentColumns>>, PlanError> {
    let mut columns = vec![None; tables.len()];
    for spec in specs {
        let found = tables.iter().zip(&mut columns).find(|(table, _)| table.name == spec.message);
        let (table, columns) =
            found.ok_or_else(|| PlanError::new("instruments", format!("there is no message {}", spec.message)))?;
        *columns = Some(InstrumentColumns::new(spec, &table.layout)?);
    }
    Ok(columns)
}

/// Codes in the order of the tables; a table without a code gets its name as one.
fn codes_of(tables: &[TablePlan]) -> Vec<CodePlan> {
    let mut codes = Vec::new();
    for (table, index) in tables.iter().zip(0_u16..) {
        if table.codes.is_empty() && !table.is_group {
            codes.push(CodePlan { text: table.name.clone(), table: index });
        }
        codes.extend(table.codes.iter().map(|text| CodePlan { text: text.clone(), table: index }));
    }
    codes
}
