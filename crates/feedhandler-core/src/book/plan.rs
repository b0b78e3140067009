//! What messages do to books, compiled: every action with the columns that it reads, checked once.

use super::column::{NameColumn, NumberColumn, SideColumn, Word};
use super::number::Number;
use crate::framing::Framing;
use crate::layout::{Column, RowLayout};
use crate::plan::{PlanError, TablePlan};
use crate::spec::{BookAction, BookColumnSpec, BookEventSpec, BookSpec, CodeValue, SequenceUnit};

/// What messages do to books.
#[derive(Debug)]
pub struct BookPlan {
    /// By table; none where the message has no part in a book.
    pub(super) events: Vec<Option<EventPlan>>,
    /// Bytes of a row, by table.
    pub(super) row_bytes: Vec<usize>,
    /// Sequence number of a session's first unit; none where nothing has a number, so that a beginning cannot be known.
    pub(super) first_sequence: Option<u64>,
    /// Instruments are introduced by a directory message.
    pub(super) has_directory: bool,
    /// Every message about an order names its instrument, so that an order's identity need be unique only there.
    pub(super) orders_are_of_instruments: bool,
    /// The column of instruments in the rows that books give out: a number or text.
    pub(super) instrument: (String, usize),
    /// Bytes of the column of symbols.
    pub(super) symbol_bytes: usize,
    /// What prices are.
    pub(super) price: Number,
    /// What sizes are.
    pub(super) size: Number,
}

/// What a message does, and where it says so.
#[derive(Debug)]
pub(super) enum EventPlan {
    Add { instrument: NameColumn, id: Word, side: SideColumn, price: NumberColumn, size: NumberColumn },
    Reduce { order: OrderColumns, size: NumberColumn },
    Modify { order: OrderColumns, price: Option<NumberColumn>, size: NumberColumn },
    Replace { order: OrderColumns, id: Word, price: NumberColumn, size: NumberColumn },
    Delete { order: OrderColumns },
    Level(LevelColumns),
    Quote { instrument: NameColumn, bid: QuoteColumns, ask: QuoteColumns },
    Directory { instrument: NameColumn, symbol: NameColumn },
    Clear { instrument: NameColumn },
    ClearAll,
}

/// Where a message says which order it is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderColumns {
    pub(super) instrument: Option<NameColumn>,
    pub(super) id: Word,
}

/// Where a message says what stands at a price.
#[derive(Debug)]
pub(super) struct LevelColumns {
    pub(super) instrument: NameColumn,
    pub(super) side: SideColumn,
    pub(super) price: NumberColumn,
    pub(super) size: NumberColumn,
    pub(super) complete: Option<Word>,
}

/// Where a message says what the best of a side is.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuoteColumns {
    pub(super) price: NumberColumn,
    pub(super) size: NumberColumn,
}

impl BookPlan {
    /// Compiles what messages of `tables` do to books.
    ///
    /// # Errors
    /// [`PlanError`] where it names what is not there, or what no book can be made of.
    pub fn new(spec: &BookSpec, framing: &Framing, tables: &[TablePlan]) -> Result<Self, PlanError> {
        let mut plan = Self {
            events: Vec::new(),
            row_bytes: tables.iter().map(|table| table.layout.row_bytes).collect(),
            first_sequence: (framing.unit != SequenceUnit::Nothing).then_some(framing.first_sequence),
            has_directory: has(spec, &[BookAction::Directory]),
            orders_are_of_instruments: of(spec, &ORDER_ACTIONS).all(|event| event.instrument.is_some()),
            instrument: (String::new(), 0),
            symbol_bytes: 0,
            price: Number::Integer,
            size: Number::Integer,
        };
        plan.events.resize_with(tables.len(), || None);
        if spec.events.is_empty() || (has(spec, &ORDER_ACTIONS) && has(spec, &[BookAction::Level])) {
            return Err(PlanError::new("book", "events are needed, of orders or of levels and not of both"));
        }
        let mut agreed = Agreed::default();
        for event in &spec.events {
            let (index, table) = tables
                .iter()
                .enumerate()
                .find(|(_, table)| table.name == event.message)
                .ok_or_else(|| PlanError::new("book", format!("there is no message {}", event.message)))?;
            let mut roles = Roles { spec, event, layout: &table.layout, agreed: &mut agreed };
            plan.events[index] = Some(roles.event()?);
        }
        plan.price = agreed.price.unwrap_or(Number::Integer);
        plan.size = agreed.size.unwrap_or(Number::Integer);
        plan.instrument = agreed.instrument_format();
        plan.symbol_bytes = agreed.symbol_bytes.max(agreed.text_bytes).max(1);
        Ok(plan)
    }

