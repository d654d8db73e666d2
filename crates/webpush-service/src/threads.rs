//! Locks: those of the standard library, or of shuttle, which tests many interleavings of threads.
//!
//! The feature `shuttle` is for `tests/shuttle.rs` only: with it nothing works outside of a test of shuttle.

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync;
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync;
