//! What a capture's files are made with.

use std::net::SocketAddr;
use std::sync::Arc;

use super::options::CaptureOptions;
use super::words::{self, FORMAT, Head, VERSION, json};
use crate::arbitrate::ArbiterOptions;
use crate::capture::write::InterfaceDescription;
use crate::feed::intake::ChannelSpec;
use crate::plan::Plan;
use crate::receive::Senders;
use crate::wire::LineReport;

/// What a file is made with.
pub(in crate::feed) struct Setup {
    pub(super) options: CaptureOptions,
    pub(super) plan: Arc<Plan>,
    pub(super) arbiter: ArbiterOptions,
    pub(super) channels: Vec<ChannelSpec>,
    /// Of each line, by position in the receiver's list.
    pub(super) destinations: Vec<SocketAddr>,
    pub(super) interfaces: Vec<InterfaceDescription>,
    pub(super) senders: Arc<Senders>,
}

impl Setup {
    /// How the lines of `reports` are captured, which carry the channels of that order.
    pub(in crate::feed) fn new(
        options: CaptureOptions,
        plan: &Arc<Plan>,
        arbiter: ArbiterOptions,
        channels: &[String],
        reports: &[LineReport],
        senders: Arc<Senders>,
    ) -> Self {
        let name = |report: &LineReport| channels.get(usize::from(report.channel)).map_or("", String::as_str);
        let lines_of = |channel| reports.iter().filter(move |report| usize::from(report.channel) == channel);
        let place = |report: &LineReport| (report.address.ip(), report.address.port());
        let specs = channels
            .iter()
            .enumerate()
            .map(|(channel, name)| ChannelSpec { name: name.clone(), lines: lines_of(channel).map(place).collect() });
        Self {
            options,
            plan: Arc::clone(plan),
            arbiter,
            channels: specs.collect(),
            destinations: reports.iter().map(|report| report.address).collect(),
            interfaces: reports.iter().map(|report| words::interface(name(report), report)).collect(),
            senders,
        }
    }
    /// What the file of that number says of itself at its beginning.
    pub(super) fn head(&self, file: u32) -> String {
        let protocol = &self.plan.name;
        json(&Head { format: FORMAT, version: VERSION, protocol, arbitrate: self.arbiter, file })
    }
}
