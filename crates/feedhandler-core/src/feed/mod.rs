//! Where batches come from: a file, or live lines. Both drive the same [`crate::pipeline::Pipeline`].

mod file;
mod info;
mod intake;
mod live;
mod look;
mod pair;
mod peak;
mod recognise;
mod stamps;
mod tap;
mod timeline;

pub use file::{FileFeed, FileOptions, FileReport, Rest};
pub use info::{CaptureInfo, InfoOptions, Stream};
pub use intake::ChannelSpec;
pub use live::{LiveFeed, LiveOptions, LiveReport, Polled, RingUse, WireLine};
pub use look::Look;
pub use pair::{Paired, Pairing};
pub use recognise::Fit;
pub use tap::{
    CaptureOptions, CaptureReport, FileReport as CapturedFile, PreviousFile, Rotation, Summary, capture_is_closed,
};
