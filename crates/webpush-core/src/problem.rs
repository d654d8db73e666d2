//! Errors that clients cause, as a closed list.
//!
//! The HTTP layer maps each to a status code and a problem document.

use http::header::HeaderName;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// An error in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There is no `TTL` header (RFC 8030 §5.2).
    TtlMissing,
    /// `TTL` is not a single non-negative integer (RFC 8030 §5.2).
    TtlMalformed {
        /// True if it is a negative integer.
        negative: bool,
    },
    /// `Urgency` is not exactly one of the four values (RFC 8030 §5.3).
    UrgencyMalformed,
    /// `Topic` is not exactly one value of 1 to 32 base64url characters (RFC 8030 §5.4).
    TopicMalformed,
    /// A header does not follow its grammar.
    HeaderMalformed {
        /// The header.
        name: HeaderName,
    },
    /// A header that is stored with the message is too long.
    HeaderTooLarge {
        /// The header.
        name: HeaderName,
        /// The limit in bytes.
        limit: usize,
    },
    /// No agent could read a body with these headers (RFC 8291 §4).
    EncodingUnreadable {
        /// The reason.
        detail: &'static str,
    },
    /// The request has not exactly one `Host` (RFC 9112 §3.2).
    HostNotUnique,
    /// The body has a transfer coding other than `chunked` (RFC 9112 §6.1).
    TransferCoding,
    /// The body exceeds the limit (RFC 8030 §7.2).
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body did not arrive completely and in time.
    BodyIncomplete,
    /// `Link` references an unknown subscription set (RFC 8030 §4.1).
    SetUnknown,
    /// `Link` references an unknown receipt subscription (RFC 8030 §5.1).
    ReceiptSubscriptionUnknown,
    /// The subscription options are malformed (RFC 8292 §4.1).
    OptionsMalformed {
        /// The reason.
        detail: &'static str,
    },
    /// The subscription is restricted, and the request has no VAPID credentials (RFC 8292 §4.2).
    VapidRequired,
    /// The VAPID credentials are invalid (RFC 8292 §4.2).
    VapidInvalid {
        /// The first invalid claim.
        claim: Claim,
        /// The expected value.
        expected: Cow<'static, str>,
        /// The actual value, bounded and printable.
        found: Cow<'static, str>,
    },
    /// The message is encrypted with the key that identifies its sender (RFC 8292 §3.2).
    SameKey,
    /// A rate limit (RFC 8030 §8.4), a quota, or a client's share of what waits at once is exceeded.
    TooManyRequests {
        /// The limit.
        limit: LimitKind,
        /// When to retry; at least 1.
        retry_after_seconds: u64,
    },
    /// Subscribing requires a token.
    TokenRequired {
        /// True if the request has a token, but an invalid one.
        wrong: bool,
    },
    /// The resource never existed, has expired, or was deleted (RFC 8030 §7.3).
    NotFound,
    /// The subscription was removed.
    ///
    /// Used only where senders expect a status other than that of [`Problem::NotFound`].
    Gone,
    /// The resource does not support the method.
    MethodNotAllowed {
        /// The supported methods, for `Allow`.
        allow: &'static str,
    },
    /// The requested WebSocket version is not 13 (RFC 6455 §4.2.2).
    WebSocketVersion,
    /// The WebSocket handshake is malformed (RFC 6455 §4.2.1).
    UpgradeMalformed {
        /// The reason.
        detail: &'static str,
    },
    /// The body is not a notification of the Matrix Push Gateway API.
    NotificationMalformed {
        /// The reason.
        detail: &'static str,
    },
    /// A pushkey belongs to another push service, and the gateway serves this one only.
    ForeignPushkey,
    /// The user agent does not support server push.
    PushUnsupported {
        /// True if it could request server-sent events instead.
        events_available: bool,
    },
}

/// A rate limit or quota that a request can exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Messages to one subscription.
    Subscription,
    /// Messages to all subscriptions of one agent.
    Agent,
    /// Messages of one application server, identified by its VAPID key.
    Sender,
    /// New subscriptions from one address.
    Registration,
    /// New receipt subscriptions from one address (RFC 8030 §5.1).
    Receipts,
    /// Messages to other push services that the Matrix gateway sends for one address.
    Elsewhere,
    /// Reads from one address that look through many entries of an inbox.
    Scans,
    /// Notifications from one address that are waiting for other push services.
    Notifications,
    /// Open sessions of one agent.
    Sessions,
    /// Subscriptions in one set.
    SubscriptionSet,
}

/// A part of VAPID credentials that is checked (RFC 8292).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The header and its parameters (RFC 8292 §3).
    Authorization,
    /// The public key (RFC 8292 §3.2).
    Key,
    /// The format of the token (RFC 7519 §7.2).
    Token,
    /// The signature algorithm (RFC 8292 §2).
    Algorithm,
    /// The origin of the push service (RFC 8292 §2).
    Audience,
    /// The expiration time (RFC 8292 §2).
    Expiry,
    /// The contact of the sender (RFC 8292 §2.1).
    Subject,
    /// The signature of the token (RFC 8292 §4.2).
    Signature,
}

impl Claim {
    /// Returns the name of the claim, header or parameter in the standards.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "Authorization",
            Self::Key => "k",
            Self::Token => "t",
            Self::Algorithm => "alg",
            Self::Audience => "aud",
            Self::Expiry => "exp",
            Self::Subject => "sub",
            Self::Signature => "signature",
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The party that must fix a rejected request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// An application server.
    Sender,
    /// A user agent.
    Agent,
    /// A Matrix homeserver.
    Homeserver,
    /// Any of these: requests of every kind can fail in this way.
    Client,
}

