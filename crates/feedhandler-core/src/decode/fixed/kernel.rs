//! The ways to write a row that CPUs have. All give the same bytes.

use super::message::Message;
use super::shuffle::{self, Shuffle};
#[cfg(target_arch = "x86_64")]
use super::wide::OneMove;
#[cfg(target_arch = "x86_64")]
use crate::decode::wide_leading::WideLeading;
use crate::layout::{LEADING_WORDS, Leading, parent_word};

/// A way to write rows.
pub(in crate::decode) trait Kernel {
    /// The leading columns, as they are written.
    type Leading: Copy;

    /// What it takes to write rows of one kind, at hand for many of them.
    type Block<'a>: Copy;

    /// Whether a [`Kernel::Block`] can only be had of rows that are [one move](Message::is_one_move).
    const BLOCKS_ARE_MOVES: bool;

    /// Takes the leading columns of a message.
    ///
    /// # Safety
    /// The CPU must have what the implementation uses.
    unsafe fn leading(leading: &Leading) -> Self::Leading;

    /// Those of a message whose sequence number is greater by `step`.
    ///
    /// # Safety
    /// As [`Kernel::leading`].
    unsafe fn next(leading: Self::Leading, step: u64) -> Self::Leading;

    /// Those of a row that is below the row `parent` of another table, which is their fourth column.
    ///
    /// # Safety
    /// As [`Kernel::leading`].
    unsafe fn below(leading: Self::Leading, parent: u32) -> Self::Leading;

    /// Those of a row that is below the next row of that table, whose sequence number is greater by `step`.
    ///
    /// # Safety
    /// As [`Kernel::leading`].
    unsafe fn next_below(leading: Self::Leading, step: u64) -> Self::Leading;

    /// Writes the row of a message that is as long as declared.
    ///
    /// # Safety
    /// [`Message::length`] bytes and [`crate::padded::SLACK_BYTES`] must be readable at `from`; `to` must be a row of the
    /// message's table with its slack; the CPU must have what the implementation uses.
    unsafe fn write_row(message: &Message, leading: Self::Leading, from: *const u8, to: *mut u8);

    /// What it takes to write the rows of a message.
    ///
    /// # Safety
    /// As [`Kernel::leading`], and of [`Kernel::BLOCKS_ARE_MOVES`].
    unsafe fn block(message: &Message) -> Self::Block<'_>;

