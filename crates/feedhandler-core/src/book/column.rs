//! Columns of a message's row, as books read them: each checked once, then one load of eight bytes and two shifts.

use super::failure::Misfit;
use super::name::{NAME_BYTES, Name};
use super::number::{NO_PRICE, Number, float_price, float_size};
use super::side::Side;
use crate::layout::Column;

const WORD_BYTES: usize = 8;

/// A column of at most eight bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Where the eight bytes are loaded from; they may begin in front of the column, so as to end within the row.
    at: usize,
    /// Bits of them behind the column.
    behind: u32,
    /// Bits of them that are not the column's.
    unused: u32,
    is_signed: bool,
}

impl Word {
    /// None where the column is wider.
    pub(super) fn new(column: &Column, row_bytes: usize) -> Option<Self> {
        let at = column.offset.min(row_bytes.checked_sub(WORD_BYTES)?);
        let behind = (at + WORD_BYTES).checked_sub(column.offset + column.width)?;
        let unused = WORD_BYTES - column.width;
        let bits = |bytes: usize| u32::try_from(bytes * 8).ok();
        Some(Self { at, behind: bits(behind)?, unused: bits(unused)?, is_signed: column.format.starts_with('i') })
    }

    /// The column's value, to 64 bits by its sign; text has zeros behind it.
    #[inline]
    pub(super) fn read(&self, row: &[u8]) -> u64 {
        let mut word = [0; WORD_BYTES];
        word.copy_from_slice(&row[self.at..self.at + WORD_BYTES]);
        let word = u64::from_le_bytes(word) << self.behind;
        if self.is_signed { (word.cast_signed() >> self.unused).cast_unsigned() } else { word >> self.unused }
    }
}

/// What a numeric column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    Float4,
    Float8,
}

/// A column of prices or of sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberColumn {
    word: Word,
    kind: Kind,
    null: Option<u64>,
    /// What an integer price is multiplied with.
    factor: i64,
}

impl NumberColumn {
    /// None where the column holds something else.
    pub(super) fn new(column: &Column, row_bytes: usize, null: Option<i64>) -> Option<Self> {
        let kind = match (column.format.as_bytes(), column.width) {
            ([b'u', ..], _) => Kind::Unsigned,
            ([b'i', ..], _) => Kind::Signed,
            ([b'f', ..], 4) => Kind::Float4,
            ([b'f', ..], 8) => Kind::Float8,
            _ => return None,
        };
        Some(Self { word: Word::new(column, row_bytes)?, kind, null: null.map(i64::cast_unsigned), factor: 1 })
    }

    /// The column, whose prices are multiplied with `factor`.
    pub(super) fn times(self, factor: Option<i64>) -> Self {
        Self { factor: factor.unwrap_or(1), ..self }
    }

    /// What its values are.
    pub(super) fn number(&self) -> Number {
        if matches!(self.kind, Kind::Float4 | Kind::Float8) { Number::Float } else { Number::Integer }
    }

    /// A price; none where there is none.
    #[inline]
    pub(super) fn price(&self, row: &[u8]) -> Result<Option<i64>, Misfit> {
        let word = self.word.read(row);
        match self.kind {
            _ if Some(word) == self.null => Ok(None),
            Kind::Unsigned => {
                i64::try_from(word).map_err(|_| Misfit::UnusableNumber).and_then(|price| self.scaled(price))
            }
            Kind::Signed => self.scaled(word.cast_signed()),
            Kind::Float4 | Kind::Float8 => Ok(float_price(self.float(word))),
        }
    }

    #[inline]
    fn scaled(&self, price: i64) -> Result<Option<i64>, Misfit> {
        let scaled = price.checked_mul(self.factor).filter(|scaled| *scaled != NO_PRICE);
        scaled.map(Some).ok_or(Misfit::UnusableNumber)
    }

    /// A price that must be there.
    #[inline]
    pub(super) fn some_price(&self, row: &[u8]) -> Result<i64, Misfit> {
        self.price(row)?.ok_or(Misfit::UnusableNumber)
    }

    /// A size; 0 where there is none.
    #[inline]
    pub(super) fn size(&self, row: &[u8]) -> Result<u64, Misfit> {
        let word = self.word.read(row);
        match self.kind {
            _ if Some(word) == self.null => Ok(0),
            Kind::Signed if word.cast_signed() < 0 => Err(Misfit::UnusableNumber),
            Kind::Unsigned | Kind::Signed => Ok(word),
            Kind::Float4 | Kind::Float8 => float_size(self.float(word)),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the column has four bytes")]
    fn float(&self, word: u64) -> f64 {
        if self.kind == Kind::Float4 { f32::from_bits(word as u32).into() } else { f64::from_bits(word) }
    }
}

/// A column that says buy or sell.
#[derive(Clone, Debug)]
pub(super) struct SideColumn {
    word: Word,
    buy: Box<[u64]>,
    sell: Box<[u64]>,
}

impl SideColumn {
    /// The words are what [`Word::read`] gives for each value.
    pub(super) fn new(word: Word, buy: Box<[u64]>, sell: Box<[u64]>) -> Self {
        Self { word, buy, sell }
    }

    #[inline]
    pub(super) fn read(&self, row: &[u8]) -> Result<Side, Misfit> {
        let word = self.word.read(row);
        match word {
            _ if self.buy.contains(&word) => Ok(Side::Bid),
            _ if self.sell.contains(&word) => Ok(Side::Ask),
            _ => Err(Misfit::UnknownSide),
        }
    }
}

/// A column that names an instrument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NameColumn {
    /// A number, or text of at most eight bytes.
    Short(Word),
    /// Longer text.
    Long {
        /// Offset in the row.
        offset: usize,
        /// At most [`NAME_BYTES`].
        bytes: usize,
    },
}

impl NameColumn {
    /// None where the column is wider than a name.
    pub(crate) fn new(column: &Column, row_bytes: usize) -> Option<Self> {
        match Word::new(column, row_bytes) {
            Some(word) => Some(Self::Short(word)),
            None if column.width > NAME_BYTES => None,
            None => Some(Self::Long { offset: column.offset, bytes: column.width }),
        }
    }

