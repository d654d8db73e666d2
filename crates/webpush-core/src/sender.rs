//! Sender authentication: voluntary application server identification, VAPID (RFC 8292).
//!
//! | step | item |
//! |---|---|
//! | extract token and key from `Authorization` and `Crypto-Key`, RFC 8292 §3 and earlier drafts | [`Credentials`] |
//! | parse the token, RFC 7519 and RFC 7515 | `token` |
//! | check the claims, RFC 8292 §2 and §4.2 | [`verify`], [`examine`] |
//! | check that the sender may push, RFC 8292 §4.2 and §3.2 | [`check_restriction`], [`shares_message_key`] |
//! | restrict a new subscription, RFC 8292 §4.1 | [`parse_restriction`] |
//!
//! Only [`verify`] and [`examine`] create a [`VerifiedSender`]: a function that takes one gets a key whose ownership was
//! proved. The caller provides the elliptic-curve arithmetic ([`Curve`]).

mod claim_check;
mod credentials;
mod examine;
mod key;
mod message_key;
mod options;
mod parameter;
#[cfg(test)]
pub(crate) mod testing;
mod token;

pub use crate::problem::Claim;
pub use claim_check::ClaimCheck;
pub use credentials::{Credentials, CredentialsForm};
pub use examine::{Examination, Expected, examine, verify};
pub use key::{SenderKeyError, check_restriction, parse_key};
pub use message_key::shares_message_key;
pub use options::parse_restriction;

use crate::subscription::SenderKey;
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

/// Maximum remaining lifetime of a VAPID token (RFC 8292 §2).
pub(crate) const VAPID_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Default tolerance for the times of tokens.
///
/// The clocks of sender and server differ; JWT libraries have the same default (RFC 7519 §4.1.4).
pub const VAPID_LEEWAY: Duration = Duration::from_secs(60);

/// P-256, and ECDSA with SHA-256 (ES256, RFC 7518 §3.4).
pub trait Curve {
    /// Returns true if `point` is an uncompressed point on P-256.
    fn contains(&self, point: &[u8; 65]) -> bool;

    /// Returns true if `signature`, r and s of 32 bytes each, is valid for `message` under `key`.
    fn verifies(&self, key: &SenderKey, message: &[u8], signature: &[u8; 64]) -> bool;
}

/// An application server that has proved ownership of its key, with the expiry of its token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifiedSender {
    key: SenderKey,
    expires: Timestamp,
}

impl VerifiedSender {
    /// Returns the public key.
    #[must_use]
    pub const fn key(&self) -> &SenderKey {
        &self.key
    }

    /// Returns the expiry of the token.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Returns true if the token is valid at `now` (RFC 8292 §4.2).
    ///
    /// That is before its expiry, by at most 24 hours, give or take `leeway`.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp, leeway: Duration) -> bool {
        is_within_lifetime(self.expires, now, leeway)
    }
}

/// Shows the expiry, never the key.
impl fmt::Debug for VerifiedSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedSender").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// RFC 8292 §2: the expiry is in the future, and at most 24 hours ahead. Both ends tolerate `leeway`.
fn is_within_lifetime(expires: Timestamp, now: Timestamp, leeway: Duration) -> bool {
    now < expires.after(leeway) && now.until(expires) <= VAPID_LIFETIME.saturating_add(leeway)
}
