//! Packets on a schedule that waits for nobody: the load of the benchmarks.
//!
//! Each packet carries the time at which it was meant to be sent, so that whatever holds the sender up counts against every
//! packet that it delays. [`OpenLoop`] is given a [`Sender`], which waits and sends.

mod joined;
mod schedule;
mod template;

use serde::{Deserialize, Serialize};

use super::batch::{BATCH_PACKETS, Batch};
use super::clock::Clock;
use super::sender::{Halt, Sender};
use super::transmit::Transmit;
pub use schedule::{LoadError, LoadSchedule, ScheduleSpec};
pub use template::{Template, TemplateError, TemplateSpec};

/// How much may be handed to the kernel in one call where there is no schedule: one message of `UDP_SEGMENT`.
const MOST_BURST_BYTES: usize = 65_000;
/// Packets between two looks at whether the sender is hopelessly late.
const LATE_CHECK_PACKETS: u64 = 64;
/// From the start until the first packet is due.
const LEAD_NS: u64 = 1_000_000;

/// A time in which the sender does nothing, to see whether it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// When it begins, after the start.
    pub at_ns: u64,
    /// How long it takes.
    pub for_ns: u64,
}

/// What is sent before the schedule begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// Packets of the schedule.
    pub packets: u64,
    /// Time without a packet between them and the schedule.
    pub pause_ns: u64,
}

/// How a load is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenLoopSpec {
    /// The channel of each destination; all lines of a channel get the same packets.
    pub channels: Vec<usize>,
    /// The number of the first message.
    pub first_sequence: u64,
    /// When packets are due.
    pub schedule: ScheduleSpec,
    /// Whether packets that are due together go to the kernel as one (`UDP_SEGMENT`), line by line; those are of one
    /// channel then. Such a load has no interruptions.
    #[serde(default)]
    pub is_joined: bool,
    /// What is sent before.
    pub warm_up: WarmUp,
    /// Interruptions, in order.
    pub stalls: Vec<Stall>,
    /// Whether a packet that is late delays all that come after it, and carries the time at which it was sent: a fault
    /// that a calibration must find.
    pub closed_loop: bool,
    /// How late a packet may be until the rest is given up.
    pub patience_ns: u64,
}

/// What became of a load, beside what the sender reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadReport {
    /// Packets that were due; without a schedule, those that were sent.
    pub scheduled: u64,
    /// Packets that were sent, each to all lines of its channel.
    pub packets: u64,
    /// Messages in them.
    pub messages: u64,
    /// Packets before the schedule, and messages in them.
    pub warm_up: (u64, u64),
    /// From the start to the last packet.
    pub elapsed_ns: u64,
}

/// A load that is sent once.
#[derive(Debug)]
pub struct OpenLoop {
    spec: OpenLoopSpec,
    schedule: LoadSchedule,
    templates: Vec<Template>,
    /// Destinations of each channel.
    lines: Vec<Vec<usize>>,
    /// Number of the next message of each channel.
    next: Vec<u64>,
    /// What to add to the sender's clock to get Unix time.
    unix_offset_ns: u64,
    report: LoadReport,
}

impl OpenLoop {
    /// A load; without `templates`, or with a schedule that picks another, nothing can be sent.
    ///
    /// # Errors
    /// [`LoadError`] where the schedule cannot be read or does not fit.
    pub fn new(spec: OpenLoopSpec, templates: Vec<Template>, unix_offset_ns: u64) -> Result<Self, LoadError> {
        let schedule = LoadSchedule::open(&spec.schedule, templates.len())?;
        let channels = spec.channels.iter().max().map_or(0, |last| last + 1);
        let of = |channel| (0..spec.channels.len()).filter(|&to| spec.channels[to] == channel).collect();
        let lines: Vec<Vec<usize>> = (0..channels).map(of).collect();
        if lines.is_empty() || lines.iter().any(Vec::is_empty) {
            return Err(LoadError::Channels);
        }
        let next = vec![spec.first_sequence; channels];
        Ok(Self { spec, schedule, templates, lines, next, unix_offset_ns, report: LoadReport::default() })
    }

    /// Sends it all.
    ///
    /// # Errors
    /// As [`Sender::send`]; what was sent before is in the report.
    pub fn run<T: Transmit, C: Clock>(&mut self, sender: &mut Sender<T, C>) -> Result<(), Halt> {
        if self.schedule.is_unpaced() {
            return self.run_unpaced(sender);
        }
        self.warm_up(sender)?;
        self.report.scheduled = self.schedule.packets();
        let began_ns = sender.now_ns() + LEAD_NS;
        sender.join_segments(self.spec.is_joined);
        let ended =
            if self.spec.is_joined { self.follow_joined(began_ns, sender) } else { self.follow(began_ns, sender) };
        self.report.elapsed_ns = sender.now_ns().saturating_sub(began_ns);
        ended
    }

