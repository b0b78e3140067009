//! A session written to a capture, of any size in memory that does not grow with it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use serde::Serialize;

use super::generator::{Generator, Made};
use super::lines::{Line, Lines};
use super::packet::Kind;

/// Bytes gathered before they are written.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks that wait to be written, at most.
const CHUNKS_AHEAD: usize = 4;
/// The end of a session is told so often, and so far apart: it may be lost like any other packet.
const ENDS: u64 = 3;
const END_GAP_NS: u64 = 10_000_000;
/// A packet of no messages on one line, with all headers.
const MOST_END_BYTES: u64 = 128;
const ZSTD_LEVEL: i32 = 3;

/// When a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// After so many messages, those that begin and end the session among them.
    Messages(u64),
    /// When the capture has so many bytes, give or take a packet on each line; before it is compressed.
    Bytes(u64),
    /// So many nanoseconds after its beginning.
    DurationNs(u64),
}

/// How far the writing is, and whether it shall end.
#[derive(Debug, Default)]
pub struct Progress {
    /// Set to have the session end at once, in order.
    pub stop: AtomicBool,
    /// Messages written.
    pub messages: AtomicU64,
    /// Bytes written, before compression.
    pub bytes: AtomicU64,
    /// Nanoseconds from the beginning of the session.
    pub elapsed_ns: AtomicU64,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Messages; the same on every line.
    pub messages: u64,
    /// Datagrams of all lines.
    pub datagrams: u64,
    /// Bytes of the capture before it is compressed.
    pub bytes: u64,
    /// When the first datagram was sent, in Unix nanoseconds.
    pub first_ns: u64,
    /// When the last was.
    pub last_ns: u64,
}

/// Writes a session from its beginning to a pcapng capture, compressed where the name ends with `.zst`; its books are
/// then those at its end.
///
/// The file is written by another thread, so that the market need not wait for it, but when it is far ahead.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_file(
    generator: &mut Generator,
    path: &Path,
    lines: &[Line],
    limit: Limit,
    progress: &Progress,
) -> io::Result<Written> {
    let file = File::create(path)?;
    let is_compressed = path.extension().is_some_and(|extension| extension == "zst");
    thread::scope(|scope| {
        let (chunks, to_write) = sync_channel(CHUNKS_AHEAD);
        let (written, spare) = channel();
        let writer = scope.spawn(move || write_chunks(file, is_compressed, to_write, &written));
        let recorded = record(generator, (chunks, spare), lines, limit, progress);
        // What kept the writer from its work is what is wrong, and that nobody took the chunks only follows from it.
        writer.join().map_err(|_| io::Error::other("the writing thread ended by a panic: a bug in feedhandler"))??;
        recorded
    })
}

/// Writes chunks as they come, and gives each back to be filled again.
fn write_chunks(
    mut file: File,
    is_compressed: bool,
    chunks: Receiver<Vec<u8>>,
    written: &Sender<Vec<u8>>,
) -> io::Result<()> {
    let mut compressor = is_compressed.then(|| zstd::Encoder::new(file.try_clone()?, ZSTD_LEVEL)).transpose()?;
    for mut chunk in chunks {
        compressor.as_mut().map_or(&mut file as &mut dyn Write, |compressor| compressor).write_all(&chunk)?;
        chunk.clear();
        // Whoever has made the last chunk wants none back.
        let _ = written.send(chunk);
    }
    compressor.map_or(Ok(()), |compressor| compressor.finish()?.flush())
}

fn record(
    generator: &mut Generator,
    (chunks, spare): (SyncSender<Vec<u8>>, Receiver<Vec<u8>>),
    lines: &[Line],
    limit: Limit,
    progress: &Progress,
) -> io::Result<Written> {
    let mut chunk = Vec::with_capacity(2 * CHUNK_BYTES);
    let lines = Lines::begin(lines, &mut chunk);
    let mut recorder = Recorder { chunks, spare, lines, chunk, datagrams: 0, bytes: 0, first_ns: None, last_ns: 0 };
    let start_ns = generator.next_ns();
    while let Some(most) = room(limit, generator, &recorder, start_ns) {
        if progress.stop.load(Ordering::Relaxed) {
            break;
        }
        recorder.record(match generator.heartbeat_ns() {
            Some(due_ns) => generator.signal(Kind::Heartbeat, due_ns),
            None => generator.next_packet(most),
        })?;
        progress.messages.store(generator.next_sequence() - 1, Ordering::Relaxed);
        progress.bytes.store(recorder.bytes(), Ordering::Relaxed);
        progress.elapsed_ns.store(generator.next_ns() - start_ns, Ordering::Relaxed);
    }
    let end_ns = match limit {
        Limit::DurationNs(duration_ns) => generator.next_ns().min(start_ns + duration_ns),
        _ => recorder.last_ns,
    };
    if let Some(closing) = generator.closing_packet(end_ns) {
        recorder.record(closing)?;
    }
    for time_ns in (0..ENDS).map(|number| end_ns + number * END_GAP_NS) {
        recorder.record(generator.signal(Kind::EndOfSession, time_ns))?;
    }
    recorder.finish(generator.next_sequence() - 1)
}

/// Messages that the next packet may have, `None` where there shall be none.
fn room(limit: Limit, generator: &Generator, recorder: &Recorder, start_ns: u64) -> Option<u64> {
    let closing = generator.closing_messages();
    match limit {
        Limit::Messages(messages) => {
            messages.checked_sub(closing + generator.next_sequence() - 1).filter(|left| *left > 0)
        }
        Limit::Bytes(bytes) => {
            let ends = ENDS + u64::from(closing > 0);
            let reserved = ends * MOST_END_BYTES * recorder.lines.count() as u64;
            (recorder.bytes() + reserved < bytes).then_some(u64::MAX)
        }
        Limit::DurationNs(duration_ns) => {
            (generator.next_ns() < start_ns.saturating_add(duration_ns)).then_some(u64::MAX)
        }
    }
}

struct Recorder {
    chunks: SyncSender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
    lines: Lines,
    chunk: Vec<u8>,
    datagrams: u64,
    /// Written, without the chunk and what waits.
    bytes: u64,
    first_ns: Option<u64>,
    last_ns: u64,
}

impl Recorder {
    fn record(&mut self, made: Made<'_>) -> io::Result<()> {
        self.lines.write(made.send_time_ns, made.payload, &mut self.chunk);
        self.datagrams += self.lines.count() as u64;
        self.first_ns.get_or_insert(made.send_time_ns);
        self.last_ns = made.send_time_ns;
        if self.chunk.len() >= CHUNK_BYTES { self.write_chunk() } else { Ok(()) }
    }

    fn bytes(&self) -> u64 {
        self.bytes + self.chunk.len() as u64 + self.lines.waiting_bytes()
    }

    fn write_chunk(&mut self) -> io::Result<()> {
        self.bytes += self.chunk.len() as u64;
        let empty = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(2 * CHUNK_BYTES));
        let chunk = std::mem::replace(&mut self.chunk, empty);
        self.chunks.send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn finish(mut self, messages: u64) -> io::Result<Written> {
        self.lines.write_until(u64::MAX, &mut self.chunk);
        self.write_chunk()?;
        let Self { datagrams, bytes, first_ns, last_ns, .. } = self;
        Ok(Written { messages, datagrams, bytes, first_ns: first_ns.unwrap_or(0), last_ns })
    }
}
