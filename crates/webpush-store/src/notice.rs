//! Notices between the handles to one store.

use std::sync::Arc;
use std::time::Duration;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::message::Message;

/// Age from which a session takes a message from [`Notice::StoredMessage`].
///
/// Such a notice is heard at most 17 s after the message can be read: the response to the commit takes 1 s at most, the
/// notice waits 1 s, is sent within 5 s, and a listener that is late by two heartbeats of 5 s is given up. So the message was
/// stored after the session began, and the agent has not had it in an earlier one.
pub const MESSAGE_NOTICE_SESSION_AGE: Duration = Duration::from_secs(20);

/// Maximum length of a body in a notice.
const NOTICE_BODY_BYTES: usize = 1024;

/// Something that the sessions of other handles have to know.
///
/// Sent with [`Store::notify`](crate::Store::notify). Notices are not durable. They may be lost, in which case the other handles hear [`missed`].
///
/// [`missed`]: crate::CommitObserver::missed
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Entries were stored in an inbox. Sent by a store whose events do not reach the other handles.
    Stored(InboxId),
    /// The same of a message that is small enough to be sent along, so that sessions need not read it.
    ///
    /// For agents that have one session at a time, and only for sessions that are older than [`MESSAGE_NOTICE_SESSION_AGE`].
    /// To others it says what [`Notice::Stored`] does.
    StoredMessage(Arc<Message>),
    /// An inbox was removed, or one of its subscriptions.
    Removed(InboxId, Option<SubscriptionId>),
    /// An agent opened a session that supersedes its older ones of the same kind.
    ///
    /// The kind is a number that the store does not interpret.
    Superseded(InboxId, u8),
    /// A message with TTL 0 was accepted, for sessions that are open now.
    Offered(OutboundEntry),
}

impl Notice {
    /// Returns the notice of a stored entry, with the message if that is worth it.
    pub(crate) fn of_stored(entry: &Entry) -> Self {
        match entry {
            Entry::Message(message) if is_sent_along(message) => Self::StoredMessage(Arc::clone(message)),
            Entry::Message(_) | Entry::Receipt(_) => Self::Stored(entry.entry_ref().inbox),
        }
    }

    /// Leaves the message out if it says that one was stored.
    pub(crate) fn without_message(self) -> Self {
        match self {
            Self::StoredMessage(message) => Self::Stored(message.agent),
            notice => notice,
        }
    }

    /// Returns the inbox that it is about.
    #[must_use]
    pub fn inbox(&self) -> InboxId {
        match self {
            Self::Stored(inbox) | Self::Removed(inbox, _) | Self::Superseded(inbox, _) => *inbox,
            Self::StoredMessage(message) => message.agent,
            Self::Offered(entry) => entry.entry_ref().inbox,
        }
    }
}

/// Returns true if a message can be told with its notice.
///
/// One with a topic has perhaps replaced another that sessions have not sent yet: they must read. One with TTL 0 is offered.
fn is_sent_along(message: &Message) -> bool {
    message.body.len() <= NOTICE_BODY_BYTES && message.topic.is_none() && message.expires > message.accepted
}
