//! The lines of a capture: each packet on all of them, the later ones behind by a skew, and all in the order of time.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use super::pcapng::{Frames, payload_sum, write_head};

/// A line of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name, such as `A`.
    pub name: String,
    /// The group and port that its datagrams go to.
    pub to: SocketAddrV4,
    /// By how much it is behind.
    pub skew_ns: u64,
}

/// Blocks of all lines, in order.
///
/// A line that lags keeps its blocks here until the others are as far as it is; as many as packets are sent within its
/// skew.
#[derive(Debug)]
pub struct Lines {
    frames: Vec<(Frames, u64)>,
    waiting: VecDeque<(u64, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
    waiting_bytes: u64,
}

impl Lines {
    /// The head of the capture goes to `out`.
    #[must_use]
    pub fn begin(lines: &[Line], out: &mut Vec<u8>) -> Self {
        write_head(lines, out);
        let frames = lines.iter().zip(0..).map(|(line, number)| (Frames::new(number, line.to), line.skew_ns)).collect();
        Self { frames, waiting: VecDeque::new(), spare: Vec::new(), waiting_bytes: 0 }
    }

    /// Number of lines.
    #[must_use]
    pub fn count(&self) -> usize {
        self.frames.len()
    }

    /// Appends what is due, and `payload` on every line that is not behind; packets come in the order of time.
    pub fn write(&mut self, ts_ns: u64, payload: &[u8], out: &mut Vec<u8>) {
        self.write_until(ts_ns, out);
        let sum = payload_sum(payload);
        for (frames, skew_ns) in &self.frames {
            if *skew_ns == 0 {
                frames.write(ts_ns, payload, sum, out);
                continue;
            }
            let due_ns = ts_ns + skew_ns;
            let mut block = self.spare.pop().unwrap_or_default();
            frames.write(due_ns, payload, sum, &mut block);
            self.waiting_bytes += block.len() as u64;
            let place = self.waiting.partition_point(|(other_ns, _)| *other_ns <= due_ns);
            self.waiting.insert(place, (due_ns, block));
        }
    }

    /// Appends what waits and is due before `ts_ns`.
    pub fn write_until(&mut self, ts_ns: u64, out: &mut Vec<u8>) {
        while self.waiting.front().is_some_and(|(due_ns, _)| *due_ns < ts_ns) {
            let Some((_, mut block)) = self.waiting.pop_front() else { return };
            self.waiting_bytes -= block.len() as u64;
            out.append(&mut block);
            self.spare.push(block);
        }
    }

    /// Bytes that wait.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }
}
