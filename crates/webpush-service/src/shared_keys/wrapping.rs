//! The form of a sealing key in the database.
//!
//! A version byte, a nonce, and AES-256-GCM-SIV of the key with its properties. The associated data are the schema and the
//! ID, so that a wrapped key is of use only in its own row of its own service.

use crate::sealing_cipher::Aes256GcmSiv;
use anyhow::{Context as _, bail};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use webpush_core::capability::{KeyId, NONCE_BYTES, SealingCipher, TAG_BYTES};
use webpush_core::time::Timestamp;

const VERSION: u8 = 1;
/// Length of the plaintext: whether it seals, when it was added, and the key.
const TEXT_BYTES: usize = 1 + 8 + 32;
const WRAPPED_BYTES: usize = 1 + NONCE_BYTES + TEXT_BYTES + TAG_BYTES;
/// Minimum length of a secret: 128 bits in hexadecimal digits, with some to spare in base64.
const MIN_SECRET_BYTES: usize = 32;

/// A sealing key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyRecord {
    pub(super) id: KeyId,
    pub(super) key: [u8; 32],
    /// False for a key of another server, which only opens its URLs.
    pub(super) seals: bool,
    pub(super) added: Timestamp,
}

/// Wraps the sealing keys of one service.
pub(super) struct Wrapping {
    cipher: Aes256GcmSiv,
    schema: String,
}

impl Wrapping {
    /// Derives the wrapping key from a secret.
    ///
    /// # Errors
    /// Fails if the secret is too short.
    pub(super) fn new(secret: &[u8], schema: &str) -> anyhow::Result<Self> {
        if secret.len() < MIN_SECRET_BYTES {
            bail!("the secret has {} characters, and at least {MIN_SECRET_BYTES} are needed", secret.len());
        }
        let derived = sign(&Key::new(HMAC_SHA256, secret), b"webpush-server sealing keys");
        let key = derived.as_ref().try_into().context("a digest has another length")?;
        let cipher = Aes256GcmSiv::new(key).context("cannot create a cipher")?;
        Ok(Self { cipher, schema: schema.to_owned() })
    }

    pub(super) fn wrap(&self, record: &KeyRecord, nonce: [u8; NONCE_BYTES]) -> anyhow::Result<Vec<u8>> {
        let added = record.added.as_millis().to_be_bytes();
        let mut text = [&[u8::from(record.seals)], &added[..], &record.key].concat();
        let tag = self.cipher.seal(nonce, &self.associated(record.id), &mut text);
        let tag = tag.context("cannot wrap a sealing key")?;
        Ok([&[VERSION], &nonce[..], &text, &tag].concat())
    }

    /// # Errors
    /// Fails if the key was wrapped with another secret, or for another service.
    pub(super) fn unwrap(&self, id: KeyId, mut wrapped: Vec<u8>) -> anyhow::Result<KeyRecord> {
        if wrapped.len() != WRAPPED_BYTES || wrapped[0] != VERSION {
            bail!(
                "the sealing key {} in the database is from a newer version of webpush-server, or damaged",
                id.0
            );
        }
        let (nonce, sealed) = wrapped[1..].split_at_mut(NONCE_BYTES);
        let nonce = (&*nonce).try_into().context("a nonce has another length")?;
        let text = self.cipher.open(nonce, &self.associated(id), sealed).context(
            "the sealing keys in the database were wrapped with another secret: give every node the secret with which \
             the service was started first (--store-secret-file)",
        )?;
        let (seals, rest) = text.split_first().context("a sealing key is empty")?;
        let (added, key) = rest.split_first_chunk::<8>().context("a sealing key is too short")?;
        let added = Timestamp::from_millis(u64::from_be_bytes(*added));
        let key = key[..].try_into().context("a sealing key has another length")?;
        Ok(KeyRecord { id, key, seals: *seals != 0, added })
    }

    fn associated(&self, id: KeyId) -> Vec<u8> {
        [&[id.0], self.schema.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn record(id: u8) -> KeyRecord {
        KeyRecord { id: KeyId(id), key: [id; 32], seals: true, added: Timestamp::from_millis(77) }
    }

    #[test]
    fn a_key_opens_with_its_secret_in_its_place_only() {
        let wrapping = Wrapping::new(SECRET, "webpush").unwrap();
        let wrapped = wrapping.wrap(&record(7), [1; NONCE_BYTES]).unwrap();
        assert!(!wrapped.windows(32).any(|window| window == [7; 32]));
        assert_eq!(wrapping.unwrap(KeyId(7), wrapped.clone()).unwrap(), record(7));
        let other = Wrapping::new(b"another secret of thirty-two bytes", "webpush").unwrap();
        let error = other.unwrap(KeyId(7), wrapped.clone()).unwrap_err().to_string();
        assert!(error.contains("another secret"), "{error}");
        let elsewhere = Wrapping::new(SECRET, "other").unwrap();
        assert!(elsewhere.unwrap(KeyId(7), wrapped.clone()).is_err());
        assert!(wrapping.unwrap(KeyId(8), wrapped.clone()).is_err());
        let newer = [&[2], &wrapped[1..]].concat();
        assert!(wrapping.unwrap(KeyId(7), newer).unwrap_err().to_string().contains("newer version"));
        assert!(wrapping.unwrap(KeyId(7), Vec::new()).is_err());
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(Wrapping::new(b"password", "webpush").is_err());
    }
}