    /// Whether instruments are named by text, and not by a number.
    pub(super) fn instruments_are_text(&self) -> bool {
        self.instrument.0.starts_with('S')
    }
}

/// What makes a book of orders.
const ORDER_ACTIONS: [BookAction; 6] = [
    BookAction::Add,
    BookAction::Reduce,
    BookAction::Modify,
    BookAction::Replace,
    BookAction::Delete,
    BookAction::Execute,
];

fn of<'a>(spec: &'a BookSpec, actions: &'a [BookAction]) -> impl Iterator<Item = &'a BookEventSpec> {
    spec.events.iter().filter(|event| actions.contains(&event.action))
}

fn has(spec: &BookSpec, actions: &[BookAction]) -> bool {
    of(spec, actions).next().is_some()
}

/// What must be the same in every message, as far as it is known.
#[derive(Default)]
struct Agreed {
    price: Option<Number>,
    size: Option<Number>,
    is_text: Option<bool>,
    /// Widest column of text that names an instrument.
    text_bytes: usize,
    symbol_bytes: usize,
}

impl Agreed {
    fn instrument_format(&self) -> (String, usize) {
        if self.is_text == Some(true) { (format!("S{}", self.text_bytes), self.text_bytes) } else { ("u8".into(), 8) }
    }
}

/// One event, and the row that its columns stand in.
struct Roles<'a> {
    spec: &'a BookSpec,
    event: &'a BookEventSpec,
    layout: &'a RowLayout,
    agreed: &'a mut Agreed,
}

