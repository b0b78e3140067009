//! How fast captures are read: `cargo run --release --example capture_speed [FILE…]`.
//!
//! Without files it writes 200 MB of datagrams as pcap and pcapng, plain, gzip and zstd, and reads those. Each figure
//! is the best of several readings, of files that the page cache holds.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use feedhandler_core::capture::{Capture, CaptureStats};

const CAPTURE_BYTES: usize = 200_000_000;
const READINGS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    if cfg!(debug_assertions) {
        return Err("a debug build is not worth measuring: run with --release".into());
    }
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let folder = std::env::temp_dir().join(format!("capture_speed.{}", std::process::id()));
    let generated = if named.is_empty() { generate(&folder)? } else { Vec::new() };
    let result = named.iter().chain(&generated).try_for_each(|path| report(path));
    if named.is_empty() {
        fs::remove_dir_all(&folder)?;
    }
    result
}

fn report(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut best = read(path)?;
    for _ in 1..READINGS {
        best = read(path)?.min_by_time(best);
    }
    let seconds = best.elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a report of a few digits")]
    let (records, bytes) = (best.stats.records as f64, best.capture_bytes as f64);
    println!(
        "{:>8.2} ns/record {:>7.2} GB/s of capture  {} records, {} datagrams  {}",
        seconds * 1e9 / records,
        bytes / seconds / 1e9,
        best.stats.records,
        best.stats.datagrams,
        path.display()
    );
    Ok(())
}

struct Reading {
    elapsed: Duration,
    stats: CaptureStats,
    capture_bytes: u64,
}

impl Reading {
    fn min_by_time(self, other: Self) -> Self {
        if self.elapsed < other.elapsed { self } else { other }
    }
}

fn read(path: &Path) -> Result<Reading, Box<dyn Error>> {
    let start = Instant::now();
    let mut capture = Capture::open(path)?;
    let mut check = 0;
    while let Some(datagram) = capture.next_datagram()? {
        check ^= datagram.ts_ns ^ u64::from(datagram.destination.port());
    }
    std::hint::black_box(check);
    Ok(Reading { elapsed: start.elapsed(), stats: capture.stats().clone(), capture_bytes: capture.offset_bytes() })
}

fn generate(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let captures = [("pcap", pcap()), ("pcapng", pcapng())];
    let mut paths = Vec::new();
    for (name, bytes) in &captures {
        let plain = folder.join(name);
        fs::write(&plain, bytes)?;
        let gzip = folder.join(format!("{name}.gz"));
        let mut encoder = flate2::write::GzEncoder::new(File::create(&gzip)?, flate2::Compression::default());
        encoder.write_all(bytes)?;
        encoder.finish()?;
        let zstd = folder.join(format!("{name}.zst"));
        zstd::stream::copy_encode(bytes.as_slice(), File::create(&zstd)?, 3)?;
        paths.extend([plain, gzip, zstd]);
    }
    Ok(paths)
}

fn pcap() -> Vec<u8> {
    let mut file = Vec::with_capacity(CAPTURE_BYTES + 4096);
    file.extend(0xa1b2_3c4d_u32.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    let mut random = Random(1);
    for second in 0.. {
        let frame = frame(&mut random);
        for word in [second, 7, length(&frame), length(&frame)] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
        if file.len() > CAPTURE_BYTES {
            break;
        }
    }
    file
}

fn pcapng() -> Vec<u8> {
    let mut file = Vec::with_capacity(CAPTURE_BYTES + 4096);
    for word in [0x0a0d_0d0a_u32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 1, 0, 20] {
        file.extend(word.to_le_bytes());
    }
    let mut random = Random(1);
    for tick in 0.. {
        let mut frame = frame(&mut random);
        let captured = length(&frame);
        frame.resize(frame.len().next_multiple_of(4), 0);
        let size = length(&frame) + 32;
        for word in [6, size, 0, 0, tick, captured, captured] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
        file.extend(size.to_le_bytes());
        if file.len() > CAPTURE_BYTES {
            break;
        }
    }
    file
}

/// An Ethernet frame with 40 to 239 bytes of UDP payload, half of it noise: hard on the decompressors.
fn frame(random: &mut Random) -> Vec<u8> {
    let payload_bytes = 40 + u16::from(random.byte()) % 200;
    let mut frame = vec![1, 0, 0x5e, 0, 31, 11, 2, 2, 2, 2, 2, 2, 8, 0, 0x45, 0];
    frame.extend((payload_bytes + 28).to_be_bytes());
    frame.extend([0, 0, 0, 0, 20, 17, 0, 0, 10, 0, 0, 1, 224, 0, 31, 11, 0x13, 0x88, 0x37, 0xf0]);
    frame.extend((payload_bytes + 8).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend((0..payload_bytes).map(|at| if at % 2 == 0 { random.byte() } else { 0 }));
    frame
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Xorshift.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_le_bytes()[0]
    }
}
