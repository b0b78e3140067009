//! A value with cache lines of its own, so that two threads writing two values do not slow each other.

use std::ops::{Deref, DerefMut};

/// 128 bytes: x86 fetches lines of 64 in pairs, and some ARM lines are 128 long.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CachePadded<T>(pub T);

impl<T> Deref for CachePadded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for CachePadded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
