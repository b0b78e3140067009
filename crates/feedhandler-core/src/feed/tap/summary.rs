//! What was delivered, in a few numbers that two runs can be compared by.

use serde::Serialize;

use crate::digest::Digest;
use crate::pipeline::Pipeline;

/// What a pipeline has delivered, and what it has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Messages, after arbitration.
    pub messages: u64,
    /// Ranges that were lost.
    pub gaps: u64,
    /// Units in them.
    pub lost: u64,
    /// Digest of the messages.
    pub digest: Digest,
}

impl Summary {
    pub(super) fn of(pipeline: &Pipeline) -> Self {
        let channels = pipeline.channels();
        let history = pipeline.history();
        Self {
            messages: channels.iter().map(|channel| channel.messages.messages).sum(),
            gaps: history.gaps.len() as u64 + history.gaps_omitted,
            lost: channels.iter().map(|channel| channel.arbiter.counters.lost()).sum(),
            digest: pipeline.digest(),
        }
    }
}
