//! Batches of any protocol that has books, with rows and events that may be anything.
#![no_main]

use std::sync::LazyLock;

use feedhandler_fuzz::books;
use feedhandler_fuzz::protocols::{self, Protocol};
use libfuzzer_sys::fuzz_target;

static PROTOCOLS: LazyLock<Vec<Protocol>> = LazyLock::new(protocols::all);

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    books::batches(&PROTOCOLS[usize::from(*which) % PROTOCOLS.len()], bytes);
});
