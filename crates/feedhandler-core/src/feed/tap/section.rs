//! One file of a capture while it is written: its packets, its index, and what whoever reads it will make of it.

use std::io;
use std::time::Instant;

use super::held::{Held, Waiting};
use super::losses::Losses;
use super::proof::Proof;
use super::setup::Setup;
use super::summary::Summary;
use super::words::{Missing, Trailer, json};
use crate::capture::write::{CaptureFile, IndexEntry, IndexFile, InterfaceStatistics, Names, PacketBlock};
use crate::clock::realtime_ns;

/// Bytes of blocks that are written at once: a frame, where the file is compressed.
const RUN_BYTES: usize = 256 << 10;

/// A file that is being written.
pub(super) struct Section {
    file: CaptureFile,
    index: io::Result<Option<IndexFile>>,
    proof: Proof,
    began: Instant,
    start_ns: u64,
    packets: u64,
    lines: Vec<LineCount>,
    /// What each channel expected next when that was last written to the index.
    expected: Vec<u64>,
}

/// What a line has in the file, and what it lacks there.
#[derive(Clone, Copy, Default)]
struct LineCount {
    packets: u64,
    losses: Losses,
}

impl Section {
    /// Begins the next file. A name that somebody else has taken meanwhile is passed over.
    pub(super) fn begin(setup: &Setup, names: &mut Names) -> io::Result<Self> {
        loop {
            let head = setup.head(names.number());
            let path = names.next_path();
            match CaptureFile::create(&path, names.compression(), &head, &setup.interfaces) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => names.advance(),
                Err(error) => return Err(error),
                Ok(file) => {
                    names.advance();
                    return Ok(Self::of(file, setup));
                }
            }
        }
    }

    fn of(file: CaptureFile, setup: &Setup) -> Self {
        let index = if setup.options.index { IndexFile::create(file.path()).map(Some) } else { Ok(None) };
        Self {
            index,
            file,
            proof: Proof::new(&setup.plan, setup.arbiter, &setup.channels),
            began: Instant::now(),
            start_ns: realtime_ns(),
            packets: 0,
            lines: vec![LineCount::default(); setup.destinations.len()],
            expected: vec![0; setup.channels.len()],
        }
    }

    pub(super) fn file(&self) -> &CaptureFile {
        &self.file
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// Whether the next packet belongs into another file.
    pub(super) fn is_full(&self, setup: &Setup) -> bool {
        let age_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let is_long = setup.options.rotate_bytes.is_some_and(|most| self.file.written_bytes() >= most);
        let is_old = setup.options.rotate_ns.is_some_and(|most| age_ns >= most);
        self.packets > 0 && (is_long || is_old)
    }

    /// Why no index is written any more.
    pub(super) fn index_error(&self) -> Option<String> {
        self.index.as_ref().err().map(ToString::to_string)
    }

    /// Writes a run of the first `ready` datagrams, as many as make a frame; says how many that is.
    ///
    /// `untold` is what has been lost of each line and not been told in any file.
    pub(super) fn write(
        &mut self,
        setup: &Setup,
        held: &Held,
        from: usize,
        ready: usize,
        untold: &mut [Losses],
    ) -> (usize, io::Result<()>) {
        let mut told = vec![Losses::default(); untold.len()];
        let mut end = from;
        while end < ready && self.file.waiting_bytes() < RUN_BYTES {
            let waiting = &held.waiting()[end];
            let line = usize::from(waiting.record.line);
            let mut losses = std::mem::take(&mut untold[line]);
            losses += waiting.record.losses;
            told[line] += losses;
            self.file.add(&packet(setup, held, waiting, losses.total()));
            end += 1;
        }
        let run = &held.waiting()[from..end];
        let offsets = (self.file.plain_bytes(), self.file.written_bytes());
        let outcome = self.file.flush();
        match &outcome {
            Ok(()) => self.written(setup, held, run, &told, offsets),
            Err(_) => untold.iter_mut().zip(told).for_each(|(untold, told)| *untold += told),
        }
        (end - from, outcome)
    }

    /// A run is in the file.
    fn written(&mut self, setup: &Setup, held: &Held, run: &[Waiting], told: &[Losses], offsets: (u64, u64)) {
        self.note_index(run, offsets);
        for waiting in run {
            let record = &waiting.record;
            self.lines[usize::from(record.line)].packets += 1;
            // One whose end is missing is no datagram to a reader.
            if record.len == record.sent_bytes {
                let destination = setup.destinations[usize::from(record.line)];
                self.proof.take(destination, record.ts_ns, held.payload(waiting));
            }
        }
        self.packets += run.len() as u64;
        self.lines.iter_mut().zip(told).for_each(|(line, told)| line.losses += *told);
    }

    fn note_index(&mut self, run: &[Waiting], (offset, file_offset): (u64, u64)) {
        let Ok(Some(index)) = &mut self.index else { return };
        let times = || run.iter().map(|waiting| waiting.record.ts_ns);
        let (Some(first_ts_ns), Some(last_ts_ns)) = (times().min(), times().max()) else { return };
        let mut entry = IndexEntry {
            offset,
            file_offset,
            packet: self.packets,
            packets: run.len() as u64,
            first_ts_ns,
            last_ts_ns,
            expected: std::collections::BTreeMap::new(),
        };
        for ((name, expected), known) in self.proof.expected().zip(&mut self.expected) {
            if expected != *known {
                *known = expected;
                entry.expected.insert(name.to_owned(), expected);
            }
        }
        if let Err(error) = index.add(&entry) {
            self.index = Err(error);
        }
    }

    /// Ends the file; says what is in it, and how long it is.
    pub(super) fn close(self, feed: Summary) -> (Summary, io::Result<u64>) {
        let file = self.proof.finish();
        let end_ns = realtime_ns();
        let mut missing = Losses::default();
        self.lines.iter().for_each(|line| missing += line.losses);
        let trailer = Trailer { packets: self.packets, file, feed, missing: Missing::from(missing) };
        let statistics: Vec<_> = self.lines.iter().map(|line| line.statistics(self.start_ns, end_ns)).collect();
        (file, self.file.close(&statistics, &json(&trailer)))
    }

    /// Adds what was lost behind the last packets.
    pub(super) fn lose(&mut self, losses: &[Losses]) {
        self.lines.iter_mut().zip(losses).for_each(|(line, lost)| line.losses += *lost);
    }
}

impl LineCount {
    fn statistics(&self, start_ns: u64, end_ns: u64) -> InterfaceStatistics {
        let accepted = self.packets + self.losses.total();
        InterfaceStatistics {
            start_ns,
            end_ns,
            received: accepted + self.losses.other_source,
            dropped: self.losses.total(),
            accepted,
            dropped_by_kernel: self.losses.socket,
            delivered: self.packets,
        }
    }
}

fn packet<'a>(setup: &Setup, held: &'a Held, waiting: &Waiting, dropped: u64) -> PacketBlock<'a> {
    let record = &waiting.record;
    PacketBlock {
        interface: record.line.into(),
        ts_ns: record.ts_ns,
        sender: setup.senders.get(record.sender),
        destination: setup.destinations[usize::from(record.line)],
        sent_bytes: record.sent_bytes as usize,
        payload: held.payload(waiting).bytes(),
        dropped,
    }
}