impl Problem {
    /// Returns the party at fault. Failures of the service are not [`Problem`]s.
    #[must_use]
    pub const fn fault(&self) -> Party {
        match self {
            Self::TtlMissing
            | Self::TtlMalformed { .. }
            | Self::TopicMalformed
            | Self::HeaderTooLarge { .. }
            | Self::EncodingUnreadable { .. }
            | Self::ReceiptSubscriptionUnknown
            | Self::VapidRequired
            | Self::VapidInvalid { .. }
            | Self::SameKey => Party::Sender,
            Self::SetUnknown
            | Self::OptionsMalformed { .. }
            | Self::WebSocketVersion
            | Self::UpgradeMalformed { .. }
            | Self::PushUnsupported { .. } => Party::Agent,
            Self::NotificationMalformed { .. } | Self::ForeignPushkey => Party::Homeserver,
            Self::UrgencyMalformed
            | Self::HeaderMalformed { .. }
            | Self::HostNotUnique
            | Self::TransferCoding
            | Self::BodyTooLarge { .. }
            | Self::BodyIncomplete
            | Self::TooManyRequests { .. }
            | Self::TokenRequired { .. }
            | Self::NotFound
            | Self::Gone
            | Self::MethodNotAllowed { .. } => Party::Client,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TtlMissing => f.write_str("the TTL header is missing"),
            Self::TtlMalformed { negative: true } => f.write_str("TTL is negative"),
            Self::TtlMalformed { negative: false } => f.write_str("TTL is not a number of seconds"),
            Self::UrgencyMalformed => f.write_str("Urgency is not very-low, low, normal or high"),
            Self::TopicMalformed => f.write_str("Topic is not 1 to 32 characters of base64url"),
            Self::HeaderMalformed { name } => write!(f, "the header {name} is malformed"),
            Self::HeaderTooLarge { name, limit } => {
                write!(f, "the header {name} exceeds the limit of {limit} bytes")
            }
            Self::EncodingUnreadable { detail } => write!(f, "no agent could read the body: {detail}"),
            Self::HostNotUnique => f.write_str("the request has not exactly one Host header"),
            Self::TransferCoding => f.write_str("the body has a transfer coding other than chunked"),
            Self::BodyTooLarge { limit } => write!(f, "the body exceeds the limit of {limit} bytes"),
            Self::BodyIncomplete => f.write_str("the body is incomplete"),
            Self::SetUnknown => f.write_str("the subscription set is unknown"),
            Self::ReceiptSubscriptionUnknown => f.write_str("the receipt subscription is unknown"),
            Self::OptionsMalformed { detail } => {
                write!(f, "the subscription options are malformed: {detail}")
            }
            Self::VapidRequired => {
                f.write_str("the subscription is restricted and the request has no VAPID header")
            }
            Self::VapidInvalid { claim, expected, found } => {
                write!(f, "the VAPID claim {claim} is invalid: expected {expected}, found {found}")
            }
            Self::SameKey => f.write_str("the message is encrypted with the key that identifies its sender"),
            Self::TooManyRequests { limit, retry_after_seconds } => {
                write!(f, "the rate limit of {limit} is exceeded: retry after {retry_after_seconds} s")
            }
            Self::TokenRequired { wrong: true } => f.write_str("the subscribe token is not valid"),
            Self::TokenRequired { wrong: false } => f.write_str("a subscribe token is required"),
            Self::NotFound => f.write_str("the resource does not exist"),
            Self::Gone => f.write_str("the subscription was removed"),
            Self::MethodNotAllowed { allow } => write!(f, "the method is not one of {allow}"),
            Self::WebSocketVersion => f.write_str("the WebSocket version is not 13"),
            Self::UpgradeMalformed { detail } => write!(f, "the WebSocket upgrade is malformed: {detail}"),
            Self::NotificationMalformed { detail } => write!(f, "the notification is malformed: {detail}"),
            Self::ForeignPushkey => f.write_str("the push URL belongs to another push service"),
            Self::PushUnsupported { .. } => f.write_str("the client does not accept server push"),
        }
    }
}

impl Error for Problem {}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subscription => "messages to one subscription",
            Self::Agent => "messages to one agent",
            Self::Sender => "messages of one sender",
            Self::Registration => "new subscriptions from one address",
            Self::Receipts => "new receipt subscriptions from one address",
            Self::Elsewhere => "messages to other push services",
            Self::Scans => "reads that look through an inbox",
            Self::Notifications => "waiting notifications",
            Self::Sessions => "open sessions of one agent",
            Self::SubscriptionSet => "subscriptions in one set",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_a_message_and_a_party_at_fault() {
        let claim =
            Problem::VapidInvalid { claim: Claim::Expiry, expected: "later".into(), found: "now".into() };
        assert_eq!(claim.to_string(), "the VAPID claim exp is invalid: expected later, found now");
        assert_eq!(claim.fault(), Party::Sender);
        let limit = Problem::TooManyRequests { limit: LimitKind::Sender, retry_after_seconds: 7 };
        assert_eq!(
            limit.to_string(),
            "the rate limit of messages of one sender is exceeded: retry after 7 s"
        );
        assert_eq!((limit.fault(), Problem::SetUnknown.fault()), (Party::Client, Party::Agent));
    }
}
