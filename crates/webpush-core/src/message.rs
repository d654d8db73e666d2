//! Messages: opaque bodies on their way from an application server to a user agent.

use crate::capability::KeyId;
use crate::encoding::Encoding;
use crate::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use crate::limits::{LIVE_ACKNOWLEDGEMENT, LIVE_PATIENCE};
use crate::time::Timestamp;
use crate::topic::Topic;
use crate::urgency::Urgency;
use bytes::Bytes;
use std::fmt;

/// An accepted message. [`crate::publish::accept`] makes one; the store gives it its position.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name for life.
    pub id: MessageId,
    /// The inbox it goes to.
    pub agent: InboxId,
    /// The subscription it was pushed to.
    pub subscription: SubscriptionId,
    /// Its place in the inbox, assigned at commit; [`Position::START`] before that, and for TTL 0 for ever.
    pub position: Position,
    /// When the application server's request was accepted; the `Last-Modified` of RFC 8030 §7.2.
    pub accepted: Timestamp,
    /// When its TTL runs out; never delivered from then on (RFC 8030 §5.2).
    pub expires: Timestamp,
    /// How much it matters (RFC 8030 §5.3). Never told to the agent.
    pub urgency: Urgency,
    /// What it replaces and is replaced by (RFC 8030 §5.4). Never told to the agent.
    pub topic: Option<Topic>,
    /// The headers that the agent needs to read the body.
    pub encoding: Encoding,
    /// The sealing key of its URL, so that the URL is promised as it was given to the sender.
    pub key: KeyId,
    /// The receipt subscription that is owed exactly one receipt, if the sender asked (RFC 8030 §5.1).
    pub receipt: Option<InboxId>,
    /// The bytes, as they came.
    pub body: Bytes,
}

impl Message {
    /// How to name it to a store.
    #[must_use]
    pub const fn entry_ref(&self) -> EntryRef {
        EntryRef { inbox: self.agent, position: self.position, message: self.id }
    }

    /// Whether it was pushed with TTL 0: to be delivered at once or not at all.
    #[must_use]
    pub fn is_now_or_never(&self) -> bool {
        self.expires <= self.accepted
    }

    /// When a store gives it up. With TTL 0 that is a little after «now», so that an acknowledgement can find it.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        if self.is_now_or_never() {
            self.expires.after(LIVE_PATIENCE + LIVE_ACKNOWLEDGEMENT)
        } else {
            self.expires
        }
    }

    /// Whether its TTL has run out at `now`. A message with TTL 0 is let through by the session it meets.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }
}

/// Shows sizes and times, never the payload, an id or a header.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("position", &self.position)
            .field("accepted", &self.accepted)
            .field("expires", &self.expires)
            .field("urgency", &self.urgency)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
