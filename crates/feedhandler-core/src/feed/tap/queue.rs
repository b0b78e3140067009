//! The way to the thread that writes, of bounded length, and the way back for chunks that it has emptied.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

use super::chunk::{CHUNK_BYTES, Chunk};
use super::losses::Losses;
use super::summary::Summary;
use super::writer::{Order, Writer};

/// The way to the thread that writes, and back.
pub(super) struct Queue {
    orders: Option<SyncSender<Order>>,
    emptied: Receiver<Chunk>,
    /// Chunks that have come back.
    free: Vec<Chunk>,
    chunks: usize,
    in_flight: usize,
    high_water: usize,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the thread.
    pub(super) fn start(writer: Writer, buffer_bytes: usize) -> io::Result<Self> {
        let (mut queue, taken, give_back) = Self::new(buffer_bytes);
        let thread = std::thread::Builder::new().name("fh-capture".into());
        queue.thread = Some(thread.spawn(move || writer.run(&taken, &give_back))?);
        Ok(queue)
    }

    /// A queue, and the writer's end of it.
    pub(super) fn new(buffer_bytes: usize) -> (Self, Receiver<Order>, Sender<Chunk>) {
        let chunks = (buffer_bytes / CHUNK_BYTES).max(2);
        // One more than chunks, for an order to rotate.
        let (orders, taken) = sync_channel(chunks + 1);
        let (give_back, emptied) = channel();
        let (free, orders) = (Vec::with_capacity(chunks), Some(orders));
        (Self { orders, emptied, free, chunks, in_flight: 0, high_water: 0, thread: None }, taken, give_back)
    }

    /// Replaces a chunk by an empty one and hands it on; false where there is no room for it.
    pub(super) fn hand_on(&mut self, chunk: &mut Chunk) -> bool {
        let full = std::mem::replace(chunk, self.free.pop().unwrap_or_default());
        if let Err(Order::Write(full)) = self.send(Order::Write(full)) {
            self.free.push(std::mem::replace(chunk, full));
            return false;
        }
        self.in_flight += 1;
        self.high_water = self.high_water.max(self.in_flight);
        true
    }

    /// Takes back what has been emptied, and tells whether another chunk may be on its way: none may once the capture has
    /// ended.
    pub(super) fn has_room(&mut self) -> bool {
        if self.orders.is_none() {
            return false;
        }
        let before = self.free.len();
        self.free.extend(self.emptied.try_iter());
        self.in_flight -= self.free.len() - before;
        self.in_flight < self.chunks
    }

    /// Has the next packet begin another file; false where there is no room to say so.
    pub(super) fn rotate(&self) -> bool {
        self.send(Order::Rotate).is_ok()
    }

    /// Gives an order, unless there is no room for one, or nobody to take it.
    #[expect(clippy::result_large_err, reason = "a chunk that nobody takes is used again")]
    fn send(&self, order: Order) -> Result<(), Order> {
        let Some(orders) = &self.orders else { return Err(order) };
        orders.try_send(order).map_err(|refused| match refused {
            TrySendError::Full(order) | TrySendError::Disconnected(order) => order,
        })
    }

    /// Hands the last chunk on, and waits until everything is written; the error is the thread's panic.
    pub(super) fn end(&mut self, chunk: Chunk, losses: Vec<Losses>, feed: Summary) -> std::thread::Result<()> {
        let Some(orders) = self.orders.take() else { return Ok(()) };
        for order in [Order::Write(chunk), Order::End(losses, feed)] {
            // It fails only where the thread has ended, which is told below.
            let _ = orders.send(order);
        }
        drop(orders);
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }

    /// What may wait for the disk, and what did at most, in bytes.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let bytes = |chunks: usize| (chunks * CHUNK_BYTES) as u64;
        (bytes(self.chunks), bytes(self.high_water))
    }
}

/// Asks for the next file from another thread or a signal handler.
#[derive(Clone, Debug, Default)]
pub struct Rotation(Arc<AtomicBool>);

impl Rotation {
    /// Has the next packet begin another file.
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether that was asked for since the last time.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}
