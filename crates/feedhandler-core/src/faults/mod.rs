//! faults: what a network, or a sender, does to a feed on purpose: seeded, composed, and written down.
//!
//! Stands between a source of datagrams and whoever takes them: the sender of a replay, or the pipeline of a file reader.
//! [`Injector`] is that wrapper. It is sans-I/O and looks at no clock: datagrams come with their times, and leave with
//! them. Each line has its own chain of faults, in the order in which they were given; each fault on each line draws
//! from a random sequence of its own, so that neither another fault nor another line changes what it does.
//!
//! General layout, in the order a datagram meets it: [`spec`] (what is wanted), [`Injector`] → `line` → `rewrite` (the
//! sender's faults) → `read` (which packet it is) → stages: `drop`, `copy`, `hold`, `mangle` (the network's) → out.
//! `truth` tells what was done to which packet.

mod chance;
mod choice;
mod copy;
mod drop;
mod hold;
mod injector;
mod line;
mod mangle;
mod packet;
mod parts;
mod read;
mod rewrite;
pub mod spec;
mod stage;
mod truth;

pub use injector::{FaultError, Faulted, Injector, LineName};
pub use spec::FaultsSpec;
pub use truth::Truth;
