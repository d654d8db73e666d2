//! Log IDs: the pseudonyms by which logs and the admin API name agents, subscriptions and messages.
//!
//! URLs grant access, and so does the ID of an agent, so neither is shown. A log ID is the ID encrypted as one block of
//! AES-256. It stays the same across restarts and key rotations, so that one agent can be followed. The server decrypts it
//! to find the object again; without the sealing keys it reveals nothing. `webpush-server log-id URL` prints it for a URL.

use aws_lc_rs::cipher::{
    AES_256, AES_256_KEY_LEN, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use std::error::Error;
use std::fmt;
use std::str::FromStr;
use webpush_core::capability::{Capability, Keyring};
use webpush_core::id::{InboxId, MessageId, SubscriptionId};

/// An inbox that never exists. Its sealed URL depends only on the key.
const NOBODY: InboxId = InboxId::from_bytes([0; 16]);

/// The length of an ID, which is a block of AES.
const BLOCK_BYTES: usize = 16;

/// Encrypts IDs into log IDs, and decrypts them. Each kind of ID has its own key.
///
/// A log ID of another kind, or of another server, decrypts to an ID that does not exist.
///
/// ```
/// use webpush_core::capability::{KeyId, Keyring};
/// use webpush_core::id::InboxId;
/// use webpush_service::log_ids::{LogId, LogIds};
/// use webpush_service::sealing_cipher::Aes256GcmSiv;
///
/// let names = LogIds::new(&Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap());
/// let agent = InboxId::from_bytes([7; 16]);
/// let log_id = names.inbox(agent).to_string();
/// assert_eq!(names.inbox_id(log_id.parse::<LogId>().unwrap()), agent);
/// ```
pub struct LogIds {
    inboxes: BlockCipher,
    subscriptions: BlockCipher,
    messages: BlockCipher,
}

/// A log ID, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogId([u8; BLOCK_BYTES]);

/// The error of a text that is not a log ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLogId;

impl LogIds {
    /// Derives the keys from the oldest sealing key, so that log IDs survive key rotations.
    #[must_use]
    pub fn new(keyring: &Keyring) -> Self {
        let sealed = keyring.path(&Capability::SubscriptionSet(NOBODY), keyring.oldest());
        let key = Key::new(HMAC_SHA256, digest(&SHA256, sealed.unwrap_or_default().as_bytes()).as_ref());
        Self {
            inboxes: BlockCipher::new(&key, b"inbox"),
            subscriptions: BlockCipher::new(&key, b"subscription"),
            messages: BlockCipher::new(&key, b"message"),
        }
    }

    /// Returns the log ID of an agent, or of a receipt subscription.
    #[must_use]
    pub fn inbox(&self, id: InboxId) -> LogId {
        self.inboxes.encrypt(*id.as_bytes())
    }

    /// Returns the log ID of a subscription.
    #[must_use]
    pub fn subscription(&self, id: SubscriptionId) -> LogId {
        self.subscriptions.encrypt(*id.as_bytes())
    }

    /// Returns the log ID of a message.
    #[must_use]
    pub fn message(&self, id: MessageId) -> LogId {
        self.messages.encrypt(*id.as_bytes())
    }

    /// Returns the inbox that a log ID names.
    #[must_use]
    pub fn inbox_id(&self, log_id: LogId) -> InboxId {
        InboxId::from_bytes(self.inboxes.decrypt(log_id))
    }

    /// Returns the subscription that a log ID names.
    #[must_use]
    pub fn subscription_id(&self, log_id: LogId) -> SubscriptionId {
        SubscriptionId::from_bytes(self.subscriptions.decrypt(log_id))
    }

    /// Returns the message that a log ID names.
    #[must_use]
    pub fn message_id(&self, log_id: LogId) -> MessageId {
        MessageId::from_bytes(self.messages.decrypt(log_id))
    }
}

/// AES-256 on single blocks. IDs are unique, so ECB mode reveals only whether two IDs are equal.
///
/// No operation fails for keys and blocks of these lengths. If one did, the result would be zeros, never the ID itself.
struct BlockCipher(Option<(EncryptingKey, DecryptingKey)>);

impl BlockCipher {
    fn new(key: &Key, kind: &[u8]) -> Self {
        const { assert!(AES_256_KEY_LEN == 32, "the length of an HMAC-SHA256 tag") }
        let key = sign(key, kind);
        let key = || UnboundCipherKey::new(&AES_256, key.as_ref());
        let encrypting = key().and_then(EncryptingKey::ecb).ok();
        Self(encrypting.zip(key().and_then(DecryptingKey::ecb).ok()))
    }

    fn encrypt(&self, mut block: [u8; BLOCK_BYTES]) -> LogId {
        let encrypted = self.0.as_ref().is_some_and(|(key, _)| key.encrypt(&mut block).is_ok());
        LogId(if encrypted { block } else { [0; BLOCK_BYTES] })
    }

    fn decrypt(&self, LogId(mut block): LogId) -> [u8; BLOCK_BYTES] {
        let context = DecryptionContext::None;
        let decrypted = self.0.as_ref().is_some_and(|(_, key)| key.decrypt(&mut block, context).is_ok());
        if decrypted { block } else { [0; BLOCK_BYTES] }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LogId {
    type Err = InvalidLogId;

    fn from_str(text: &str) -> Result<Self, InvalidLogId> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, rest) = text.as_bytes().as_chunks();
        if pairs.len() != BLOCK_BYTES || !rest.is_empty() {
            return Err(InvalidLogId);
        }
        let mut bytes = [0; BLOCK_BYTES];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = digit(*high).zip(digit(*low)).ok_or(InvalidLogId)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for InvalidLogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid log ID: expected 32 hexadecimal digits")
    }
}

impl Error for InvalidLogId {}

#[cfg(test)]
mod tests;
