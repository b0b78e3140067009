//! The compiled plan (placeholder until the next commit).
