//! filter: messages about instruments that nobody asked for become no rows.
//!
//! A part of decode. A message's row is written where the next row of its table will stand, and is looked at there; one
//! that is not wanted is not made part of the batch, and the next is written over it. What is sequenced and what goes into
//! the digest are all messages, filter or not.
//!
//! Instruments are named by what stands in each message: a number or text. Where messages also carry the symbol that
//! people know (a directory message, and whatever has the same column), such a message says for itself whether it is
//! wanted, and introduces its instrument to the messages that carry the number only. Numbers are those of a session: what
//! was learned in one is put away when its channel leaves it, and holds again when the channel comes back.

use hashbrown::{HashMap, HashSet};

use crate::book::{Name, NameColumn};
use crate::layout::{LEADING_BYTES, RowLayout};
use crate::plan::{Plan, PlanError};
use crate::spec::InstrumentSpec;

/// An instrument that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instrument {
    /// The number that messages name it by, to 64 bits by its sign.
    Number(u64),
    /// The text that messages name it by, or its symbol.
    Text(String),
}

/// Where the rows of a table say what instrument they are about.
#[derive(Clone, Copy, Debug)]
pub struct InstrumentColumns {
    name: NameColumn,
    is_text: bool,
    /// What stands there in messages that are about none.
    nobody: Option<Name>,
    symbol: Option<NameColumn>,
}

impl InstrumentColumns {
    /// Compiles what the declaration says of a message.
    ///
    /// # Errors
    /// [`PlanError`] where it names no column, or one that holds no name.
    pub fn new(spec: &InstrumentSpec, layout: &RowLayout) -> Result<Self, PlanError> {
        let error = |what: &str| PlanError::new(format!("instruments.{}", spec.message), what.to_owned());
        let find = |name: &str| {
            let column = layout.columns.iter().find(|column| column.name == name)?;
            let is_text = column.format.starts_with('S');
            let is_name = is_text || column.format.starts_with(['u', 'i']);
            let name = NameColumn::new(column, layout.row_bytes).filter(|_| is_name)?;
            Some((name, is_text))
        };
        let (name, is_text) = find(&spec.column).ok_or_else(|| error("needs a column of integers or short text"))?;
        let symbol = spec.symbol.as_deref().map(|symbol| match find(symbol) {
            Some((column, true)) => Ok(column),
            _ => Err(error("needs a column of short text for symbols")),
        });
        let nobody =
            if is_text { Some(Name::default()) } else { spec.null.map(|null| Name::number(null.cast_unsigned())) };
        Ok(Self { name, is_text, nobody, symbol: symbol.transpose()? })
    }
}

/// What a row is to a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wanted,
    Unwanted,
    /// It says something new of which instrument has a wanted symbol: [`Filter::admits`] has to be asked.
    Introduces,
}

/// An instrument of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    channel: u16,
    is_text: bool,
    name: Name,
}

/// Instruments whose symbols are known at a time, over all channels, and as many of sessions that were left.
const MOST_INTRODUCED: usize = 1 << 16;

/// What was learned in a session that its channel has left.
#[derive(Clone, Debug)]
struct Left {
    channel: u16,
    session: u32,
    introduced: Vec<Key>,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Filter {
    /// By table; none where messages name no instrument.
    tables: Box<[Option<InstrumentColumns>]>,
    numbers: HashSet<Name>,
    texts: HashSet<Name>,
    /// Instruments whose symbol is one of `texts`.
    introduced: HashSet<Key>,
    /// Those that came or went since the packet began.
    changes: Vec<Key>,
    /// Number of the session that a channel is in.
    sessions: HashMap<u16, u32>,
    /// Oldest first.
    left: Vec<Left>,
}

impl Filter {
    /// A filter that lets messages about `wanted` pass, and those that are about no instrument.
    ///
    /// # Errors
    /// [`PlanError`] where the protocol's messages cannot be told apart by what is wanted.
    pub fn new(plan: &Plan, wanted: &[Instrument]) -> Result<Self, PlanError> {
        let columns = || plan.instruments.iter().flatten();
        let error = |what: String| Err(PlanError::new(&plan.name, what));
        let mut filter = Self {
            tables: plan.instruments.clone().into_boxed_slice(),
            numbers: HashSet::new(),
            texts: HashSet::new(),
            introduced: HashSet::new(),
            changes: Vec::new(),
            sessions: HashMap::new(),
            left: Vec::new(),
        };
        for instrument in wanted {
            match instrument {
                Instrument::Number(value) if columns().any(|columns| !columns.is_text) => {
                    filter.numbers.insert(Name::number(*value));
                }
                Instrument::Text(text) if columns().any(|columns| columns.is_text || columns.symbol.is_some()) => {
                    let Some(name) = Name::text(text.as_bytes()) else {
                        return error(format!("no instrument has a name as long as {text}"));
                    };
                    filter.texts.insert(name);
                }
                _ => return error(format!("no message names its instrument as {instrument:?} does")),
            }
        }
        Ok(filter)
    }

