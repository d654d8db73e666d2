//! Errors of a store.

use std::fmt;

/// The reason why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The disk is full or failing, or the store is closed. It may recover.
    Unavailable,
    /// Too many requests are queued. Nothing was applied.
    Busy,
    /// The volume is almost full, so nothing that takes room is accepted. Nothing was applied.
    Full,
    /// The inbox is in another cell than this one. Nothing was applied.
    Moved,
    /// A stored record is damaged.
    Corrupt,
    /// A table of the store is damaged, and cannot be read on.
    Unreadable,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the store is not available",
            Self::Busy => "the store is overloaded",
            Self::Full => "the volume of the store is almost full",
            Self::Moved => "the inbox moves between two cells",
            Self::Corrupt => "the store holds a damaged record",
            Self::Unreadable => "a table of the store is damaged; see the log",
        })
    }
}

impl std::error::Error for StoreError {}
