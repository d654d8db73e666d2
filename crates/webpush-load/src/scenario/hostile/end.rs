//! The ways in which a connection of an attacker ends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The end of one attack on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Everything was sent, and the server still answers on the connection.
    Survived,
    /// The server closed it. If it was reset, the attacker may have missed the last frame.
    Closed,
    /// The server closed it with this code: of GOAWAY (RFC 9113 §7), or of a close frame (RFC 6455 §7.4).
    Code(u32),
    /// The server sent this status before it closed.
    Status(u16),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Survived => f.write_str("survived"),
            Self::Closed => f.write_str("closed"),
            Self::Code(code) => write!(f, "code_{code}"),
            Self::Status(status) => write!(f, "status_{status}"),
        }
    }
}

/// Counts ends. Shared by all attackers.
#[derive(Default)]
pub(super) struct Ends(Mutex<BTreeMap<End, u64>>);

impl Ends {
    /// Records an end.
    pub(super) fn record(&self, end: End) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(end).or_default() += 1;
    }

    /// Returns the counts.
    pub(super) fn counts(&self) -> BTreeMap<End, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
