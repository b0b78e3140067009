//! The busiest millisecond of a stream, in bounded memory.

/// Milliseconds that are counted at a time: records of a capture are out of order by less.
const SLOTS: usize = 16;
const NS_PER_MS: u64 = 1_000_000;

/// Counts what comes in each millisecond, and keeps the largest count.
#[derive(Clone, Debug, Default)]
pub(super) struct Peak {
    /// Millisecond and count; a millisecond has its place by its number.
    slots: [(u64, u64); SLOTS],
    most: u64,
    most_ms: u64,
}

impl Peak {
    pub fn note(&mut self, ts_ns: u64) {
        let ms = ts_ns / NS_PER_MS;
        let slot = &mut self.slots[(ms % SLOTS as u64) as usize];
        if slot.0 != ms {
            *slot = (ms, 0);
        }
        slot.1 += 1;
        if slot.1 > self.most {
            (self.most, self.most_ms) = (slot.1, ms);
        }
    }

    /// Datagrams of the busiest millisecond, and when it began.
    pub fn most(&self) -> (u64, u64) {
        (self.most, self.most_ms * NS_PER_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_millisecond_is_found_though_stamps_are_out_of_order() {
        let mut peak = Peak::default();
        for ts_ns in [5_000_000, 6_100_000, 5_900_000, 7_000_000, 6_999_999, 6_500_000, 99_000_000] {
            peak.note(ts_ns);
        }
        assert_eq!(peak.most(), (3, 6_000_000));
    }
}
