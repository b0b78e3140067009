//! `PyO3` glue: conversions, GIL release, exceptions. No logic: what can be tested without Python is in the core crate.

mod send;

mod batch;
mod bench;
mod book;
mod errors;
mod file;
mod filter;
mod generate;
mod live;
mod open_loop;
mod plan;
mod signals;

use pyo3::prelude::*;

/// The Rust half of feedhandler.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::send::{Datagrams, Sender};

    #[pymodule_export]
    const BUILD_PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

    #[pymodule_export]
    const NO_PRICE: i64 = feedhandler_core::book::NO_PRICE;

    #[pymodule_export]
    use super::batch::{Batch, Rows};
    #[pymodule_export]
    use super::bench::{DecodeBench, core_ghz, latency_overhead_ns};
    #[pymodule_export]
    use super::book::{Books, book_states};
    #[pymodule_export]
    use super::file::{FileReader, capture_head, capture_info, capture_is_closed};
    #[pymodule_export]
    use super::generate::Generator;
    #[pymodule_export]
    use super::live::{Receiver, arena_bytes};
    #[pymodule_export]
    use super::open_loop::OpenLoop;
    #[pymodule_export]
    use super::plan::{Layout, Plan, causes, event_kinds, event_layout, order_layout};
}
