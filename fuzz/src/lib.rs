//! What is fuzzed, as plain functions of bytes: the fuzz targets call them, and so does a short test on stable Rust.
//!
//! The bytes are not only what is read, but also the choices on the way there: which packets come, on which line, in
//! which order, and what is wrong with them. Each function panics where something that must always hold does not.

pub mod books;
pub mod chance;
pub mod encoder;
pub mod files;
pub mod mutate;
pub mod protocols;
mod sbe;
pub mod session;
pub mod value;
