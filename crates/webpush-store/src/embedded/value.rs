//! Values of rows in memory: shared bytes, cheap to clone.

/// The bytes of a row.
///
/// The type is that of the engine, so that reads need no copy. Nothing else depends on it.
pub(super) type Value = fjall::Slice;
