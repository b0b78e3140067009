//! Declarations of which no book can be made are refused, with the message and the reason.

use feedhandler_core::plan::Plan;
use serde_json::{Value, json};

use crate::venue::Declared;

/// What is wrong with the venue's declaration once `change` has been made to it.
fn refusal(declared: Declared, change: impl Fn(&mut Value)) -> String {
    let mut declaration = declared.json();
    change(&mut declaration);
    Plan::from_json(declaration.to_string().as_bytes()).expect_err("a declaration that cannot be meant").to_string()
}

/// The part of the declaration that says what a message does.
fn event<'a>(declaration: &'a mut Value, message: &str) -> &'a mut Value {
    let events = declaration["book"]["events"].as_array_mut().expect("events");
    events.iter_mut().find(|event| event["message"] == message).expect("the message has a part")
}

/// The type of a column, as the declaration has it.
fn field<'a>(declaration: &'a mut Value, message: &str, name: &str) -> &'a mut Value {
    let messages = declaration["messages"]["messages"].as_array_mut().expect("messages");
    let message = messages.iter_mut().find(|found| found["name"] == message).expect("a message");
    let fields = message["fields"].as_array_mut().expect("fields");
    fields.iter_mut().find(|field| field["name"] == name).expect("a field")
}

#[test]
fn what_is_not_there_is_named() {
    let of_orders = |change: fn(&mut Value)| refusal(Declared::ORDERS, change);
    assert_eq!(of_orders(|venue| event(venue, "add")["message"] = json!("added")), "book: there is no message added");
    assert_eq!(
        of_orders(|venue| event(venue, "add")["price"]["column"] = json!("prize")),
        "book.add: price is said to be prize, which is no column"
    );
    assert_eq!(of_orders(|venue| event(venue, "add")["side"] = Value::Null), "book.add: side is needed");
    assert_eq!(
        of_orders(|venue| venue["book"]["events"] = json!([])),
        "book: events are needed, of orders or of levels and not of both"
    );
}

#[test]
fn what_no_book_can_use_is_refused() {
    let of_orders = |change: fn(&mut Value)| refusal(Declared::ORDERS, change);
    assert_eq!(
        of_orders(|venue| field(venue, "add", "size")["kind"] = json!("float")),
        "book.add: size of an order must be an integer"
    );
    assert_eq!(
        of_orders(|venue| field(venue, "add", "price")["kind"] = json!("float")),
        "book.add: price is an integer in one message and a float in another"
    );
    assert_eq!(
        of_orders(|venue| field(venue, "add", "price")["kind"] = json!("bytes")),
        "book.add: price is no number"
    );
    assert_eq!(
        of_orders(|venue| field(venue, "clear", "instrument")["kind"] = json!("ascii")),
        "book.clear: instrument is a number in one message and text in another"
    );
    assert_eq!(
        of_orders(|venue| event(venue, "directory")["symbol"]["column"] = json!("instrument")),
        "book.directory: symbol must be text"
    );
    assert_eq!(
        of_orders(|venue| event(venue, "delete")["complete"] = json!({"column": "order_id"})),
        "book.delete: complete has a meaning for levels only"
    );
    assert_eq!(
        of_orders(|venue| venue["book"]["buy"] = json!(["far too long"])),
        "book.add: side has a value too long"
    );
    assert_eq!(
        refusal(Declared::LEVELS, |venue| event(venue, "level")["complete"]["column"] = json!("nothing")),
        "book.level: complete is said to be nothing, which is no column"
    );
}

#[test]
fn levels_and_orders_do_not_go_together() {
    let both = |venue: &mut Value| {
        let level = json!({"message": "level", "action": "level", "instrument": {"column": "instrument"},
            "side": {"column": "side"}, "price": {"column": "price"}, "size": {"column": "size"}});
        venue["book"]["events"].as_array_mut().expect("events").push(level);
    };
    assert_eq!(refusal(Declared::ORDERS, both), "book: events are needed, of orders or of levels and not of both");
}

#[test]
fn a_plan_without_a_book_loads() {
    let mut declaration = Declared::ORDERS.json();
    declaration.as_object_mut().expect("an object").remove("book");
    let plan = Plan::from_json(declaration.to_string().as_bytes()).expect("a plan");
    assert!(plan.book.is_none());
}