    #[inline]
    pub(crate) fn read(&self, row: &[u8]) -> Name {
        match *self {
            Self::Short(ref word) => Name::number(word.read(row)),
            Self::Long { offset, bytes } => Name::text(&row[offset..offset + bytes]).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::RowLayout;

    fn column(format: &str, width: usize, before: usize, behind: usize) -> (Column, usize) {
        let text = |width: usize| (format!("S{width}"), width);
        let fields = [("before", text(before)), ("it", (format.to_owned(), width)), ("behind", text(behind))];
        let layout = RowLayout::of_message(fields.map(|(name, (format, width))| (name, format, width)));
        (layout.columns[4].clone(), layout.row_bytes)
    }

    proptest! {
        #[test]
        fn words_are_what_the_bytes_say(width in prop::sample::select(vec![1_usize, 2, 4, 8]), signed in any::<bool>(),
                                        before in 0_usize..20, behind in 0_usize..20, value in any::<u64>()) {
            let format = format!("{}{width}", if signed { 'i' } else { 'u' });
            let (column, row_bytes) = column(&format, width, before, behind);
            let mut row = vec![0xa5; row_bytes];
            row[column.offset..column.offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
            let shift = 64 - 8 * u32::try_from(width).unwrap();
            let expected = if signed {
                ((value << shift).cast_signed() >> shift).cast_unsigned()
            } else {
                (value << shift) >> shift
            };
            prop_assert_eq!(Word::new(&column, row_bytes).unwrap().read(&row), expected);
        }

        #[test]
        fn text_names_are_the_same_whatever_the_width(text in "[A-Z]{1,8}", width in 8_usize..=NAME_BYTES, before in 0_usize..9) {
            let (column, row_bytes) = column(&format!("S{width}"), width, before, 0);
            let mut row = vec![0; row_bytes];
            row[column.offset..column.offset + text.len()].copy_from_slice(text.as_bytes());
            let name = NameColumn::new(&column, row_bytes).unwrap().read(&row);
            prop_assert_eq!(Some(name), Name::text(text.as_bytes()));
        }
    }

    #[test]
    fn what_no_book_can_use_is_a_misfit() {
        let read = |format: &str, width, null, value: u64| {
            let (column, row_bytes) = column(format, width, 0, 0);
            let mut row = vec![0; row_bytes];
            row[column.offset..column.offset + width].copy_from_slice(&value.to_le_bytes()[..width]);
            let number = NumberColumn::new(&column, row_bytes, null).expect("a number");
            (number.price(&row), number.size(&row))
        };
        let unusable = Misfit::UnusableNumber;
        assert_eq!(read("u8", 8, None, u64::MAX), (Err(unusable), Ok(u64::MAX)));
        assert_eq!(read("u8", 8, Some(-1), u64::MAX), (Ok(None), Ok(0)));
        assert_eq!(read("i4", 4, None, u64::MAX), (Ok(Some(-1)), Err(unusable)));
        assert_eq!(read("i4", 4, Some(-1), u64::MAX), (Ok(None), Ok(0)));
        assert_eq!(read("i8", 8, None, NO_PRICE.cast_unsigned()), (Err(unusable), Err(unusable)));
        assert_eq!(read("i8", 8, Some(NO_PRICE), NO_PRICE.cast_unsigned()), (Ok(None), Ok(0)));
        let (column, row_bytes) = column("u8", 8, 0, 0);
        let hundredfold = NumberColumn::new(&column, row_bytes, None).expect("a number").times(Some(100));
        let mut row = vec![0; row_bytes];
        row[column.offset..column.offset + 8].copy_from_slice(&(i64::MAX / 100).to_le_bytes());
        assert_eq!(hundredfold.price(&row), Ok(Some(i64::MAX / 100 * 100)));
        row[column.offset..column.offset + 8].copy_from_slice(&(i64::MAX / 100 + 1).to_le_bytes());
        assert_eq!(hundredfold.price(&row), Err(unusable));
        assert_eq!(read("f4", 4, None, f32::NAN.to_bits().into()), (Ok(None), Ok(0)));
        assert_eq!(read("f4", 4, None, 1.5_f32.to_bits().into()), (Ok(float_price(1.5)), float_size(1.5)));
    }

    #[test]
    fn what_is_no_number_or_too_wide_is_refused() {
        let (text, row_bytes) = column("S4", 4, 0, 0);
        assert!(NumberColumn::new(&text, row_bytes, None).is_none());
        let (wide, row_bytes) = column("S33", 33, 0, 0);
        assert!(Word::new(&wide, row_bytes).is_none() && NameColumn::new(&wide, row_bytes).is_none());
    }
}
