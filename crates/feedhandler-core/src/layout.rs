//! Where each column of a table's row stands: the one definition from which the numpy dtype and the writer both come.

use serde::Serialize;

/// A column: its name, its numpy format (native byte order), and where in the row it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Name in snake case.
    pub name: String,
    /// numpy array-protocol type string without byte order: `u8`, `S4`.
    pub format: String,
    /// Offset in the row, in bytes.
    pub offset: usize,
    /// Width in bytes.
    pub width: usize,
}

/// The layout of a row: columns in order, each aligned as C would align it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowLayout {
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Distance from one row to the next.
    pub row_bytes: usize,
}

/// Alignment of every row, so that each 8-byte column is aligned in every row.
const ROW_ALIGN: usize = 8;

impl RowLayout {
    /// Lays out columns of `(name, format, width)` one behind the other.
    ///
    /// A text that fits a word of eight bytes stands in one, and has it for itself among texts: so all of a row's can lose
    /// their padding at once.
    #[must_use]
    pub fn new<'a>(fields: impl IntoIterator<Item = (&'a str, String, usize)>) -> Self {
        let mut columns = Vec::new();
        let mut end: usize = 0;
        let mut first_word_without_text = 0;
        for (name, format, width) in fields {
            let mut offset = end.next_multiple_of(alignment(&format, width));
            if is_short_text(&format, width) {
                let [first, last] = [offset, offset + width - 1].map(|byte| byte / WORD_BYTES);
                if first < first_word_without_text || first != last {
                    offset = end.next_multiple_of(WORD_BYTES);
                }
                first_word_without_text = offset / WORD_BYTES + 1;
            }
            end = offset + width;
            columns.push(Column { name: name.to_owned(), format, offset, width });
        }
        Self { columns, row_bytes: end.next_multiple_of(ROW_ALIGN) }
    }

    /// Lays out the table of a message's group: the leading columns, the parent, then its own.
    #[must_use]
    pub fn of_group<'a>(fields: impl IntoIterator<Item = (&'a str, String, usize)>) -> Self {
        Self::of_message(std::iter::once((PARENT, "u4".to_owned(), 4)).chain(fields))
    }

    /// Lays out a message's table: the leading columns, then its own.
    #[must_use]
    pub fn of_message<'a>(fields: impl IntoIterator<Item = (&'a str, String, usize)>) -> Self {
        Self::new(leading().into_iter().chain(fields))
    }
}

const WORD_BYTES: usize = 8;

/// Whether it is a text of several characters that fits a word.
fn is_short_text(format: &str, width: usize) -> bool {
    format.starts_with('S') && (2..=WORD_BYTES).contains(&width)
}

/// Text and bytes may stand anywhere; numbers on a multiple of their width.
fn alignment(format: &str, width: usize) -> usize {
    if format.starts_with(['S', 'V']) { 1 } else { width.max(1) }
}

/// The columns that every message's table begins with.
fn leading() -> [(&'static str, String, usize); 3] {
    [("seq", "u8".into(), 8), ("ts_recv_ns", "u8".into(), 8), ("channel", "u2".into(), 2)]
}

/// Bytes that the leading columns take.
pub const LEADING_BYTES: usize = 18;
/// Words of eight bytes that hold them: [`Leading::words`]. Every row has as many.
pub const LEADING_WORDS: usize = 3;

/// Column of a group's table: the row of the parent's table that its row belongs to.
pub const PARENT: &str = "parent";
/// Bytes that the leading columns and the parent take.
pub const PARENT_END: usize = 24;

/// The last of the leading words where a row has a parent, but for the channel.
#[inline(always)]
pub(crate) fn parent_word(parent: u32) -> u64 {
    u64::from(parent) << u32::BITS
}

/// The leading columns of a row.
#[derive(Clone, Copy, Debug)]
pub struct Leading {
    /// Sequence number of the message (or of its packet, where packets are counted).
    pub seq: u64,
    /// Receive time of its packet, ns since 1970.
    pub ts_recv_ns: u64,
    /// Channel it came on.
    pub channel: u16,
}

impl Leading {
    /// Writes the leading columns, and nothing behind them, at the start of `row`.
    ///
    /// # Panics
    /// When `row` is shorter than [`LEADING_BYTES`].
    #[inline]
    pub fn write(&self, row: &mut [u8]) {
        row[..LEADING_BYTES].copy_from_slice(&self.words().map(u64::to_le_bytes).as_flattened()[..LEADING_BYTES]);
    }

    /// The beginning of a row: the columns and zeros behind them.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> [u64; LEADING_WORDS] {
        [self.seq, self.ts_recv_ns, u64::from(self.channel)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_columns_stand_where_the_writer_puts_them() {
        let layout = RowLayout::of_message([]);
        let offsets: Vec<_> = layout.columns.iter().map(|c| (c.name.as_str(), c.offset, c.width)).collect();
        assert_eq!(offsets, [("seq", 0, 8), ("ts_recv_ns", 8, 8), ("channel", 16, 2)]);
        assert_eq!(layout.row_bytes, 24);

        let leading = Leading { seq: 1, ts_recv_ns: 2, channel: 3 };
        let mut row = [0xee; 24];
        leading.write(&mut row);
        assert_eq!((row[0], row[8], row[16], row[LEADING_BYTES]), (1, 2, 3, 0xee));
        assert_eq!(leading.words().map(u64::to_ne_bytes).as_flattened()[..LEADING_BYTES], row[..LEADING_BYTES]);
    }

    #[test]
    fn the_parent_stands_in_the_last_of_the_leading_words() {
        let layout = RowLayout::of_group([]);
        let parent = layout.columns.last().expect("a column");
        assert_eq!((parent.name.as_str(), parent.offset, parent.width), (PARENT, 20, 4));
        assert_eq!(layout.row_bytes, PARENT_END);
        let last = 7 | parent_word(0x0102_0304);
        assert_eq!(last.to_le_bytes(), [7, 0, 0, 0, 4, 3, 2, 1]);
    }

    #[test]
    fn a_short_text_has_a_word_for_itself() {
        let text = |name, width: usize| (name, format!("S{width}"), width);
        let layout =
            RowLayout::new([text("a", 3), text("b", 4), text("c", 1), text("d", 6), text("e", 12), text("f", 8)]);
        let offsets: Vec<_> = layout.columns.iter().map(|c| c.offset).collect();
        assert_eq!(offsets, [0, 8, 12, 16, 22, 40]);
    }

    #[test]
    fn numbers_are_aligned_and_a_text_that_fits_its_word_is_not() {
        let layout = RowLayout::of_message([("a", "S3".into(), 3), ("b", "u4".into(), 4), ("c", "u8".into(), 8)]);
        let offsets: Vec<_> = layout.columns[3..].iter().map(|c| c.offset).collect();
        assert_eq!(offsets, [18, 24, 32]);
        assert_eq!(layout.row_bytes, 40);
    }
}
