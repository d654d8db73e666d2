//! The keys of a subscription, for its user agent and for senders.

use super::CryptoError;
use crate::entropy::random;
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use std::fmt;

/// Length of an uncompressed point: 0x04 and both coordinates (RFC 8291 §3.1).
pub const PUBLIC_KEY_BYTES: usize = 65;
const AUTH_BYTES: usize = 16;
const PRIVATE_KEY_BYTES: usize = 32;

/// A P-256 public key in uncompressed form. It may be off the curve, which is checked when it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; PUBLIC_KEY_BYTES]);

impl PublicKey {
    /// Creates a key from its uncompressed form; `None` for other bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; PUBLIC_KEY_BYTES] = bytes.try_into().ok()?;
        (bytes[0] == 4).then_some(Self(bytes))
    }

    /// Returns the uncompressed form.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    pub(super) fn from_private(private: &PrivateKey) -> Result<Self, CryptoError> {
        let public = private.compute_public_key().map_err(|_| CryptoError::Key)?;
        Self::from_bytes(public.as_ref()).ok_or(CryptoError::Key)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(…)")
    }
}

/// The authentication secret of user agent and sender, unknown to the push service (RFC 8291 §3.2).
#[derive(Clone, PartialEq, Eq)]
pub struct AuthSecret([u8; AUTH_BYTES]);

impl AuthSecret {
    /// Creates a secret from 16 bytes; `None` for another length.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the bytes, for storage or for a sender.
    #[must_use]
    pub const fn expose(&self) -> &[u8; AUTH_BYTES] {
        &self.0
    }
}

impl fmt::Debug for AuthSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthSecret(…)")
    }
}

/// The keys with which a sender encrypts messages for a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientKeys {
    /// The user agent's public key, `p256dh`.
    pub p256dh: PublicKey,
    /// The authentication secret, `auth`.
    pub auth: AuthSecret,
}

/// All keys of a subscription, for its user agent only.
pub struct AgentKeys {
    private: PrivateKey,
    recipient: RecipientKeys,
}

impl AgentKeys {
    /// Generates keys for a new subscription.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`].
    pub fn generate() -> Result<Self, CryptoError> {
        let private = PrivateKey::generate(&ECDH_P256).map_err(|_| CryptoError::Randomness)?;
        let auth = random().map_err(|_| CryptoError::Randomness)?;
        Self::new(private, AuthSecret(auth))
    }

    /// Restores the keys of a stored subscription.
    ///
    /// # Errors
    /// [`CryptoError::Key`] if the bytes are not a private key.
    pub fn from_stored(private: &[u8], auth: AuthSecret) -> Result<Self, CryptoError> {
        let private = PrivateKey::from_private_key(&ECDH_P256, private).map_err(|_| CryptoError::Key)?;
        Self::new(private, auth)
    }

    fn new(private: PrivateKey, auth: AuthSecret) -> Result<Self, CryptoError> {
        let p256dh = PublicKey::from_private(&private)?;
        Ok(Self { private, recipient: RecipientKeys { p256dh, auth } })
    }

    /// Returns the keys for senders.
    #[must_use]
    pub const fn recipient(&self) -> &RecipientKeys {
        &self.recipient
    }

    /// Returns the private key, for storage.
    ///
    /// # Errors
    /// [`CryptoError::Key`] if the library fails.
    pub fn expose_private(&self) -> Result<[u8; PRIVATE_KEY_BYTES], CryptoError> {
        let bytes: EcPrivateKeyBin<'_> = self.private.as_be_bytes().map_err(|_| CryptoError::Key)?;
        bytes.as_ref().try_into().map_err(|_| CryptoError::Key)
    }

    /// Computes the shared secret with a sender's key.
    pub(super) fn agree(&self, sender: &PublicKey) -> Result<[u8; 32], CryptoError> {
        agree(&self.private, sender)
    }
}

impl fmt::Debug for AgentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentKeys(…)")
    }
}

/// Computes a Diffie-Hellman secret. Fails for points off the curve.
pub(super) fn agree(mine: &PrivateKey, theirs: &PublicKey) -> Result<[u8; 32], CryptoError> {
    let theirs = UnparsedPublicKey::new(&ECDH_P256, theirs.as_bytes());
    agreement::agree(mine, theirs, CryptoError::Key, |secret| secret.try_into().map_err(|_| CryptoError::Key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_keys_are_restored() {
        let keys = AgentKeys::generate().unwrap();
        let again =
            AgentKeys::from_stored(&keys.expose_private().unwrap(), keys.recipient().auth.clone()).unwrap();
        assert_eq!(again.recipient(), keys.recipient());
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        let keys = AgentKeys::generate().unwrap();
        let mut point = [7; PUBLIC_KEY_BYTES];
        point[0] = 4;
        assert_eq!(keys.agree(&PublicKey::from_bytes(&point).unwrap()), Err(CryptoError::Key));
        point[0] = 2;
        assert_eq!(PublicKey::from_bytes(&point), None);
        assert!(AgentKeys::from_stored(&[0; 32], keys.recipient().auth.clone()).is_err(), "zero is no key");
        assert!(AgentKeys::from_stored(&[1; 31], keys.recipient().auth.clone()).is_err());
    }

    #[test]
    fn nothing_secret_prints() {
        let keys = AgentKeys::generate().unwrap();
        assert_eq!(
            format!("{keys:?} {:?}", keys.recipient()),
            "AgentKeys(…) RecipientKeys { p256dh: PublicKey(…), auth: AuthSecret(…) }"
        );
    }
}