impl Roles<'_> {
    fn event(&mut self) -> Result<EventPlan, PlanError> {
        let event = self.event;
        if event.complete.is_some() && event.action != BookAction::Level {
            return Err(self.error("complete", "has a meaning for levels only"));
        }
        Ok(match event.action {
            BookAction::Add => EventPlan::Add {
                instrument: self.instrument()?,
                id: self.word("order_id", event.order_id.as_ref())?,
                side: self.side()?,
                price: self.price("price", event.price.as_ref())?,
                size: self.order_size()?,
            },
            BookAction::Reduce | BookAction::Execute => {
                EventPlan::Reduce { order: self.order()?, size: self.order_size()? }
            }
            BookAction::Modify => {
                let price = event.price.as_ref().map(|price| self.price("price", Some(price))).transpose()?;
                EventPlan::Modify { order: self.order()?, price, size: self.order_size()? }
            }
            BookAction::Replace => EventPlan::Replace {
                order: self.order()?,
                id: self.word("new_order_id", event.new_order_id.as_ref())?,
                price: self.price("price", event.price.as_ref())?,
                size: self.order_size()?,
            },
            BookAction::Delete => EventPlan::Delete { order: self.order()? },
            BookAction::Level => EventPlan::Level(self.level()?),
            BookAction::Quote => EventPlan::Quote {
                instrument: self.instrument()?,
                bid: self.quote(("bid_price", event.bid_price.as_ref()), ("bid_size", event.bid_size.as_ref()))?,
                ask: self.quote(("ask_price", event.ask_price.as_ref()), ("ask_size", event.ask_size.as_ref()))?,
            },
            BookAction::Directory => EventPlan::Directory { instrument: self.instrument()?, symbol: self.symbol()? },
            BookAction::Clear => EventPlan::Clear { instrument: self.instrument()? },
            BookAction::ClearAll => EventPlan::ClearAll,
        })
    }

    fn level(&mut self) -> Result<LevelColumns, PlanError> {
        let event = self.event;
        Ok(LevelColumns {
            instrument: self.instrument()?,
            side: self.side()?,
            price: self.price("price", event.price.as_ref())?,
            size: self.size("size", event.size.as_ref())?,
            complete: event.complete.as_ref().map(|complete| self.word("complete", Some(complete))).transpose()?,
        })
    }

    fn order(&mut self) -> Result<OrderColumns, PlanError> {
        let instrument = self.event.instrument.is_some().then(|| self.instrument()).transpose()?;
        Ok(OrderColumns { instrument, id: self.word("order_id", self.event.order_id.as_ref())? })
    }

    fn quote(&mut self, price: Role<'_>, size: Role<'_>) -> Result<QuoteColumns, PlanError> {
        Ok(QuoteColumns { price: self.price(price.0, price.1)?, size: self.size(size.0, size.1)? })
    }

    fn instrument(&mut self) -> Result<NameColumn, PlanError> {
        let (column, name) = self.name("instrument", self.event.instrument.as_ref())?;
        let is_text = column.format.starts_with('S');
        if *self.agreed.is_text.get_or_insert(is_text) != is_text {
            return Err(self.error("instrument", "is a number in one message and text in another"));
        }
        if is_text {
            self.agreed.text_bytes = self.agreed.text_bytes.max(column.width);
        }
        Ok(name)
    }

    fn symbol(&mut self) -> Result<NameColumn, PlanError> {
        let (column, name) = self.name("symbol", self.event.symbol.as_ref())?;
        if !column.format.starts_with('S') {
            return Err(self.error("symbol", "must be text"));
        }
        self.agreed.symbol_bytes = self.agreed.symbol_bytes.max(column.width);
        Ok(name)
    }

    fn name(&self, role: &str, spec: Option<&BookColumnSpec>) -> Result<(Column, NameColumn), PlanError> {
        let column = self.column(role, spec)?.clone();
        let name = column.format.starts_with(['u', 'i', 'S']).then(|| NameColumn::new(&column, self.layout.row_bytes));
        let name = name.flatten().ok_or_else(|| self.error(role, "is neither an integer nor short text"))?;
        Ok((column, name))
    }

    fn word(&self, role: &str, spec: Option<&BookColumnSpec>) -> Result<Word, PlanError> {
        let column = self.column(role, spec)?;
        let word = column.format.starts_with(['u', 'i', 'S']).then(|| Word::new(column, self.layout.row_bytes));
        word.flatten().ok_or_else(|| self.error(role, "is neither an integer nor text of at most 8 bytes"))
    }

    fn side(&self) -> Result<SideColumn, PlanError> {
        let word = self.word("side", self.event.side.as_ref())?;
        let words = |values: &[CodeValue]| values.iter().map(|value| self.side_word(value)).collect::<Result<_, _>>();
        Ok(SideColumn::new(word, words(&self.spec.buy)?, words(&self.spec.sell)?))
    }

    fn side_word(&self, value: &CodeValue) -> Result<u64, PlanError> {
        match value {
            CodeValue::Int(value) => Ok(value.cast_unsigned()),
            CodeValue::Text(text) => {
                let mut word = [0; 8];
                let start = word.get_mut(..text.len()).ok_or_else(|| self.error("side", "has a value too long"))?;
                start.copy_from_slice(text.as_bytes());
                Ok(u64::from_le_bytes(word))
            }
        }
    }

    fn price(&mut self, role: &str, spec: Option<&BookColumnSpec>) -> Result<NumberColumn, PlanError> {
        let column = self.number(role, spec)?.times(spec.and_then(|spec| spec.factor));
        if *self.agreed.price.get_or_insert(column.number()) != column.number() {
            return Err(self.error(role, "is an integer in one message and a float in another"));
        }
        Ok(column)
    }

    fn size(&mut self, role: &str, spec: Option<&BookColumnSpec>) -> Result<NumberColumn, PlanError> {
        let column = self.number(role, spec)?;
        if *self.agreed.size.get_or_insert(column.number()) != column.number() {
            return Err(self.error(role, "is an integer in one message and a float in another"));
        }
        Ok(column)
    }

    /// Sizes of orders are added and subtracted, which floats do not survive.
    fn order_size(&mut self) -> Result<NumberColumn, PlanError> {
        let size = self.event.size.as_ref();
        if self.number("size", size)?.number() == Number::Float {
            return Err(self.error("size", "of an order must be an integer"));
        }
        self.size("size", size)
    }

    fn number(&self, role: &str, spec: Option<&BookColumnSpec>) -> Result<NumberColumn, PlanError> {
        let null = spec.and_then(|spec| spec.null);
        let column = NumberColumn::new(self.column(role, spec)?, self.layout.row_bytes, null);
        column.ok_or_else(|| self.error(role, "is no number"))
    }

    fn column(&self, role: &str, spec: Option<&BookColumnSpec>) -> Result<&Column, PlanError> {
        let spec = spec.ok_or_else(|| self.error(role, "is needed"))?;
        let column = self.layout.columns.iter().find(|column| column.name == spec.column);
        column.ok_or_else(|| self.error(role, &format!("is said to be {}, which is no column", spec.column)))
    }

    fn error(&self, role: &str, what: &str) -> PlanError {
        PlanError::new(format!("book.{}", self.event.message), format!("{role} {what}"))
    }
}

/// What a column means, and the column.
type Role<'a> = (&'a str, Option<&'a BookColumnSpec>);
