//! Prices and sizes as books hold them: integers, or floats whose bits are put into an order.

use super::failure::Misfit;

/// What a protocol's prices, or its sizes, are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// Integers, perhaps scaled.
    Integer,
    /// IEEE 754 of 8 bytes, in the columns of books.
    Float,
}

impl Number {
    /// The numpy format of a column of prices.
    pub(crate) fn price_format(self) -> &'static str {
        if self == Self::Float { "f8" } else { "i8" }
    }

    /// The numpy format of a column of sizes.
    pub(crate) fn size_format(self) -> &'static str {
        if self == Self::Float { "f8" } else { "u8" }
    }

    /// A price as the bits of its column; [`NO_PRICE`] or NaN where there is none.
    pub(crate) fn price_bits(self, price: Option<i64>) -> u64 {
        match (self, price) {
            (Self::Integer, price) => price.unwrap_or(NO_PRICE).cast_unsigned(),
            (Self::Float, Some(price)) => swap_order(price).cast_unsigned(),
            (Self::Float, None) => f64::NAN.to_bits(),
        }
    }
}

/// What a column of integer prices holds where there is no price.
pub const NO_PRICE: i64 = i64::MIN;

/// A float price as an integer of the same order; none for NaN.
pub(super) fn float_price(value: f64) -> Option<i64> {
    let without_negative_zero = value + 0.0;
    (!value.is_nan()).then(|| swap_order(without_negative_zero.to_bits().cast_signed()))
}

/// A float size as an integer that is 0 where nothing is there.
pub(super) fn float_size(value: f64) -> Result<u64, Misfit> {
    match value {
        _ if value.is_nan() || value == 0.0 => Ok(0),
        _ if value < 0.0 => Err(Misfit::UnusableNumber),
        _ => Ok(value.to_bits()),
    }
}

/// Bits of a float to an integer that sorts as the float does, and back: negative floats have all other bits inverted.
fn swap_order(bits: i64) -> i64 {
    bits ^ ((bits >> (i64::BITS - 1)).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn float_prices_sort_as_floats_and_come_back(a in any::<f64>(), b in any::<f64>()) {
            let (Some(x), Some(y)) = (float_price(a), float_price(b)) else {
                return Err(TestCaseError::reject("NaN"));
            };
            prop_assert_eq!(x.cmp(&y), a.partial_cmp(&b).unwrap());
            prop_assert_eq!(Number::Float.price_bits(Some(x)), (a + 0.0).to_bits());
        }
    }

    #[test]
    fn there_is_one_zero_and_no_number_is_no_price() {
        assert_eq!(float_price(-0.0), float_price(0.0));
        assert_eq!(float_price(f64::NAN), None);
        assert!(f64::from_bits(Number::Float.price_bits(None)).is_nan());
        assert_eq!((float_size(-0.0), float_size(f64::NAN)), (Ok(0), Ok(0)));
        assert_eq!(float_size(-1.0), Err(Misfit::UnusableNumber));
    }
}
