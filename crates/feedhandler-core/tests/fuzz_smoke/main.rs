//! A few seconds of what `make fuzz` does for as long as it is told, on stable Rust: the same functions, with bytes from a
//! seeded generator, and the damage that is known to be worth a try. Nothing panics, every sum is right, and neither time
//! nor memory runs away.
//!
//! `FUZZ_SECONDS` makes it last longer, for each target; `FUZZ_SEED` takes it to a seed that a failure has told.

#[path = "../counting/mod.rs"]
mod counting;
#[path = "../../../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "what is fuzzed is a crate of its own; each test uses a part")]
mod fuzz;

mod bombs;
mod captures;
mod damage;
mod random;
