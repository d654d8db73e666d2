//! Messages: opaque bodies on their way from an application server to a user agent.

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

/// The time that a slow session has to take a message with TTL 0.
pub const LIVE_DELIVERY_TIMEOUT: Duration = Duration::from_secs(2);

/// The time after that in which its acknowledgement still counts, if a receipt is owed.
const LIVE_ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(3);

/// A message that was accepted and not committed: it has no position.
///
/// [`crate::publish::accept`] makes one. A store turns it into a [`Message`]; most with TTL 0 are never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// Identifies the message for life.
    pub id: MessageId,
    /// The inbox it goes to.
    pub agent: InboxId,
    /// The subscription it was pushed to.
    pub subscription: SubscriptionId,
    /// When the application server's request was accepted; the `Last-Modified` of RFC 8030 §7.2.
    pub accepted: Timestamp,
    /// When its TTL runs out; never delivered from then on (RFC 8030 §5.2).
    pub expires: Timestamp,
    /// RFC 8030 §5.3. Never shown to the agent.
    pub urgency: Urgency,
    /// RFC 8030 §5.4. Never shown to the agent.
    pub topic: Option<Topic>,
    /// The headers that the agent needs to read the body.
    pub encoding: Encoding,
    /// The sealing key of its URL, so that every delivery promises the URL that the sender was given.
    pub key: KeyId,
    /// The receipt subscription that is owed exactly one receipt, if the sender asked (RFC 8030 §5.1).
    pub receipt: Option<InboxId>,
    /// The body, unchanged.
    pub body: Bytes,
}

/// Returns when a store removes a message that was accepted and expires at these times.
///
/// With TTL 0 that is a little after it was accepted, so that an acknowledgement can find it.
#[must_use]
pub fn end_of(accepted: Timestamp, expires: Timestamp) -> Timestamp {
    if expires <= accepted {
        expires.after(LIVE_DELIVERY_TIMEOUT + LIVE_ACKNOWLEDGEMENT_TIMEOUT)
    } else {
        expires
    }
}

impl Draft {
    /// Turns the draft into the message that a store keeps at `position`.
    #[must_use]
    pub const fn into_message(self, position: Position) -> Message {
        Message { position, draft: self }
    }

    /// Returns true if the message was pushed with TTL 0: to be delivered at once or not at all.
    #[must_use]
    pub fn is_now_or_never(&self) -> bool {
        self.expires <= self.accepted
    }

    /// Returns when a store removes the message; see [`end_of`].
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        end_of(self.accepted, self.expires)
    }

    /// Returns true if its TTL has run out at `now`. A session delivers a message with TTL 0 all the same.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }
}

/// Shows sizes and times, never the payload, an id or a header.
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
    /// Its place in the inbox, assigned at commit.
    pub position: Position,
    /// The message as it was accepted.
    pub draft: Draft,
}

impl Message {
    /// Returns the reference by which a store finds the message.
    #[must_use]
    pub const fn entry_ref(&self) -> EntryRef {
        EntryRef { inbox: self.draft.agent, position: self.position, message: self.draft.id }
    }
}

/// A committed message is read like the draft it was made from; nothing but its place was added.
impl Deref for Message {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}
