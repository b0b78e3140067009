//! A venue of few instruments: its messages, and the protocols that they can be declared as.

use feedhandler_core::plan::Plan;
use serde_json::{Value, json};

/// Buy or sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Buy,
    Sell,
}

/// What stands in a quote that has no such side.
pub const NO_PRICE: i32 = i32::MIN;

/// A message of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    Directory { instrument: u16, symbol: [u8; 8] },
    Add { instrument: u16, id: u64, side: Side, price: i32, size: u32 },
    Reduce { instrument: u16, id: u64, size: u32 },
    Modify { instrument: u16, id: u64, price: i32, size: u32 },
    Replace { instrument: u16, id: u64, new_id: u64, price: i32, size: u32 },
    Delete { instrument: u16, id: u64 },
    Level { instrument: u16, side: Side, price: i32, size: u32, complete: bool },
    Quote { instrument: u16, bid: (i32, u32), ask: (i32, u32) },
    Clear { instrument: u16 },
    ClearAll,
    Trade { instrument: u16 },
}

impl Message {
    pub fn instrument(&self) -> u16 {
        match *self {
            Self::Directory { instrument, .. }
            | Self::Add { instrument, .. }
            | Self::Reduce { instrument, .. }
            | Self::Modify { instrument, .. }
            | Self::Replace { instrument, .. }
            | Self::Delete { instrument, .. }
            | Self::Level { instrument, .. }
            | Self::Quote { instrument, .. }
            | Self::Clear { instrument }
            | Self::Trade { instrument } => instrument,
            Self::ClearAll => 0,
        }
    }

    /// As it stands on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let with = |code: u8| Bytes(vec![code]).put(self.instrument().to_be_bytes());
        let bytes = match *self {
            Self::Directory { symbol, .. } => with(b'R').put(symbol),
            Self::Add { id, side, price, size, .. } => with(b'A').id(id).side(side).price(price).size(size),
            Self::Reduce { id, size, .. } => with(b'X').id(id).size(size),
            Self::Modify { id, price, size, .. } => with(b'M').id(id).price(price).size(size),
            Self::Replace { id, new_id, price, size, .. } => with(b'U').id(id).id(new_id).price(price).size(size),
            Self::Delete { id, .. } => with(b'D').id(id),
            Self::Level { side, price, size, complete, .. } => {
                with(b'L').side(side).price(price).size(size).put([complete.into()])
            }
            Self::Quote { bid, ask, .. } => with(b'Q').price(bid.0).size(bid.1).price(ask.0).size(ask.1),
            Self::Clear { .. } => with(b'C'),
            Self::ClearAll => with(b'Z'),
            Self::Trade { .. } => with(b'T'),
        };
        bytes.0
    }
}

/// A message being written.
struct Bytes(Vec<u8>);

impl Bytes {
    fn put<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn id(self, id: u64) -> Self {
        self.put(id.to_be_bytes())
    }

    fn price(self, price: i32) -> Self {
        self.put(price.to_be_bytes())
    }

    fn size(self, size: u32) -> Self {
        self.put(size.to_be_bytes())
    }

    fn side(self, side: Side) -> Self {
        self.put([match side {
            Side::Buy => b'B',
            Side::Sell => b'S',
        }])
    }
}

/// How the venue's messages are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four questions, each of them independent of the others")]
pub struct Declared {
    /// Books are made of orders; otherwise of levels.
    pub by_order: bool,
    /// Messages about an order name its instrument.
    pub orders_name_instruments: bool,
    /// Instruments are introduced.
    pub has_directory: bool,
    /// Packets have a sequence number.
    pub is_sequenced: bool,
}

impl Declared {
    /// Books of orders, as most venues send them.
    pub const ORDERS: Self =
        Self { by_order: true, orders_name_instruments: true, has_directory: true, is_sequenced: true };
    /// Books of orders whose messages do not say which instrument they are about.
    pub const NAMELESS_ORDERS: Self = Self { orders_name_instruments: false, ..Self::ORDERS };
    /// Books of levels.
    pub const LEVELS: Self = Self { by_order: false, has_directory: false, ..Self::ORDERS };

    /// The declaration, compiled.
    pub fn plan(self) -> Plan {
        Plan::from_json(self.json().to_string().as_bytes()).expect("the plan is sound")
    }

