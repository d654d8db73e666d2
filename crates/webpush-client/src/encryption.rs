//! Message encryption: `aes128gcm` (RFC 8291), and decryption of the older `aesgcm`.

mod aes128gcm;
mod aesgcm;
mod derive;
mod keys;

pub use aes128gcm::{MAX_PLAINTEXT_BYTES, decrypt, encrypt};
pub use aesgcm::{LegacyParameters, decrypt_aesgcm};
pub use keys::{AgentKeys, AuthSecret, PUBLIC_KEY_BYTES, PublicKey, RecipientKeys};

use std::fmt;

/// A message cannot be encrypted or decrypted. Contains no details about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptoError {
    /// The plaintext, of this length in bytes, exceeds the limit of one record (RFC 8291 §4).
    TooLarge(usize),
    /// A key is invalid.
    Key,
    /// A header field or the header of the body is malformed.
    Header,
    /// The body has no encoding, or none of encryption.
    NotEncrypted,
    /// The body ends before its last record.
    Truncated,
    /// The authentication tag is wrong: other keys, or a changed message.
    Forged,
    /// The padding is malformed.
    Padding,
    /// The operating system returned no random bytes.
    Randomness,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::TooLarge(bytes) => {
                return write!(
                    f,
                    "the text has {bytes} bytes, but a push message holds at most {MAX_PLAINTEXT_BYTES}: \
                     shorten it, or send a link to it"
                );
            }
            Self::Key => "a key is not a P-256 key",
            Self::Header => "its encryption header is malformed",
            Self::NotEncrypted => {
                "it is not encrypted (RFC 8291), so anyone on its way could have written it"
            }
            Self::Truncated => "it is truncated",
            Self::Forged => "it was not encrypted for this subscription, or was modified in transit",
            Self::Padding => "its padding is malformed",
            Self::Randomness => "the operating system returned no random bytes",
        };
        f.write_str(text)
    }
}

impl std::error::Error for CryptoError {}
