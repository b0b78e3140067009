//! Midnight where Nasdaq is: what its timestamps count from.
//!
//! US Eastern time by the rule of the Energy Policy Act of 2005: daylight saving from the second Sunday of March, 2:00,
//! to the first Sunday of November, 2:00. A rule in code needs no database that a machine may lack; days before 2007
//! had another.

const SECOND_NS: u64 = 1_000_000_000;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
const STANDARD_S: i64 = -5 * HOUR_S;

/// The midnight, US Eastern time, that began the day of `unix_ns`, in Unix nanoseconds.
#[must_use]
pub fn midnight_ns(unix_ns: u64) -> u64 {
    let unix_s = i64::try_from(unix_ns / SECOND_NS).unwrap_or(i64::MAX);
    let day = (unix_s + offset_s(unix_s)).div_euclid(DAY_S);
    let as_standard_s = day * DAY_S - STANDARD_S;
    let is_summer = is_summer(day, 0);
    let midnight_s = if is_summer { as_standard_s - HOUR_S } else { as_standard_s };
    u64::try_from(midnight_s).unwrap_or(0) * SECOND_NS
}

/// What Eastern time is ahead of UTC.
fn offset_s(unix_s: i64) -> i64 {
    let standard_s = unix_s + STANDARD_S;
    let (day, second) = (standard_s.div_euclid(DAY_S), standard_s.rem_euclid(DAY_S));
    if is_summer(day, second) { STANDARD_S + HOUR_S } else { STANDARD_S }
}

/// Whether clocks are an hour ahead at a second of a day, both counted in standard time: there they change at 2:00 and
/// 1:00.
fn is_summer(day: i64, second: i64) -> bool {
    let year = year_of(day);
    let (begins, ends) = (sunday_from(days_before(year, 3) + 7), sunday_from(days_before(year, 11)));
    (begins, 2 * HOUR_S) <= (day, second) && (day, second) < (ends, HOUR_S)
}

/// The first Sunday that is not before a day; day 0, 1970-01-01, was a Thursday.
fn sunday_from(day: i64) -> i64 {
    day + (3 - day).rem_euclid(7)
}

fn year_of(day: i64) -> i64 {
    let guess = 1970 + day.div_euclid(365);
    (guess - 1..=guess).rev().find(|&year| days_before(year, 1) <= day).unwrap_or(guess - 2)
}

/// Days from 1970-01-01 to the first of a month, January being the first.
fn days_before(year: i64, month: usize) -> i64 {
    const BEFORE_MONTH: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    (year - 1970) * 365 + leap_days + BEFORE_MONTH[month - 1] + i64::from(is_leap && month > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_follows_the_clocks() {
        // Unix seconds as GNU date gives them for New York: of a moment, and of the midnight before it.
        let known = [
            (1_767_623_400, 1_767_589_200), // 2026-01-05 09:30 EST
            (1_783_344_600, 1_783_310_400), // 2026-07-06 09:30 EDT
            (1_772_952_600, 1_772_946_000), // 2026-03-08 01:50 EST, ten minutes before the change
            (1_772_953_800, 1_772_946_000), // 2026-03-08 03:10 EDT
            (1_773_028_800, 1_773_028_800), // 2026-03-09 00:00 EDT
            (1_793_508_600, 1_793_505_600), // 2026-11-01 00:50 EDT
            (1_793_514_600, 1_793_505_600), // 2026-11-01 01:30 EST, after the change
            (1_793_595_599, 1_793_505_600), // 2026-11-01 23:59:59 EST
            (1_709_182_800, 1_709_182_800), // 2024-02-29 00:00 EST
            (1_735_707_599, 1_735_621_200), // 2024-12-31 23:59:59 EST
        ];
        for (moment_s, midnight_s) in known {
            assert_eq!(midnight_ns(moment_s * SECOND_NS + 7), midnight_s * SECOND_NS, "{moment_s}");
        }
    }
}
