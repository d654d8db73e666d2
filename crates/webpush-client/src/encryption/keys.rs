//! The keys of a subscription: what the user agent keeps, and the half of it that senders get.

use super::CryptoError;
use crate::entropy::random;
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use std::fmt;

/// An uncompressed point: 0x04, then both coordinates (RFC 8291 §3.1).
pub const PUBLIC_KEY_BYTES: usize = 65;
const AUTH_BYTES: usize = 16;
const PRIVATE_KEY_BYTES: usize = 32;

/// A P-256 public key in its uncompressed form. Whether it is on the curve shows when it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; PUBLIC_KEY_BYTES]);

impl PublicKey {
    /// Takes exactly the uncompressed form.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; PUBLIC_KEY_BYTES] = bytes.try_into().ok()?;
        (bytes[0] == 4).then_some(Self(bytes))
    }

    /// The uncompressed form.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }

    pub(super) fn of(private: &PrivateKey) -> Result<Self, CryptoError> {
        let public = private.compute_public_key().map_err(|_| CryptoError::Key)?;
        Self::from_bytes(public.as_ref()).ok_or(CryptoError::Key)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(…)")
    }
}

/// The secret that user agent and sender share but the push service never sees (RFC 8291 §3.2).
#[derive(Clone, PartialEq, Eq)]
pub struct AuthSecret([u8; AUTH_BYTES]);

impl AuthSecret {
    /// Takes exactly 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, for a file or another party.
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

/// What a sender needs to encrypt for a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientKeys {
    /// The user agent's public key, `p256dh`.
    pub p256dh: PublicKey,
    /// The shared secret, `auth`.
    pub auth: AuthSecret,
}

/// All keys of one subscription, as its user agent holds them.
pub struct AgentKeys {
    private: PrivateKey,
    recipient: RecipientKeys,
}

impl AgentKeys {
    /// New keys for a new subscription.
    ///
    /// # Errors
    /// [`CryptoError::Randomness`].
    pub fn generate() -> Result<Self, CryptoError> {
        let private = PrivateKey::generate(&ECDH_P256).map_err(|_| CryptoError::Randomness)?;
        let auth = random().map_err(|_| CryptoError::Randomness)?;
        Self::new(private, AuthSecret(auth))
    }

    /// The keys of a stored subscription.
    ///
    /// # Errors
    /// [`CryptoError::Key`] when the bytes are no private key.
    pub fn from_stored(private: &[u8], auth: AuthSecret) -> Result<Self, CryptoError> {
        let private = PrivateKey::from_private_key(&ECDH_P256, private).map_err(|_| CryptoError::Key)?;
        Self::new(private, auth)
    }

    fn new(private: PrivateKey, auth: AuthSecret) -> Result<Self, CryptoError> {
        let p256dh = PublicKey::of(&private)?;
        Ok(Self { private, recipient: RecipientKeys { p256dh, auth } })
    }

    /// What senders may know.
    #[must_use]
    pub const fn recipient(&self) -> &RecipientKeys {
        &self.recipient
    }

    /// The private key, to be stored.
    ///
    /// # Errors
    /// [`CryptoError::Key`] on a fault of the library.
    pub fn expose_private(&self) -> Result<[u8; PRIVATE_KEY_BYTES], CryptoError> {
        let bytes: EcPrivateKeyBin<'_> = self.private.as_be_bytes().map_err(|_| CryptoError::Key)?;
        bytes.as_ref().try_into().map_err(|_| CryptoError::Key)
    }

    /// The shared secret with a sender's key.
    pub(super) fn agree(&self, sender: &PublicKey) -> Result<[u8; 32], CryptoError> {
        agree(&self.private, sender)
    }
}

impl fmt::Debug for AgentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentKeys(…)")
    }
}

/// Diffie-Hellman; fails for points off the curve.
pub(super) fn agree(mine: &PrivateKey, theirs: &PublicKey) -> Result<[u8; 32], CryptoError> {
    let theirs = UnparsedPublicKey::new(&ECDH_P256, theirs.as_bytes());
    agreement::agree(mine, theirs, CryptoError::Key, |secret| secret.try_into().map_err(|_| CryptoError::Key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_keys_are_the_same_keys() {
        let keys = AgentKeys::generate().unwrap();
        let again =
            AgentKeys::from_stored(&keys.expose_private().unwrap(), keys.recipient().auth.clone()).unwrap();
        assert_eq!(again.recipient(), keys.recipient());
    }

    #[test]
    fn points_off_the_curve_agree_on_nothing() {
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
