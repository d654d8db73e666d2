//! Arithmetic of positions, which are opaque outside a store.

use webpush_core::id::Position;

/// By how much positions advance when a store is opened: 2^32, far more than a crash can lose.
const LEAP: u64 = 1 << 32;

/// Returns the first position after this one.
pub(crate) const fn next(position: Position) -> Position {
    Position::new(position.get().saturating_add(1))
}

/// Returns the floor of positions for a store that is opened, from its highest known position.
///
/// A lazy commit that a power cut loses may have assigned positions that clients saw, for example as the ID of a
/// server-sent event. They are below the floor, so they are not assigned again.
pub(crate) fn floor_after(highest: Position) -> Position {
    if highest == Position::START { highest } else { Position::new(highest.get().saturating_add(LEAP)) }
}
