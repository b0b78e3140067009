//! Sequencing and arbitration at the pipeline's public edge: what is delivered, what is told, and what the ledger says.

mod doubt;
mod faults;
mod flagged;
mod grace;
mod histories;
mod lines;
mod mold;
mod order;
mod resets;
mod rig;
mod sessions;
mod strays;
mod units;
mod witness;

/// Lines of the channel.
const A: usize = 0;
const B: usize = 1;
/// How long what nothing agrees with waits.
const SECOND_NS: u64 = 1_000_000_000;

fn seqs(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}
