//! Who sends: voluntary application server identification, VAPID (RFC 8292).
//!
//! An examination of credentials yields one [`Finding`] for each claim. When all hold there is a [`VerifiedSender`],
//! and there is no other way to one: what asks for it can't be given a key that nobody has proved to hold.
//!
//! | step | look in |
//! |---|---|
//! | `Authorization` and `Crypto-Key` to token and key, RFC 8292 §3 and the drafts before it | [`Credentials`] |
//! | the token, RFC 7519 and RFC 7515 | `token` |
//! | claim by claim, RFC 8292 §2 and §4.2 | [`examine`], [`verify`] |
//! | may this sender push here, RFC 8292 §4.2 and §3.2 | [`restriction`], [`shares_message_key`] |
//! | how a subscription comes to be restricted, RFC 8292 §4.1 | [`restricted_to`] |
//!
//! Arithmetic on the curve is a caller's: see [`Curve`].

mod credentials;
mod examine;
mod finding;
mod key;
mod message_key;
mod options;
mod parameter;
#[cfg(test)]
pub(crate) mod testing;
mod token;

pub use crate::problem::Claim;
pub use credentials::{Credentials, Form};
pub use examine::{Examination, Expected, examine, verify};
pub use finding::Finding;
pub use key::{KeyError, parse_key, restriction};
pub use message_key::shares_message_key;
pub use options::restricted_to;

use crate::subscription::SenderKey;
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// The furthest that the end of a VAPID token may be ahead (RFC 8292 §2).
pub(crate) const VAPID_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What is asked of P-256 and ECDSA with SHA-256 (ES256, RFC 7518 §3.4).
pub trait Curve {
    /// Whether these bytes are an uncompressed point on P-256.
    fn contains(&self, point: &[u8; 65]) -> bool;

    /// Whether the signature, r and s of 32 bytes each, was made for the message with the key's private half.
    fn verifies(&self, key: &SenderKey, message: &[u8], signature: &[u8; 64]) -> bool;
}

/// An application server that proved to hold its key, for one origin and until a time. Only [`examine`] and [`verify`]
/// make one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifiedSender {
    key: SenderKey,
    expires: Timestamp,
}

impl VerifiedSender {
    /// Its public key.
    #[must_use]
    pub const fn key(&self) -> &SenderKey {
        &self.key
    }

    /// When its token stops being good.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Whether its token is good at `now`: neither over nor more than 24 hours from its end (RFC 8292 §4.2).
    #[must_use]
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        is_within_lifetime(self.expires, now)
    }
}

/// Shows until when, never who.
impl fmt::Debug for VerifiedSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedSender").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// RFC 8292 §2: later than now and at most 24 hours ahead.
fn is_within_lifetime(expires: Timestamp, now: Timestamp) -> bool {
    now < expires && now.until(expires) <= VAPID_LIFETIME
}
