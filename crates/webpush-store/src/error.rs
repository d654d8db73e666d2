//! Why a store did not answer.

use std::fmt;

/// Why a store did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The disk is full or failing, or the store is closed. It may work again later.
    Unavailable,
    /// Too many requests are queued. Nothing of this one was done.
    Busy,
    /// A stored record is damaged.
    Corrupt,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the store is not available",
            Self::Busy => "the store is overloaded",
            Self::Corrupt => "the store holds a damaged record",
        })
    }
}

impl std::error::Error for StoreError {}
