//! What the time stamps of one interface count, and the exact way from there to Unix nanoseconds.

use std::fmt;

use serde::{Serialize, Serializer};

const NS_PER_SECOND: u64 = 1_000_000_000;

/// Unit of a time stamp, as pcapng's `if_tsresol` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// 10 to minus this many seconds.
    Decimal(u8),
    /// 2 to minus this many seconds.
    Binary(u8),
}

impl Resolution {
    pub(super) const MICROSECONDS: Self = Self::Decimal(6);
    pub(super) const NANOSECONDS: Self = Self::Decimal(9);

    pub(super) fn from_tsresol(byte: u8) -> Self {
        if byte & 0x80 == 0 { Self::Decimal(byte) } else { Self::Binary(byte & 0x7f) }
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal(exponent) => write!(f, "10^-{exponent} s"),
            Self::Binary(exponent) => write!(f, "2^-{exponent} s"),
        }
    }
}

impl Serialize for Resolution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// [`Resolution`] and offset, made ready for a multiplication or a division a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    scale: Scale,
    offset_ns: i128,
}

#[derive(Clone, Copy, Debug)]
enum Scale {
    Multiply(u64),
    Divide(u64),
    /// Seconds in ticks, shifted right by less than 128.
    Shift(u32),
    /// Units so small that 64 bits of them are less than a nanosecond.
    Zero,
}

impl Clock {
    pub(super) fn new(resolution: Resolution, offset_s: i64) -> Self {
        let scale = match resolution {
            Resolution::Decimal(exponent @ 0..=9) => Scale::Multiply(10_u64.pow(9 - u32::from(exponent))),
            Resolution::Decimal(exponent) => {
                10_u64.checked_pow(u32::from(exponent) - 9).map_or(Scale::Zero, Scale::Divide)
            }
            Resolution::Binary(exponent) => Scale::Shift(u32::from(exponent)),
        };
        Self { scale, offset_ns: i128::from(offset_s) * i128::from(NS_PER_SECOND) }
    }

    /// Unix nanoseconds, rounded down; the nearest end of the range where they do not fit.
    #[inline]
    pub(super) fn unix_ns(&self, ticks: u64) -> u64 {
        let ns = match self.scale {
            Scale::Multiply(factor) => u128::from(ticks) * u128::from(factor),
            Scale::Divide(divisor) => u128::from(ticks / divisor),
            Scale::Shift(bits) => (u128::from(ticks) * u128::from(NS_PER_SECOND)) >> bits,
            Scale::Zero => 0,
        };
        saturate(ns.cast_signed() + self.offset_ns)
    }
}

#[inline]
fn saturate(ns: i128) -> u64 {
    u64::try_from(ns).unwrap_or(if ns < 0 { 0 } else { u64::MAX })
}

/// Unix nanoseconds of a pcap record: both counts have 32 bits, so nothing overflows.
#[inline]
pub(super) fn unix_ns_of_pcap(seconds: u32, fraction: u32, ns_per_fraction: u64) -> u64 {
    u64::from(seconds) * NS_PER_SECOND + u64::from(fraction) * ns_per_fraction
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unix_ns(resolution: Resolution, offset_s: i64, ticks: u64) -> u64 {
        Clock::new(resolution, offset_s).unix_ns(ticks)
    }

    #[test]
    fn whole_units_come_out_exactly() {
        assert_eq!(unix_ns(Resolution::from_tsresol(6), 0, 1_700_000_000_123_456), 1_700_000_000_123_456_000);
        assert_eq!(unix_ns(Resolution::from_tsresol(9), 0, 1_700_000_000_123_456_789), 1_700_000_000_123_456_789);
        assert_eq!(unix_ns(Resolution::from_tsresol(0), -3, 10), 7_000_000_000);
        assert_eq!(unix_ns(Resolution::from_tsresol(12), 0, 1_999), 1);
        assert_eq!(unix_ns(Resolution::from_tsresol(0x80 | 1), 0, 3), 1_500_000_000);
        assert_eq!(unix_ns(Resolution::from_tsresol(0x80 | 32), 1, 1 << 31), 1_500_000_000);
    }

    #[test]
    fn what_does_not_fit_saturates() {
        assert_eq!(unix_ns(Resolution::Decimal(0), 0, u64::MAX), u64::MAX);
        assert_eq!(unix_ns(Resolution::Decimal(9), -1, 5), 0);
        assert_eq!(unix_ns(Resolution::Decimal(9), i64::MIN, u64::MAX), 0);
        assert_eq!(unix_ns(Resolution::Decimal(0), i64::MAX, u64::MAX), u64::MAX);
        assert_eq!(unix_ns(Resolution::Decimal(127), 0, u64::MAX), 0);
        assert_eq!(unix_ns(Resolution::Binary(127), 0, u64::MAX), 0);
    }

    proptest! {
        #[test]
        fn every_resolution_is_within_a_nanosecond_below_the_true_time(tsresol: u8, ticks: u64, offset_s in -5_i64..5) {
            let resolution = Resolution::from_tsresol(tsresol);
            let found = unix_ns(resolution, offset_s, ticks);
            #[expect(clippy::cast_precision_loss, reason = "the oracle is meant to be rough and obvious")]
            let (found, expected) = match resolution {
                Resolution::Decimal(n) => (found as f64, ticks as f64 * 10_f64.powi(9 - i32::from(n))),
                Resolution::Binary(n) => (found as f64, ticks as f64 * 1e9 * 2_f64.powi(-i32::from(n))),
            };
            #[expect(clippy::cast_precision_loss, reason = "a few seconds are exact")]
            let expected = (expected + offset_s as f64 * 1e9).clamp(0.0, u64::MAX as f64);
            prop_assert!((found - expected).abs() <= 1.0 + expected * 1e-12, "{found} is not {expected}");
        }
    }
}
