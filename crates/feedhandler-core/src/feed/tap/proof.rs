//! What whoever reads a capture will make of it: the same pipeline, driven by what is written.

use std::net::SocketAddr;
use std::sync::Arc;

use super::summary::Summary;
use crate::arbitrate::ArbiterOptions;
use crate::feed::intake::{ChannelSpec, Intake};
use crate::padded::Padded;
use crate::pipeline::{Pipeline, PipelineOptions};
use crate::plan::Plan;

/// The messages of a capture file, sequenced and digested while it is written.
///
/// It is another pipeline than the feed's, because a file is judged by itself: it lacks what could not be written, begins
/// where the file before ended, and has no other clock than its stamps.
pub(super) struct Proof {
    pipeline: Pipeline,
    intake: Intake,
}

impl Proof {
    pub(super) fn new(plan: &Arc<Plan>, arbiter: ArbiterOptions, channels: &[ChannelSpec]) -> Self {
        let options = PipelineOptions { arbiter, ..PipelineOptions::default() };
        let mut pipeline = Pipeline::new(Arc::clone(plan), options);
        let intake = Intake::new(&mut pipeline, channels, false);
        Self { pipeline, intake }
    }

    pub(super) fn take(&mut self, destination: SocketAddr, ts_ns: u64, payload: Padded<'_>) {
        // A capture has no scope of an IPv6 address.
        let destination = SocketAddr::new(destination.ip(), destination.port());
        self.intake.take(&mut self.pipeline, &destination, ts_ns, payload);
        if self.pipeline.is_full() {
            self.pipeline.take_batch();
        }
    }

    /// Name of each channel, and the number that it expects next.
    pub(super) fn expected(&self) -> impl Iterator<Item = (&str, u64)> {
        self.pipeline.channels().iter().map(|channel| (channel.name.as_str(), channel.arbiter.expected()))
    }

    /// What was in the file, at its end.
    pub(super) fn finish(mut self) -> Summary {
        self.intake.settle(&mut self.pipeline);
        self.pipeline.finish();
        Summary::of(&self.pipeline)
    }
}
