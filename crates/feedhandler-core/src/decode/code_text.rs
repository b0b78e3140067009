//! A code as people write it: a short text that needs no allocation, because unknown messages may come in any number.

use std::fmt;

/// Bytes of the longest text; what is longer is cut off.
const MOST_BYTES: usize = 96;

/// See the module's documentation.
pub(super) struct CodeText {
    bytes: [u8; MOST_BYTES],
    len: usize,
}

impl CodeText {
    /// The text of anything that can be displayed.
    pub fn new(value: impl fmt::Display) -> Self {
        let mut text = Self { bytes: [0; MOST_BYTES], len: 0 };
        text.write(format_args!("{value}"));
        text
    }

    /// The text of bytes that should be UTF-8.
    pub fn of_utf8(bytes: &[u8]) -> Self {
        let mut text = Self::new("");
        for chunk in bytes.utf8_chunks() {
            let replacement = if chunk.invalid().is_empty() { "" } else { "\u{fffd}" };
            text.write(format_args!("{}{replacement}", chunk.valid()));
        }
        text
    }

    fn write(&mut self, what: fmt::Arguments<'_>) {
        // A text that is cut off is long enough.
        let _ = fmt::Write::write_fmt(self, what);
    }
}

impl fmt::Write for CodeText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = part.len().min(MOST_BYTES - self.len);
        let most = (0..=room).rev().find(|at| part.is_char_boundary(*at)).unwrap_or(0);
        self.bytes[self.len..self.len + most].copy_from_slice(&part.as_bytes()[..most]);
        self.len += most;
        if most < part.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

impl AsRef<str> for CodeText {
    fn as_ref(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}
