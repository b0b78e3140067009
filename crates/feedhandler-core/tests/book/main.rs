//! Books at their public edge: a small venue's packets go through a pipeline, and its batches to the books.

#![expect(clippy::similar_names, reason = "side and size are the words of every specification")]

mod limits;
mod oracle;
mod plans;
mod rig;
mod states;
mod streams;
mod venue;
