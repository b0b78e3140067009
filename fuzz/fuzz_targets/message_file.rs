//! Files of ITCH messages without packets.
#![no_main]

use std::sync::LazyLock;

use feedhandler_fuzz::files;
use feedhandler_fuzz::protocols::{self, Protocol};
use libfuzzer_sys::fuzz_target;

static PROTOCOL: LazyLock<Protocol> = LazyLock::new(protocols::itch50);

fuzz_target!(|bytes: &[u8]| drop(files::feed(&PROTOCOL, bytes)));
