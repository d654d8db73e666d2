//! What agents, subscriptions and messages are called in front of people, in the log and on the admin listener: neither by their URLs, which grant something, nor by their
//! ids, but by a keyed hash. It stays the same over restarts, so one agent can be followed, and nobody who has only the name
//! can tell which URL it belongs to. `webpush-server log-name URL` can, with the sealing keys.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use std::fmt;
use webpush_core::capability::{Capability, Keyring};
use webpush_core::id::{InboxId, MessageId, SubscriptionId};

/// An inbox that is never there: what is sealed for it is known to nobody, and a key.
const NOBODY: InboxId = InboxId::from_bytes([0; 16]);

/// Gives things their names.
pub struct Pseudonyms(Key);

/// A name: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pseudonym([u8; 8]);

impl Pseudonyms {
    /// With a key that follows from the oldest sealing key: others may be added without changing a name.
    #[must_use]
    pub fn new(keyring: &Keyring) -> Self {
        let sealed = keyring.path(&Capability::SubscriptionSet(NOBODY), keyring.oldest());
        Self(Key::new(HMAC_SHA256, digest(&SHA256, sealed.unwrap_or_default().as_bytes()).as_ref()))
    }

    /// Of an agent, or of a receipt subscription.
    #[must_use]
    pub fn inbox(&self, id: InboxId) -> Pseudonym {
        self.name(b"inbox", id.as_bytes())
    }

    /// Of a subscription.
    #[must_use]
    pub fn subscription(&self, id: SubscriptionId) -> Pseudonym {
        self.name(b"subscription", id.as_bytes())
    }

    /// Of a message.
    #[must_use]
    pub fn message(&self, id: MessageId) -> Pseudonym {
        self.name(b"message", id.as_bytes())
    }

    fn name(&self, kind: &[u8], id: &[u8; 16]) -> Pseudonym {
        let tag = sign(&self.0, &[kind, id].concat());
        let mut name = [0; 8];
        name.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Pseudonym(name)
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing::Aes256GcmSiv;
    use webpush_core::capability::KeyId;

    fn names(keys: &[(KeyId, [u8; 32])]) -> Pseudonyms {
        Pseudonyms::new(&Keyring::new::<Aes256GcmSiv>(keys).unwrap())
    }

    #[test]
    fn a_name_stays_over_a_rotation_and_is_another_with_other_keys() {
        let (old, new) = ((KeyId(1), [1; 32]), (KeyId(2), [2; 32]));
        let id = InboxId::from_bytes([7; 16]);
        let name = names(&[old]).inbox(id);
        assert_eq!(names(&[old, new]).inbox(id), name);
        assert_ne!(names(&[new]).inbox(id), name);
        assert_ne!(names(&[old]).inbox(InboxId::from_bytes([8; 16])), name);
    }

    #[test]
    fn a_name_is_short_and_says_nothing_of_the_id_nor_of_what_has_the_same() {
        let (names, bytes) = (names(&[(KeyId(1), [1; 32])]), [7; 16]);
        let inbox = names.inbox(InboxId::from_bytes(bytes)).to_string();
        assert!(inbox.len() == 16 && !inbox.contains("0707"), "{inbox}");
        assert_ne!(names.message(MessageId::from_bytes(bytes)).to_string(), inbox);
        assert_ne!(names.subscription(SubscriptionId::from_bytes(bytes)).to_string(), inbox);
    }
}
