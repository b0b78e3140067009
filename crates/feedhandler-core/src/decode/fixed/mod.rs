//! Fields at fixed offsets become a row by moving bytes: what messages of fixed fields and the blocks of SBE share.

pub(super) mod kernel;
pub(super) mod message;
mod shuffle;
mod wide;