    /// What was sent.
    #[must_use]
    pub fn report(&self) -> LoadReport {
        self.report
    }

    fn warm_up<T: Transmit, C: Clock>(&mut self, sender: &mut Sender<T, C>) -> Result<(), Halt> {
        let WarmUp { packets, pause_ns } = self.spec.warm_up;
        if packets == 0 {
            return Ok(());
        }
        let began_ns = sender.now_ns() + LEAD_NS;
        for number in 0..packets {
            let Some(due) = self.schedule.at_cycled(number) else { break };
            self.send(number, began_ns + due.offset_ns, due.template, sender)?;
        }
        sender.flush()?;
        self.report.warm_up = (self.report.packets, self.report.messages);
        (self.report.packets, self.report.messages) = (0, 0);
        let until_ns = sender.now_ns() + pause_ns;
        sender.pause_until(until_ns)?;
        sender.forget_lateness();
        Ok(())
    }

    /// Sends each packet at its time, or as soon after as the sender gets to it.
    fn follow<T: Transmit, C: Clock>(&mut self, began_ns: u64, sender: &mut Sender<T, C>) -> Result<(), Halt> {
        let mut stalls = self.spec.stalls.clone().into_iter().peekable();
        let mut shift_ns = 0;
        for number in 0..self.schedule.packets() {
            let Some(due) = self.schedule.at(number) else { break };
            let mut deadline_ns = began_ns + due.offset_ns + shift_ns;
            if let Some(stall) = stalls.next_if(|stall| stall.at_ns <= due.offset_ns) {
                sender.pause_until(began_ns + shift_ns + stall.at_ns + stall.for_ns)?;
            }
            if self.spec.closed_loop {
                let late_ns = sender.now_ns().saturating_sub(deadline_ns);
                (deadline_ns, shift_ns) = (deadline_ns + late_ns, shift_ns + late_ns);
            }
            let is_checked = number.is_multiple_of(LATE_CHECK_PACKETS);
            if is_checked && sender.now_ns().saturating_sub(deadline_ns) > self.spec.patience_ns {
                break;
            }
            self.send(number, deadline_ns, due.template, sender)?;
        }
        sender.flush()
    }

    /// Sends the packet of a number to all lines of its channel.
    fn send<T: Transmit, C: Clock>(
        &mut self,
        number: u64,
        deadline_ns: u64,
        template: usize,
        sender: &mut Sender<T, C>,
    ) -> Result<(), Halt> {
        let channel = usize::try_from(number % self.lines.len() as u64).unwrap_or(0);
        let template = &mut self.templates[template];
        let payload = template.stamped(self.next[channel], deadline_ns + self.unix_offset_ns);
        for &to in &self.lines[channel] {
            sender.send(Some(deadline_ns), to, payload)?;
        }
        self.next[channel] += template.messages();
        self.report.packets += 1;
        self.report.messages += template.messages();
        Ok(())
    }

    /// Sends the first template as fast as the kernel takes it, many in one call; each carries the time of its call.
    fn run_unpaced<T: Transmit, C: Clock>(&mut self, sender: &mut Sender<T, C>) -> Result<(), Halt> {
        sender.join_segments(true);
        let Some(template) = self.templates.first() else { return Ok(()) };
        let template = template.clone();
        let at_once = (MOST_BURST_BYTES / template.bytes().max(1)).clamp(1, BATCH_PACKETS);
        let mut batch = Batch::default();
        (0..at_once).for_each(|_| batch.push(None, 0, template.content()));
        let began_ns = sender.now_ns();
        let mut now_ns = began_ns;
        while now_ns - began_ns < self.schedule.duration_ns() {
            for (lines, next) in self.lines.iter().zip(&mut self.next) {
                template.stamp_all(&mut batch, *next, now_ns + self.unix_offset_ns);
                for &to in lines {
                    batch.address_to(to);
                    sender.send_batch(&mut batch)?;
                }
                *next += at_once as u64 * template.messages();
                self.report.packets += at_once as u64;
            }
            now_ns = sender.now_ns();
            self.report.messages = self.report.packets * template.messages();
            (self.report.scheduled, self.report.elapsed_ns) = (self.report.packets, now_ns - began_ns);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
