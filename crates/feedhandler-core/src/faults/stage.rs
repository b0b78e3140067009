//! One fault on one line: packets go in, in the order of their times, and come out, fewer, more, other, or later.

use super::packet::Packet;
use super::truth::LineTruth;

/// A fault on a line.
pub(super) trait Stage: Send {
    /// Takes a packet; what leaves at its time or before goes to `out`.
    fn take(&mut self, packet: Packet, truth: &mut LineTruth<'_>, out: &mut Vec<Packet>);

    /// It is `now_ns`: what was held until then leaves.
    fn until(&mut self, now_ns: u64, out: &mut Vec<Packet>) {
        let _ = (now_ns, out);
    }

    /// Nothing more comes: what was held leaves.
    fn finish(&mut self, out: &mut Vec<Packet>) {
        self.until(u64::MAX, out);
    }
}
