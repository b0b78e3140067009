//! Datagrams of ITCH with sequence numbers of two bytes, good and bad, on two lines.
#![no_main]

use std::sync::LazyLock;

use feedhandler_fuzz::protocols::{self, Protocol};
use feedhandler_fuzz::session;
use libfuzzer_sys::fuzz_target;

static PROTOCOL: LazyLock<Protocol> = LazyLock::new(protocols::narrow);

fuzz_target!(|bytes: &[u8]| drop(session::datagrams(&PROTOCOL, bytes)));