    /// Writes a row, as [`Kernel::write_row`] does.
    ///
    /// # Safety
    /// As there.
    unsafe fn write_block(block: Self::Block<'_>, leading: Self::Leading, from: *const u8, to: *mut u8);

    /// Writes the rows of `blocks` blocks that stand `from_step` bytes behind each other, `to_step` bytes behind each other.
    ///
    /// # Safety
    /// As [`Kernel::write_block`] for each of them; where they are fewer than two, there must be memory for two rows all the
    /// same, and [`crate::padded::SLACK_BYTES`] readable at `from`.
    #[inline(always)]
    unsafe fn write_blocks(
        block: Self::Block<'_>,
        leading: Self::Leading,
        (from, from_step): (*const u8, usize),
        (to, to_step): (*mut u8, usize),
        blocks: usize,
    ) {
        for row in 0..blocks {
            // SAFETY: the caller vouches for each of them.
            unsafe { Self::write_block(block, leading, from.add(row * from_step), to.add(row * to_step)) };
        }
    }
}

/// The best of them on this CPU.
#[derive(Clone, Copy, Debug)]
pub(in crate::decode) enum KernelKind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Ssse3,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl KernelKind {
    #[cfg(target_arch = "x86_64")]
    pub fn best() -> Self {
        let has_avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512cd");
        if has_avx512 && is_x86_feature_detected!("avx512vbmi") && is_x86_feature_detected!("bmi2") {
            Self::Avx512
        } else if is_x86_feature_detected!("ssse3") {
            Self::Ssse3
        } else {
            Self::Portable
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub fn best() -> Self {
        Self::Portable
    }
}

/// Pieces of sixteen bytes, one after the other, by `S`.
pub(in crate::decode) struct Pieces<S>(S);

impl<S: Shuffle> Kernel for Pieces<S> {
    type Leading = [u64; LEADING_WORDS];
    type Block<'a> = &'a Message;

    const BLOCKS_ARE_MOVES: bool = false;

    #[inline(always)]
    unsafe fn leading(leading: &Leading) -> Self::Leading {
        leading.words()
    }

    #[inline(always)]
    unsafe fn next([seq, ts_recv_ns, channel]: Self::Leading, step: u64) -> Self::Leading {
        [seq.wrapping_add(step), ts_recv_ns, channel]
    }

    #[inline(always)]
    unsafe fn below([seq, ts_recv_ns, channel]: Self::Leading, parent: u32) -> Self::Leading {
        [seq, ts_recv_ns, channel | parent_word(parent)]
    }

    #[inline(always)]
    unsafe fn write_row(message: &Message, leading: Self::Leading, from: *const u8, to: *mut u8) {
        // SAFETY: every row has room for the leading words.
        unsafe { to.cast::<[u64; LEADING_WORDS]>().write_unaligned(leading) };
        for step in &message.moves {
            // SAFETY: every move loads from within the message and stores into the row; both have sixteen bytes of slack.
            unsafe { S::shuffle(from.add(step.from), to.add(step.to), &step.mask) };
        }
        for mend in &message.mends {
            // SAFETY: the column lies within the row that has just been written.
            unsafe { mend.column(to) };
        }
    }

    #[inline(always)]
    unsafe fn next_below([seq, ts_recv_ns, channel]: Self::Leading, step: u64) -> Self::Leading {
        [seq.wrapping_add(step), ts_recv_ns, channel.wrapping_add(parent_word(1))]
    }

    #[inline(always)]
    unsafe fn block(message: &Message) -> &Message {
        message
    }

    #[inline(always)]
    unsafe fn write_block(block: &Message, leading: Self::Leading, from: *const u8, to: *mut u8) {
        // SAFETY: the caller vouches for all of it.
        unsafe { Self::write_row(block, leading, from, to) };
    }
}

/// What every CPU can do.
pub(in crate::decode) type Portable = Pieces<shuffle::Portable>;

/// Sixteen bytes in one instruction.
#[cfg(target_arch = "x86_64")]
pub(in crate::decode) type Ssse3 = Pieces<shuffle::Ssse3>;

/// 64 bytes, most often the whole row, in one instruction: needs AVX-512 F, CD and VBMI, and BMI2.
#[cfg(target_arch = "x86_64")]
pub(in crate::decode) struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Kernel for Avx512 {
    type Leading = WideLeading;
    type Block<'a> = OneMove;

    const BLOCKS_ARE_MOVES: bool = true;

    #[inline(always)]
    unsafe fn leading(leading: &Leading) -> WideLeading {
        // SAFETY: the caller vouches for the CPU.
        unsafe { WideLeading::new(leading) }
    }

    #[inline(always)]
    unsafe fn next(leading: WideLeading, step: u64) -> WideLeading {
        // SAFETY: the caller vouches for the CPU.
        unsafe { leading.next(step) }
    }

    #[inline(always)]
    unsafe fn below(leading: WideLeading, parent: u32) -> WideLeading {
        // SAFETY: the caller vouches for the CPU.
        unsafe { leading.below(parent) }
    }

    #[inline(always)]
    unsafe fn write_row(message: &Message, leading: WideLeading, from: *const u8, to: *mut u8) {
        // SAFETY: the caller vouches for all of it.
        unsafe { message.wide.write(leading.register(), from, to) };
        for mend in &message.wide.mends {
            // SAFETY: the column lies within the row that has just been written.
            unsafe { mend.column(to) };
        }
    }

    #[inline(always)]
    unsafe fn next_below(leading: WideLeading, step: u64) -> WideLeading {
        // SAFETY: the caller vouches for the CPU.
        unsafe { leading.next_below(step) }
    }

    #[inline(always)]
    unsafe fn block(message: &Message) -> OneMove {
        // SAFETY: the caller vouches for the CPU.
        unsafe { message.wide.one_move() }
    }

    #[inline(always)]
    unsafe fn write_block(block: OneMove, leading: WideLeading, from: *const u8, to: *mut u8) {
        // SAFETY: the caller vouches for all of it.
        unsafe { block.write(leading.register(), from, to) };
    }

    /// Two are written in any case: groups have none, one or two entries as it comes, and a row that is not needed costs
    /// less than a branch that is mispredicted.
    #[inline(always)]
    unsafe fn write_blocks(
        block: OneMove,
        leading: WideLeading,
        (from, from_step): (*const u8, usize),
        (to, to_step): (*mut u8, usize),
        blocks: usize,
    ) {
        let second = if blocks > 1 { from_step } else { 0 };
        // SAFETY: the caller vouches for the memory, and for the CPU.
        unsafe {
            Self::write_block(block, leading, from, to);
            Self::write_block(block, leading, from.add(second), to.add(to_step));
            for row in 2..blocks {
                Self::write_block(block, leading, from.add(row * from_step), to.add(row * to_step));
            }
        }
    }
}