    /// The declaration, as the Python side would hand it over.
    pub fn json(self) -> Value {
        let mut plan = json!({
            "name": "venue", "framing": framing(self.is_sequenced), "file": null, "messages": messages(),
            "book": {"events": self.events(), "buy": ["B"], "sell": ["S"]},
        });
        if !self.is_sequenced {
            plan["framing"]["counts"] = json!("nothing");
        }
        plan
    }

    fn events(self) -> Vec<Value> {
        let event = |message: &str, action: &str, roles: &[&str]| {
            let mut event = json!({"message": message, "action": action, "instrument": {"column": "instrument"}});
            for role in roles {
                event[*role] = json!({"column": role});
            }
            event
        };
        let mut quote = event("quote", "quote", &["bid_price", "bid_size", "ask_price", "ask_size"]);
        quote["bid_price"]["null"] = json!(NO_PRICE);
        quote["ask_price"]["null"] = json!(NO_PRICE);
        let mut clear_all = event("clear_all", "clear_all", &[]);
        clear_all["instrument"] = Value::Null;
        let mut events = vec![quote, event("clear", "clear", &[]), clear_all];
        if self.has_directory {
            events.push(event("directory", "directory", &["symbol"]));
        }
        if !self.by_order {
            events.push(event("level", "level", &["side", "price", "size", "complete"]));
            return events;
        }
        events.push(event("add", "add", &["order_id", "side", "price", "size"]));
        let mut of_orders = vec![
            event("reduce", "reduce", &["order_id", "size"]),
            event("modify", "modify", &["order_id", "price", "size"]),
            event("replace", "replace", &["order_id", "new_order_id", "price", "size"]),
            event("delete", "delete", &["order_id"]),
        ];
        if !self.orders_name_instruments {
            for event in &mut of_orders {
                event["instrument"] = Value::Null;
            }
        }
        events.extend(of_orders);
        events
    }
}

fn framing(is_sequenced: bool) -> Value {
    let int = |offset: usize, width: usize| json!({"offset": offset, "width": width, "byte_order": "big"});
    json!({
        "name": "mold", "counts": "messages", "first_sequence": 1,
        "header": {
            "kind": "binary", "bytes": 20, "session": {"offset": 0, "width": 10, "kind": "ascii"},
            "sequence": if is_sequenced { int(10, 8) } else { Value::Null }, "count": int(18, 2),
            "send_time": null, "payload_length": null, "expect": [], "heartbeat": null, "end_of_session": null,
        },
        "delimiter": {"kind": "length", "field": int(0, 2), "excludes": 2, "data_offset": 2},
    })
}

fn messages() -> Value {
    const ID: (&str, &str, usize) = ("order_id", "uint", 8);
    const SIDE: (&str, &str, usize) = ("side", "char", 1);
    const PRICE: (&str, &str, usize) = ("price", "int", 4);
    const SIZE: (&str, &str, usize) = ("size", "uint", 4);
    let message = |name: &str, code: char, fields: &[(&str, &str, usize)]| {
        let mut end = 1;
        let all = [&[("instrument", "uint", 2)], fields].concat();
        let fields = all.iter().map(|(name, kind, width)| {
            end += width;
            json!({"name": name, "kind": kind, "offset": end - width, "width": width, "byte_order": "big"})
        });
        let fields: Vec<_> = fields.collect();
        json!({"name": name, "codes": [{"value": code as u32, "text": code.to_string()}],
               "length": end, "min_length": end, "fields": fields})
    };
    let quote = [("bid_price", "int", 4), ("bid_size", "uint", 4), ("ask_price", "int", 4), ("ask_size", "uint", 4)];
    json!({
        "encoding": "binary", "code": {"offset": 0, "width": 1, "byte_order": "big"},
        "messages": [
            message("directory", 'R', &[("symbol", "ascii", 8)]),
            message("add", 'A', &[ID, SIDE, PRICE, SIZE]),
            message("reduce", 'X', &[ID, SIZE]),
            message("modify", 'M', &[ID, PRICE, SIZE]),
            message("replace", 'U', &[ID, ("new_order_id", "uint", 8), PRICE, SIZE]),
            message("delete", 'D', &[ID]),
            message("level", 'L', &[SIDE, PRICE, SIZE, ("complete", "uint", 1)]),
            message("quote", 'Q', &quote),
            message("clear", 'C', &[]),
            message("clear_all", 'Z', &[]),
            message("trade", 'T', &[]),
        ],
    })
}
