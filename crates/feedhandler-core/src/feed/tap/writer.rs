//! The thread that writes: it alone waits for the disk.

use std::io;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chunk::Chunk;
use super::held::Held;
use super::losses::Losses;
use super::report::Written;
use super::section::Section;
use super::setup::Setup;
use super::summary::Summary;
use crate::capture::write::Names;
use crate::receive::prepare_thread;

/// What the thread is told.
pub(super) enum Order {
    /// Datagrams to write.
    Write(Chunk),
    /// The next packet belongs into another file.
    Rotate,
    /// Nothing more comes; what was lost of each line behind its last datagram, and what the feed has delivered.
    End(Vec<Losses>, Summary),
}

/// The thread's state.
pub(super) struct Writer {
    setup: Setup,
    names: Names,
    held: Held,
    /// The file that is written; none where the disk has no room for one.
    section: Option<Section>,
    /// What was lost of each line and no file tells yet.
    untold: Vec<Losses>,
    feed: Summary,
    written: Arc<Mutex<Written>>,
}

impl Writer {
    /// Begins the first file.
    pub(super) fn begin(setup: Setup, mut names: Names, written: Arc<Mutex<Written>>) -> io::Result<Self> {
        let lines = setup.destinations.len();
        let section = Section::begin(&setup, &mut names)?;
        let mut writer = Self {
            held: Held::new(lines),
            section: None,
            untold: vec![Losses::default(); lines],
            feed: Summary::default(),
            setup,
            names,
            written,
        };
        writer.follow(section);
        Ok(writer)
    }

    /// Writes until it is told that nothing more comes, or nobody is left to tell.
    pub(super) fn run(mut self, orders: &Receiver<Order>, emptied: &Sender<Chunk>) {
        prepare_thread();
        while let Ok(order) = orders.recv() {
            match order {
                Order::Write(chunk) => self.write(chunk, emptied),
                Order::Rotate => {
                    self.close();
                }
                Order::End(losses, feed) => {
                    self.end(&losses, feed);
                    break;
                }
            }
        }
        self.close();
    }

    fn write(&mut self, mut chunk: Chunk, emptied: &Sender<Chunk>) {
        let ready = self.held.take(&chunk);
        self.feed = chunk.feed;
        chunk.clear();
        // Whoever filled it may be gone.
        let _ = emptied.send(chunk);
        self.write_ready(ready);
    }

    fn write_ready(&mut self, ready: usize) {
        let mut done = 0;
        while done < ready {
            if self.section.as_ref().is_some_and(|section| section.is_full(&self.setup)) {
                self.close();
            }
            done += self.write_run(done, ready);
        }
        self.held.release(ready);
    }

    /// Writes as many datagrams as make a frame, or gives them up; says how many.
    fn write_run(&mut self, from: usize, ready: usize) -> usize {
        // The section is taken out while it is written to, because it looks at everything else.
        let Some(mut section) = self.section() else {
            self.give_up(from, ready);
            return ready - from;
        };
        let (count, outcome) = section.write(&self.setup, &self.held, from, ready, &mut self.untold);
        match outcome {
            Ok(()) => {
                self.note(&section, count as u64);
                self.section = Some(section);
            }
            Err(error) => {
                self.note_disk_error(&error);
                self.give_up(from, from + count);
                self.refused(section);
            }
        }
        count
    }

    /// A file that could not be extended is ended, where there is room for its trailer at least, which then tells what was
    /// refused; what comes goes into the next one, as soon as one can be made.
    #[cold]
    fn refused(&mut self, mut section: Section) {
        if section.file().is_spoilt() {
            return;
        }
        section.lose(&self.untold);
        self.section = Some(section);
        if self.close() {
            self.untold.fill(Losses::default());
        }
    }

    /// The file to write to: the one that is open, or else the next one.
    fn section(&mut self) -> Option<Section> {
        if self.section.is_none() {
            match Section::begin(&self.setup, &mut self.names) {
                Ok(section) => self.follow(section),
                Err(error) => self.note_disk_error(&error),
            }
        }
        self.section.take()
    }

    fn follow(&mut self, section: Section) {
        let file = section.file();
        self.report().begin(file.path().to_path_buf(), file.written_bytes());
        self.section = Some(section);
    }

    /// Datagrams that the disk has refused.
    #[cold]
    fn give_up(&mut self, from: usize, end: usize) {
        for waiting in &self.held.waiting()[from..end] {
            let untold = &mut self.untold[usize::from(waiting.record.line)];
            untold.disk += 1;
        }
        self.report().disk += (end - from) as u64;
    }

    fn end(&mut self, losses: &[Losses], feed: Summary) {
        let all = Chunk { settled_ns: u64::MAX, ..Chunk::default() };
        let ready = self.held.take(&all);
        self.write_ready(ready);
        self.feed = feed;
        self.untold.iter_mut().zip(losses).for_each(|(untold, lost)| *untold += *lost);
        if let Some(section) = &mut self.section {
            section.lose(&self.untold);
        }
    }

    /// Ends the open file; false where there is none, or the disk refuses its end.
    fn close(&mut self) -> bool {
        let Some(section) = self.section.take() else { return false };
        let (content, closed) = section.close(self.feed);
        let is_closed = closed.is_ok();
        let mut report = self.report();
        if let Some(file) = report.files.last_mut() {
            file.is_closed = is_closed;
            file.content = Some(content);
            file.bytes = *closed.as_ref().unwrap_or(&file.bytes);
        }
        if let Err(error) = closed {
            report.disk_error = Some(error.to_string());
        }
        is_closed
    }

    fn note(&self, section: &Section, count: u64) {
        let mut report = self.report();
        report.captured += count;
        if let Some(error) = section.index_error() {
            report.index_error = Some(error);
        }
        if let Some(file) = report.files.last_mut() {
            (file.packets, file.bytes) = (section.packets(), section.file().written_bytes());
        }
    }

    #[cold]
    fn note_disk_error(&self, error: &io::Error) {
        self.report().disk_error = Some(error.to_string());
    }

    fn report(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
