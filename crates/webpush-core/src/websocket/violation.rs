//! Protocol violations of a peer.

use std::error::Error;
use std::fmt;

/// A violation of RFC 6455 by the peer.
///
/// The connection is closed with this code and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The status code: 1002, 1007 or 1009 (RFC 6455 §7.4.1).
    pub code: u16,
    /// The reason.
    pub reason: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Error for Violation {}

impl Violation {
    pub(super) const fn protocol(reason: &'static str) -> Self {
        Self { code: 1002, reason }
    }

    pub(super) const NOT_TEXT: Self = Self { code: 1007, reason: "a text message is not UTF-8" };
    pub(super) const TOO_LARGE: Self = Self { code: 1009, reason: "a message exceeds 64 KiB" };
}
