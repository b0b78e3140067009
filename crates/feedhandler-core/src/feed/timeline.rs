//! How many datagrams came when: counts in bins that grow wider as time goes on, in bounded memory.

/// Bins of a timeline.
const MOST_BINS: usize = 1024;
/// Width of a bin to begin with.
const LEAST_BIN_NS: u64 = 1_000_000;

/// Bins that all streams share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins {
    start_ns: Option<u64>,
    width_ns: u64,
}

impl Default for Bins {
    fn default() -> Self {
        Self { start_ns: None, width_ns: LEAST_BIN_NS }
    }
}

impl Bins {
    /// Where the first bin begins, and how wide they are.
    pub fn scale(&self) -> (u64, u64) {
        (self.start_ns.unwrap_or(0), self.width_ns)
    }

    /// The bin of a time, and how often bins had to become twice as wide for it. What is earlier than the first
    /// datagram is in its bin.
    pub fn find(&mut self, ts_ns: u64) -> (usize, u32) {
        let since_ns = ts_ns.saturating_sub(*self.start_ns.get_or_insert(ts_ns));
        let mut doublings = 0;
        loop {
            match usize::try_from(since_ns / self.width_ns) {
                Ok(bin) if bin < MOST_BINS => return (bin, doublings),
                _ => {
                    self.width_ns *= 2;
                    doublings += 1;
                }
            }
        }
    }
}

/// Counts of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline(Vec<u64>);

impl Timeline {
    pub fn note(&mut self, bin: usize) {
        if self.0.len() <= bin {
            self.0.resize(bin + 1, 0);
        }
        self.0[bin] += 1;
    }

    /// Bins became twice as wide.
    pub fn fold(&mut self) {
        self.0 = self.0.chunks(2).map(|pair| pair.iter().sum()).collect();
    }

    pub fn counts(self) -> Vec<u64> {
        self.0
    }
}
