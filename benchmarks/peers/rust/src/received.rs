//! What was received, in the form that every peer tells it.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::Options;
use crate::quotes::{self, Quote};

/// Whether to go on.
#[derive(PartialEq, Eq)]
pub enum Next {
    Receive,
    Stop,
}

/// Counts, sum and latencies, from the end of the warm-up on.
pub struct Receiver {
    options: Options,
    quotes: Vec<Quote>,
    warm_ns: u64,
    end_ns: u64,
    now_ns: u64,
    begun: Option<(u64, f64)>,
    first_sequence: u64,
    last_sequence: u64,
    datagrams: u64,
    bytes: u64,
    messages: u64,
    sum: u64,
    latency: Histogram<u64>,
}

#[derive(Serialize)]
struct Told {
    datagrams: u64,
    bytes: u64,
    messages: u64,
    sum: u64,
    first_sequence: u64,
    last_sequence: u64,
    elapsed_s: f64,
    cpu_s: f64,
    rss_kib: u64,
    latency_ns: Percentiles,
}

#[derive(Serialize)]
struct Percentiles {
    p50: u64,
    p90: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
    count: u64,
}

impl Receiver {
    /// Nothing received yet.
    ///
    /// # Panics
    /// Never: the histogram's limits are valid.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            quotes: Vec::new(),
            warm_ns: 0,
            end_ns: 0,
            now_ns: 0,
            begun: None,
            first_sequence: 0,
            last_sequence: 0,
            datagrams: 0,
            bytes: 0,
            messages: 0,
            sum: 0,
            latency: Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid limits"),
        }
    }

    /// Takes a datagram.
    #[inline]
    pub fn take(&mut self, datagram: &[u8]) -> Next {
        let Ok(header) = quotes::decode(datagram, &mut self.quotes) else { return Next::Receive };
        self.now_ns = now_ns();
        if self.begun.is_none() && !self.begin() {
            return Next::Receive;
        }
        if self.now_ns >= self.end_ns {
            return Next::Stop;
        }
        self.latency.saturating_record(self.now_ns.saturating_sub(header.send_time_ns));
        if self.datagrams == 0 {
            self.first_sequence = header.sequence;
        }
        self.last_sequence = header.sequence;
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        self.messages += self.quotes.len() as u64;
        self.sum = self.quotes.iter().fold(self.sum, |sum, quote| sum.wrapping_add(quote.ask_size));
        Next::Receive
    }

    /// Whether the warm-up, which begins with the first datagram, is over.
    #[cold]
    fn begin(&mut self) -> bool {
        if self.warm_ns == 0 {
            self.warm_ns = self.now_ns + nanos(self.options.warmup_s);
            self.end_ns = self.warm_ns + nanos(self.options.seconds);
        }
        if self.now_ns >= self.warm_ns {
            self.begun = Some((self.now_ns, cpu_s()));
        }
        self.begun.is_some()
    }

    /// Prints what was received.
    ///
    /// # Panics
    /// Nothing was.
    pub fn tell(&self) {
        let (begun_ns, cpu_begun_s) = self.begun.expect("datagrams");
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        let elapsed_s = (self.now_ns - begun_ns) as f64 / 1e9;
        let part = |part| self.latency.value_at_quantile(part);
        let told = Told {
            datagrams: self.datagrams,
            bytes: self.bytes,
            messages: self.messages,
            sum: self.sum,
            first_sequence: self.first_sequence,
            last_sequence: self.last_sequence,
            elapsed_s,
            cpu_s: cpu_s() - cpu_begun_s,
            rss_kib: rss_kib(),
            latency_ns: Percentiles {
                p50: part(0.5),
                p90: part(0.9),
                p99: part(0.99),
                p99_9: part(0.999),
                max: self.latency.max(),
                count: self.latency.len(),
            },
        };
        println!("{}", serde_json::to_string(&told).expect("numbers"));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds, not negative")]
fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

#[inline]
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
}

/// Time that all threads spent on a processor.
#[expect(clippy::cast_precision_loss, reason = "a few seconds")]
fn cpu_s() -> f64 {
    // SAFETY: `rusage` is plain numbers, for which zeros are valid, and the call only writes to it.
    let used = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut used);
        used
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(used.ru_utime) + seconds(used.ru_stime)
}

/// Largest resident memory of this program.
fn rss_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