    /// What the row of a message is; the whole row must be given.
    #[inline]
    pub(crate) fn judge(&self, table: u16, row: &[u8]) -> Verdict {
        let Some(columns) = &self.tables[usize::from(table)] else { return Verdict::Wanted };
        let name = columns.name.read(row);
        let is_nobody = columns.nobody == Some(name);
        let is_introduced = !self.introduced.is_empty() && self.introduced.contains(&key(columns, name, row));
        let is_wanted = match symbol(columns, row) {
            None => is_nobody || is_introduced || self.names(columns).contains(&name),
            Some(symbol) => {
                let is_symbol_wanted = self.texts.contains(&symbol);
                if is_symbol_wanted != is_introduced && !is_nobody {
                    return Verdict::Introduces;
                }
                is_symbol_wanted || self.names(columns).contains(&name)
            }
        };
        if is_wanted { Verdict::Wanted } else { Verdict::Unwanted }
    }

    /// Whether the row of a message is wanted; what it says of symbols holds from now on.
    pub(crate) fn admits(&mut self, table: u16, row: &[u8]) -> bool {
        let verdict = self.judge(table, row);
        let Some(columns) = self.tables[usize::from(table)].filter(|_| verdict == Verdict::Introduces) else {
            return verdict == Verdict::Wanted;
        };
        let name = columns.name.read(row);
        self.change(key(&columns, name, row));
        symbol(&columns, row).is_some_and(|symbol| self.texts.contains(&symbol)) || self.names(&columns).contains(&name)
    }

    /// A channel comes into a session, by its number among the channel's: in a new one, instruments are numbered anew.
    #[cold]
    pub(crate) fn enter(&mut self, channel: u16, session: u32) {
        let left = self.sessions.insert(channel, session);
        if left == Some(session) {
            return;
        }
        let introduced: Vec<_> = self.introduced.extract_if(|key| key.channel == channel).collect();
        if let Some(session) = left.filter(|_| !introduced.is_empty()) {
            self.left.push(Left { channel, session, introduced });
        }
        if let Some(at) = self.left.iter().position(|left| (left.channel, left.session) == (channel, session)) {
            let room = MOST_INTRODUCED.saturating_sub(self.introduced.len());
            self.introduced.extend(self.left.remove(at).introduced.into_iter().take(room));
        }
        while self.left.iter().map(|left| left.introduced.len()).sum::<usize>() > MOST_INTRODUCED {
            self.left.remove(0);
        }
    }

    /// The packet was decoded to its end.
    #[inline]
    pub(crate) fn keep(&mut self) {
        self.changes.clear();
    }

    /// The packet is of no use, and so is what it said.
    #[cold]
    pub(crate) fn undo(&mut self) {
        // Backwards, so that there is room again for what had to go.
        for key in std::mem::take(&mut self.changes).into_iter().rev() {
            self.change(key);
        }
        self.changes.clear();
    }

    fn change(&mut self, key: Key) {
        if self.introduced.remove(&key) || self.introduced.len() < MOST_INTRODUCED && self.introduced.insert(key) {
            self.changes.push(key);
        }
    }

    fn names(&self, columns: &InstrumentColumns) -> &HashSet<Name> {
        if columns.is_text { &self.texts } else { &self.numbers }
    }
}

#[inline]
fn key(columns: &InstrumentColumns, name: Name, row: &[u8]) -> Key {
    let channel = u16::from_le_bytes([row[LEADING_BYTES - 2], row[LEADING_BYTES - 1]]);
    Key { channel, is_text: columns.is_text, name }
}

/// The symbol in a row, where there is one.
#[inline]
fn symbol(columns: &InstrumentColumns, row: &[u8]) -> Option<Name> {
    columns.symbol.map(|symbol| symbol.read(row)).filter(|symbol| *symbol != Name::default())
}
