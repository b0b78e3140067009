//! Packets that are due together, handed to the kernel as one: a load that one packet at a time is too slow for.

use std::ops::Range;

use super::super::batch::BATCH_PACKETS;
use super::super::clock::Clock;
use super::super::sender::{Halt, Sender};
use super::super::transmit::Transmit;
use super::OpenLoop;

impl OpenLoop {
    /// Sends what is due together line by line, so that it can be joined; channels take turns by that.
    pub(super) fn follow_joined<T: Transmit, C: Clock>(
        &mut self,
        began_ns: u64,
        sender: &mut Sender<T, C>,
    ) -> Result<(), Halt> {
        let (packets, channels) = (self.schedule.packets(), self.lines.len());
        let (mut number, mut channel) = (0, 0);
        while let Some(due) = self.schedule.at(number).filter(|_| number < packets) {
            let deadline_ns = began_ns + due.offset_ns;
            if sender.now_ns().saturating_sub(deadline_ns) > self.spec.patience_ns {
                break;
            }
            let end = self.end_of_those_due_with(number, due.offset_ns);
            self.send_joined(channel, number..end, deadline_ns, sender)?;
            (number, channel) = (end, (channel + 1) % channels);
        }
        sender.flush()
    }

    fn end_of_those_due_with(&self, number: u64, offset_ns: u64) -> u64 {
        let most = self.schedule.packets().min(number + BATCH_PACKETS as u64);
        let is_due_then = |other: &u64| self.schedule.at(*other).is_some_and(|due| due.offset_ns == offset_ns);
        number + (number..most).take_while(is_due_then).count() as u64
    }

    fn send_joined<T: Transmit, C: Clock>(
        &mut self,
        channel: usize,
        numbers: Range<u64>,
        deadline_ns: u64,
        sender: &mut Sender<T, C>,
    ) -> Result<(), Halt> {
        let (first, mut next) = (self.next[channel], 0);
        for &to in &self.lines[channel] {
            next = first;
            for number in numbers.clone() {
                let Some(due) = self.schedule.at(number) else { break };
                let template = &mut self.templates[due.template];
                sender.send(Some(deadline_ns), to, template.stamped(next, deadline_ns + self.unix_offset_ns))?;
                next += template.messages();
            }
        }
        self.next[channel] = next;
        self.report.packets += numbers.end - numbers.start;
        self.report.messages += next - first;
        Ok(())
    }
}
