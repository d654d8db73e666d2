//! Message encryption for Web Push: `aes128gcm` (RFC 8291) and, to read only, `aesgcm` from before the standard.

mod aes128gcm;
mod aesgcm;
mod derive;
mod keys;

pub use aes128gcm::{MAX_PLAINTEXT_BYTES, decrypt, encrypt};
pub use aesgcm::{LegacyParameters, decrypt_aesgcm};
pub use keys::{AgentKeys, AuthSecret, PUBLIC_KEY_BYTES, PublicKey, RecipientKeys};

use std::fmt;

/// Why a message cannot be encrypted or decrypted. Without details on keys, and none that would help a forger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptoError {
    /// The plaintext has this many bytes: more than fit one record (RFC 8291 §4).
    TooLarge(usize),
    /// A key is not what its place in the message or file needs.
    Key,
    /// A header field or the header of the body does not follow its grammar.
    Header,
    /// The body ends before its last record.
    Truncated,
    /// The tag does not match: made for other keys, or changed on the way.
    Forged,
    /// What was decrypted is not padded as the coding says.
    Padding,
    /// The system gave no randomness.
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
            Self::Truncated => "it is cut short",
            Self::Forged => "it was not encrypted for this subscription, or was changed on the way",
            Self::Padding => "its padding is malformed",
            Self::Randomness => "the system has no randomness to offer",
        };
        f.write_str(text)
    }
}

impl std::error::Error for CryptoError {}
