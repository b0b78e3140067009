//! The kernel's drop counter, continued past 32 bits.

/// The total that a counter of 32 bits stands for, where `total` is what it stood for before.
///
/// The counter wraps, so only the step since the last reading is meant, and that one is taken to be less than half of its
/// range. A reading that is older than `total` changes nothing.
#[must_use]
pub fn extend_drops(total: u64, counter: u32) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "the counter is the low half of the total")]
    let step = counter.wrapping_sub(total as u32);
    if step <= u32::MAX / 2 { total + u64::from(step) } else { total }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_goes_on_where_the_counter_wraps() {
        let counters = [0, 7, 7, 0x7fff_ffff, 0xffff_fffe, 0, 5, 0x8000_0000];
        let totals = [0, 7, 7, 0x7fff_ffff, 0xffff_fffe, 0x1_0000_0000, 0x1_0000_0005, 0x1_8000_0000];
        let mut total = 0;
        for (counter, expected) in counters.into_iter().zip(totals) {
            total = extend_drops(total, counter);
            assert_eq!(total, expected, "at {counter:#x}");
        }
    }

    #[test]
    fn an_older_reading_changes_nothing() {
        assert_eq!(extend_drops(100, 99), 100);
        assert_eq!(extend_drops(1 << 32, u32::MAX), 1 << 32);
    }
}
