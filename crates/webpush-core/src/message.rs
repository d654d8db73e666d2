//! Push messages.

mod outcome;

pub use outcome::Outcome;

use crate::capability::KeyId;
use crate::encoding::Encoding;
use crate::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use crate::time::Timestamp;
use crate::topic::Topic;
use crate::urgency::Urgency;
use bytes::Bytes;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// How long a TTL 0 message may wait for a slow session.
pub const LIVE_DELIVERY_TIMEOUT: Duration = Duration::from_secs(2);

/// How long after that an acknowledgement of a TTL 0 message still yields a receipt.
const LIVE_ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(3);

/// An accepted message that is not committed, so it has no position.
///
/// [`publish::accept`](crate::publish::accept) creates it. A store turns it into a [`Message`]; most TTL 0 messages are
/// never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// Identifies the message for life.
    pub id: MessageId,
    /// The inbox it goes to.
    pub agent: InboxId,
    /// The subscription it was pushed to.
    pub subscription: SubscriptionId,
    /// Time of acceptance; the `Last-Modified` of RFC 8030 §7.2.
    pub accepted: Timestamp,
    /// The end of its TTL. It is not delivered from then on (RFC 8030 §5.2).
    pub expires: Timestamp,
    /// Its urgency (RFC 8030 §5.3). Not sent to the agent.
    pub urgency: Urgency,
    /// Its topic (RFC 8030 §5.4). Not sent to the agent.
    pub topic: Option<Topic>,
    /// The headers that the agent needs to read the body.
    pub encoding: Encoding,
    /// The sealing key of its URL. Stored so that each delivery has the URL that the sender got.
    pub key: KeyId,
    /// The receipt subscription that gets a receipt, if the sender requested one (RFC 8030 §5.1).
    pub receipt: Option<InboxId>,
    /// The body, unchanged.
    pub body: Bytes,
}

/// Returns the time at which a store removes a message that was accepted and expires at these times.
///
/// A TTL 0 message stays a few seconds longer, so that its acknowledgement finds it.
#[must_use]
pub fn removal_time(accepted: Timestamp, expires: Timestamp) -> Timestamp {
    if expires <= accepted {
        expires.after(LIVE_DELIVERY_TIMEOUT + LIVE_ACKNOWLEDGEMENT_TIMEOUT)
    } else {
        expires
    }
}

impl Draft {
    /// Creates the message that is stored at `position`.
    #[must_use]
    pub const fn into_message(self, position: Position) -> Message {
        Message { position, draft: self }
    }

    /// Returns true for TTL 0: the message is delivered immediately or discarded.
    #[must_use]
    pub fn is_now_or_never(&self) -> bool {
        self.expires <= self.accepted
    }

    /// Returns the time at which a store removes the message; see [`removal_time`].
    #[must_use]
    pub fn removal_time(&self) -> Timestamp {
        removal_time(self.accepted, self.expires)
    }

    /// Returns true if its TTL has elapsed at `now`.
    ///
    /// TTL 0 messages are always expired; sessions deliver them anyway.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }
}

/// Shows sizes and times, never the payload, an ID or a header.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("accepted", &self.accepted)
            .field("expires", &self.expires)
            .field("urgency", &self.urgency)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A committed message: a [`Draft`] and the position that a store gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its position in the inbox.
    pub position: Position,
    /// The accepted message.
    pub draft: Draft,
}

impl Message {
    /// Returns the reference to this message.
    #[must_use]
    pub const fn entry_ref(&self) -> EntryRef {
        EntryRef { inbox: self.draft.agent, position: self.position, message: self.draft.id }
    }
}

/// A message differs from its draft only by its position.
impl Deref for Message {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_with_ttl_0_is_removed_later_than_it_expires() {
        let accepted = Timestamp::from_millis(1000);
        let expires = accepted.after(Duration::from_millis(1));
        assert_eq!(removal_time(accepted, expires), expires);
        let longer = LIVE_DELIVERY_TIMEOUT + LIVE_ACKNOWLEDGEMENT_TIMEOUT;
        assert_eq!(removal_time(accepted, accepted), accepted.after(longer));
    }
}
