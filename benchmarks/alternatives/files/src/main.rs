//! Reads a pcapng capture of ITCH 5.0 into a struct for each message, and says as JSON how long it took:
//! `struct-reader FILE keep|reuse`.
//!
//! What one writes in Rust who wants the messages of a capture: `pcap-file` for the records, a struct for each message,
//! pushed into a `Vec`. With `keep` the `Vec` has all messages in the end; with `reuse` it is cleared whenever it has
//! [`BATCH_MESSAGES`], so that memory is bounded. Lines are arbitrated in the simplest way there is: a packet below the
//! expected sequence number is a copy, and what is missing is not waited for. It keeps no ledger.

mod frame;
mod message;

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::time::Instant;

use pcap_file::pcapng::{Block, PcapNgReader};

use frame::Packet;
use message::Message;

/// Messages after which the `Vec` is used again: as many as a batch of feedhandler's has.
const BATCH_MESSAGES: usize = 8192;

/// The messages, each once.
#[derive(Default)]
struct Reader {
    messages: Vec<Message>,
    session: [u8; 10],
    expected: u64,
    count: u64,
    prices: u64,
}

impl Reader {
    fn packet(&mut self, packet: &Packet<'_>) -> Option<()> {
        if packet.session != self.session {
            (self.session, self.expected) = (packet.session, packet.sequence);
        }
        if packet.sequence < self.expected {
            return Some(());
        }
        self.expected = packet.sequence + u64::from(packet.count);
        for bytes in packet.messages() {
            self.messages.push(Message::read(bytes)?);
        }
        Some(())
    }

    /// Does with the messages what all contenders do: counts them, and adds up the prices of those that add an order.
    fn add_up(&mut self) {
        self.count += self.messages.len() as u64;
        let price =
            |message: &Message| if let Message::AddOrder { price, .. } = message { u64::from(*price) } else { 0 };
        self.prices += black_box(&self.messages).iter().map(price).sum::<u64>();
    }
}

fn read(path: &str, keeps: bool) -> Result<Reader, Box<dyn Error>> {
    let mut capture = PcapNgReader::new(File::open(path)?)?;
    let mut reader = Reader::default();
    while let Some(block) = capture.next_block() {
        if let Block::EnhancedPacket(record) = block?
            && let Some(packet) = Packet::in_frame(&record.data)
        {
            reader.packet(&packet).ok_or("a message that is shorter than its type")?;
            if !keeps && reader.messages.len() >= BATCH_MESSAGES {
                reader.add_up();
                reader.messages.clear();
            }
        }
    }
    reader.add_up();
    Ok(reader)
}

/// Nanoseconds that this process, which has one thread, has been on a processor.
fn cpu_ns() -> Result<u64, Box<dyn Error>> {
    let told = fs::read_to_string("/proc/self/schedstat")?;
    Ok(told.split_whitespace().next().ok_or("expected times in /proc/self/schedstat")?.parse()?)
}

/// Largest resident memory so far.
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let told = fs::read_to_string("/proc/self/status")?;
    let peak =
        told.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("expected a peak in /proc/self/status")?;
    Ok(peak.trim().trim_end_matches(" kB").parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "a time of a few digits")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, way] = arguments.as_slice() else { return Err("usage: struct-reader FILE keep|reuse".into()) };
    let (began, cpu) = (Instant::now(), cpu_ns()?);
    let reader = read(path, way == "keep")?;
    let (elapsed_s, cpu_s) = (began.elapsed().as_secs_f64(), (cpu_ns()? - cpu) as f64 / 1e9);
    let Reader { count, prices, .. } = &reader;
    let (bytes, peak_kib) = (fs::metadata(path)?.len(), peak_kib()?);
    println!(
        "{{\"messages\": {count}, \"prices\": {prices}, \"bytes\": {bytes}, \"elapsed_s\": {elapsed_s:.6}, \
         \"cpu_s\": {cpu_s:.6}, \"peak_kib\": {peak_kib}}}"
    );
    Ok(())
}
