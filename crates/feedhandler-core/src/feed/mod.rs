//! Where batches come from: a file, or live lines. Both drive the same [`crate::pipeline::Pipeline`].

mod file;
mod info;
mod live;
mod stamps;

pub use file::{ChannelSpec, FileFeed, FileOptions, FileReport};
pub use info::{CaptureInfo, Stream};
pub use live::{LiveFeed, LiveOptions, LiveReport, Polled, RingUse, WireLine};
