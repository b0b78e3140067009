//! Where batches come from: a file, or live lines. Both drive the same [`crate::pipeline::Pipeline`].

mod file;
mod info;
mod intake;
mod live;
mod look;
mod pair;
mod stamps;
mod tap;

pub use file::{FileFeed, FileOptions, FileReport, Rest};
pub use info::{CaptureInfo, Stream};
pub use intake::ChannelSpec;
pub use live::{LiveFeed, LiveOptions, LiveReport, Polled, RingUse, WireLine};
pub use look::Look;
pub use pair::{Paired, Pairing};
pub use tap::{
    CaptureOptions, CaptureReport, FileReport as CapturedFile, PreviousFile, Rotation, Summary, capture_is_closed,
};
