//! Values of rows in memory: shared bytes, cheap to clone.

/// The bytes of a row.
///
/// The type is the engine's own, so that reads need no copy; nothing else depends on that.
pub(super) type Value = fjall::Slice;
