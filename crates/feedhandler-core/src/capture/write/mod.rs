//! Capture files, written: pcapng, plain or in zstd frames, each file whole in itself.
//!
//! The opposite of the rest of [`capture`](crate::capture). Bottom up: `frame` (headers around a payload) → `blocks`
//! (pcapng) → `output` (bytes, or zstd frames with a seek table) → [`CaptureFile`]; [`Names`] says what the files are
//! called, and `index` stands beside each. Who calls it is [`feed::tap`](crate::feed).

mod blocks;
mod closed;
mod file;
mod frame;
mod index;
mod names;
mod output;

pub use blocks::{InterfaceDescription, InterfaceStatistics, PacketBlock};
pub use closed::is_closed;
pub use file::CaptureFile;
pub use index::{IndexEntry, IndexFile, index_path};
pub use names::Names;
pub use output::Compression;
