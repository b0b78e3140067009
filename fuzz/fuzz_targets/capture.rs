//! pcap and pcapng files, plain and compressed, and what is in them.
#![no_main]

use std::sync::LazyLock;

use feedhandler_fuzz::files;
use feedhandler_fuzz::protocols::{self, Protocol};
use libfuzzer_sys::fuzz_target;

static PROTOCOL: LazyLock<Protocol> = LazyLock::new(protocols::iex_tops);

fuzz_target!(|bytes: &[u8]| {
    files::capture(bytes);
    files::feed(&PROTOCOL, bytes);
});
