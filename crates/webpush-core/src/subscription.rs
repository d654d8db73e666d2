//! Subscriptions: where application servers push to one agent.

use crate::capability::KeyId;
use crate::id::{ChannelId, InboxId, SubscriptionId};
use crate::message::Outcome;
use crate::time::Timestamp;
use std::fmt;

/// One subscription as it is kept. It has exactly one push resource (RFC 8030 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The agent that made it, and so the inbox its messages go to.
    pub agent: InboxId,
    /// Its name within the agent.
    pub id: SubscriptionId,
    /// When it was made.
    pub created: Timestamp,
    /// The sealing key of its URLs, kept so that key rotation leaves them as they were.
    pub key: KeyId,
    /// The only application server that may push to it (RFC 8292 §4.1): an uncompressed P-256 point.
    pub sender: Option<SenderKey>,
    /// The protocol it was made in.
    pub protocol: Protocol,
}

/// The protocol that a subscription was made in. Messages come to it in one way; how its agent names and acknowledges
/// them depends on this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 8030: the agent acknowledges a message with DELETE on its URL.
    Rfc8030,
    /// The autopush WebSocket: the agent has its own name for the subscription, and acknowledges on its socket.
    Autopush(ChannelId),
    /// draft-thomson-webpush-http2, as the Node `webpush-server` of 2015 had it: nobody acknowledges; a message has
    /// arrived when its agent is seen to have read it.
    Legacy,
}

/// The name of a protocol, in metrics, traces, archives and on the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolKind {
    /// See [`Protocol::Rfc8030`].
    Rfc8030,
    /// See [`Protocol::Autopush`].
    Autopush,
    /// See [`Protocol::Legacy`].
    Legacy,
}

impl ProtocolKind {
    /// Every protocol, in the order of their numbers (`kind as usize`).
    pub const ALL: [Self; 3] = [Self::Rfc8030, Self::Autopush, Self::Legacy];

    /// Returns the word that names the protocol wherever it is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc8030 => "rfc8030",
            Self::Autopush => "autopush",
            Self::Legacy => "legacy",
        }
    }
}

impl fmt::Display for ProtocolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Protocol {
    /// Returns the name of the protocol.
    #[must_use]
    pub const fn kind(self) -> ProtocolKind {
        match self {
            Self::Rfc8030 => ProtocolKind::Rfc8030,
            Self::Autopush(_) => ProtocolKind::Autopush,
            Self::Legacy => ProtocolKind::Legacy,
        }
    }

    /// What DELETE on a message's URL makes of the message. An RFC 8030 agent acknowledges by it (§6.2). Agents of the
    /// other protocols are never shown that URL: there it is the sender, who takes the message back.
    #[must_use]
    pub const fn outcome_of_delete(self) -> Outcome {
        match self {
            Self::Rfc8030 => Outcome::Delivered,
            Self::Autopush(_) | Self::Legacy => Outcome::Cancelled,
        }
    }
}

impl Subscription {
    /// What its agent calls it, if the protocol has such names. An agent has one subscription of each name at most.
    #[must_use]
    pub const fn channel(&self) -> Option<ChannelId> {
        match self.protocol {
            Protocol::Autopush(channel) => Some(channel),
            Protocol::Rfc8030 | Protocol::Legacy => None,
        }
    }
}

/// A sender's VAPID public key: the 65 bytes of an uncompressed P-256 point (RFC 8292 §3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SenderKey(pub [u8; 65]);

/// Shows that there is one, not whose.
impl fmt::Debug for SenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SenderKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_numbered_in_order_and_have_words_of_their_own() {
        for (number, kind) in ProtocolKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
        assert_eq!(ProtocolKind::ALL.map(ProtocolKind::as_str), ["rfc8030", "autopush", "legacy"]);
    }
}
