//! Subscriptions, their protocols and sender keys.

use crate::capability::KeyId;
use crate::id::{ChannelId, InboxId, SubscriptionId};
use crate::message::Outcome;
use crate::time::Timestamp;
use std::fmt;
use std::sync::Arc;

/// A stored subscription. It has exactly one push resource (RFC 8030 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The agent that created it; its inbox receives the messages.
    pub agent: InboxId,
    /// Its ID within the agent.
    pub id: SubscriptionId,
    /// Time of creation.
    pub created: Timestamp,
    /// The sealing key of its URLs. Stored so that they survive key rotation.
    pub key: KeyId,
    /// The only application server that may push to it, if it is restricted (RFC 8292 §4.1).
    pub sender: Option<SenderKey>,
    /// The protocol in which it was created.
    pub protocol: Protocol,
}

/// The protocol in which a subscription was created.
///
/// It determines how the agent identifies and acknowledges messages. Sending is the same for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 8030: the agent acknowledges a message with DELETE on its URL.
    Rfc8030,
    /// The autopush WebSocket protocol, with the channel ID that the agent chose.
    Autopush(ChannelId),
    /// The legacy (2015) API, draft-thomson-webpush-http2.
    ///
    /// It has no acknowledgements: a message counts as delivered once HTTP/2 shows that the agent received it.
    Legacy,
    /// The protocols of Google's push service, with a channel ID that is derived from the app's subtype.
    Chromium(ChannelId, Arc<ChromiumApp>),
}

/// The names under which a Chromium registered a subscription. Its messages repeat them.
#[derive(Clone, PartialEq, Eq)]
pub struct ChromiumApp {
    category: Box<str>,
    subtype: Box<str>,
}

/// Maximum length of a category, in bytes: `com.chrome.windows` and similar.
const CATEGORY_BYTES: usize = 255;

/// Maximum length of a subtype, in bytes: the origin of the website and an ID.
const SUBTYPE_BYTES: usize = 1024;

impl ChromiumApp {
    /// Creates an app; `None` if a name is empty or too long.
    #[must_use]
    pub fn new(category: &str, subtype: &str) -> Option<Self> {
        let fits = |text: &str, limit| (1..=limit).contains(&text.len());
        (fits(category, CATEGORY_BYTES) && fits(subtype, SUBTYPE_BYTES))
            .then(|| Self { category: category.into(), subtype: subtype.into() })
    }

    /// Returns the name of the browser, such as `org.chromium.linux`.
    #[must_use]
    pub fn category(&self) -> &str {
        &self.category
    }

    /// Returns the browser's name of the subscription, which contains the origin of the website.
    #[must_use]
    pub fn subtype(&self) -> &str {
        &self.subtype
    }
}

/// Hides the names, which contain the origin of a website that somebody uses.
impl fmt::Debug for ChromiumApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChromiumApp(…)")
    }
}

/// A protocol without its parameters, for metrics, traces, archives and the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolKind {
    /// See [`Protocol::Rfc8030`].
    Rfc8030,
    /// See [`Protocol::Autopush`].
    Autopush,
    /// See [`Protocol::Legacy`].
    Legacy,
    /// See [`Protocol::Chromium`].
    Chromium,
}

impl ProtocolKind {
    /// Every protocol, in discriminant order.
    pub const ALL: [Self; 4] = [Self::Rfc8030, Self::Autopush, Self::Legacy, Self::Chromium];

    /// Returns the name of the protocol.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc8030 => "rfc8030",
            Self::Autopush => "autopush",
            Self::Legacy => "legacy",
            Self::Chromium => "chromium",
        }
    }
}

impl fmt::Display for ProtocolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Protocol {
    /// Returns the protocol without its parameters.
    #[must_use]
    pub const fn kind(&self) -> ProtocolKind {
        match self {
            Self::Rfc8030 => ProtocolKind::Rfc8030,
            Self::Autopush(_) => ProtocolKind::Autopush,
            Self::Legacy => ProtocolKind::Legacy,
            Self::Chromium(..) => ProtocolKind::Chromium,
        }
    }

    /// Returns the outcome of DELETE on the URL of a message.
    ///
    /// An RFC 8030 agent acknowledges with it (§6.2). In the other protocols only the sender knows the URL, and cancels the
    /// message.
    #[must_use]
    pub const fn outcome_of_delete(&self) -> Outcome {
        match self {
            Self::Rfc8030 => Outcome::Delivered,
            Self::Autopush(_) | Self::Legacy | Self::Chromium(..) => Outcome::Canceled,
        }
    }
}

impl Subscription {
    /// Returns the agent's own ID of the subscription, for autopush and Chromium.
    ///
    /// It is unique within the agent.
    #[must_use]
    pub const fn channel(&self) -> Option<ChannelId> {
        match self.protocol {
            Protocol::Autopush(channel) | Protocol::Chromium(channel, _) => Some(channel),
            Protocol::Rfc8030 | Protocol::Legacy => None,
        }
    }
}

/// A sender's VAPID public key: the 65 bytes of an uncompressed P-256 point (RFC 8292 §3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SenderKey(pub [u8; 65]);

/// Hides the key, which identifies a sender.
impl fmt::Debug for SenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SenderKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_kinds_are_in_order_and_have_distinct_names() {
        for (number, kind) in ProtocolKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
        assert_eq!(
            ProtocolKind::ALL.map(ProtocolKind::as_str),
            ["rfc8030", "autopush", "legacy", "chromium"]
        );
    }
}
