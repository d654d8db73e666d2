//! Everything a remote party can do wrong, as a closed list.
//!
//! The HTTP edge turns each into a status and a problem body.

use http::header::HeaderName;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A request that can't be served as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No `TTL` header (RFC 8030 §5.2).
    TtlMissing,
    /// `TTL` is not one run of digits (RFC 8030 §5.2).
    TtlMalformed {
        /// It is a number, but less than zero.
        negative: bool,
    },
    /// `Urgency` is not exactly one of the four words (RFC 8030 §5.3).
    UrgencyMalformed,
    /// `Topic` is not exactly one word of 1 to 32 characters (RFC 8030 §5.4).
    TopicMalformed,
    /// A header does not follow its grammar.
    HeaderMalformed {
        /// The header.
        name: HeaderName,
    },
    /// A header that is kept with the message is too long.
    HeaderTooLarge {
        /// The header.
        name: HeaderName,
        /// The most it may have.
        limit: usize,
    },
    /// The body is larger than the limit (RFC 8030 §7.2).
    BodyTooLarge {
        /// The largest body taken.
        limit: usize,
    },
    /// The body did not arrive whole, or not in time.
    BodyIncomplete,
    /// The `Link` names a subscription set that is unknown here (RFC 8030 §4.1).
    SetUnknown,
    /// The `Link` names a receipt subscription that is unknown here (RFC 8030 §5.1).
    ReceiptSubscriptionUnknown,
    /// The subscription options can't be read (RFC 8292 §4.1).
    OptionsMalformed {
        /// What is wrong with them.
        detail: &'static str,
    },
    /// The subscription is for one sender, and the request does not say who sends (RFC 8292 §4.2).
    VapidRequired,
    /// The request says who sends, and it can't be so (RFC 8292 §4.2).
    VapidInvalid {
        /// The first claim that does not hold.
        claim: Claim,
        /// What it must be.
        expected: Cow<'static, str>,
        /// What it is; bounded and printable.
        found: Cow<'static, str>,
    },
    /// The message is encrypted with the key that identifies its sender (RFC 8292 §3.2).
    SameKey,
    /// Too much of something for now (RFC 8030 §8.4).
    TooManyRequests {
        /// What there is too much of.
        of: Limited,
        /// When there is room again; at least 1.
        retry_after_seconds: u64,
    },
    /// Only holders of a token may subscribe here.
    TokenRequired {
        /// A token came, but not one of those.
        wrong: bool,
    },
    /// Nothing is there: never was, expired, or was deleted (RFC 8030 §7.3).
    NotFound,
    /// The subscription was removed.
    ///
    /// Used only where senders expect it to be told apart from [`Problem::NotFound`].
    Gone,
    /// The resource is there, but not for this method.
    MethodNotAllowed {
        /// The `Allow` value: what it is there for.
        allow: &'static str,
    },
    /// A WebSocket of another version than 13 is asked for (RFC 6455 §4.2.2).
    WebSocketVersion,
    /// A WebSocket is asked for in a way that can't be answered (RFC 6455 §4.2.1).
    UpgradeMalformed {
        /// What is wrong.
        detail: &'static str,
    },
    /// The body is not a notification as Matrix homeservers send it (Push Gateway API).
    NotificationMalformed {
        /// What is wrong with it.
        detail: &'static str,
    },
    /// A device's push URL is of another push service, and the gateway is for those of this one.
    PushkeyElsewhere,
    /// The user agent can't take server push.
    PushUnsupported {
        /// It did not ask for events, the other way to listen there.
        events_instead: bool,
    },
}

/// What a rate limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Messages to one subscription.
    Subscription,
    /// Messages to all subscriptions of one agent.
    Agent,
    /// Messages of one application server, known by its VAPID key.
    Sender,
    /// New subscriptions from one address.
    Registration,
    /// New receipt subscriptions from one address (RFC 8030 §5.1).
    Receipts,
    /// Messages to other push services for one address, which the Matrix gateway sends.
    Elsewhere,
    /// Notifications from one address that wait for other push services.
    Notifications,
    /// Subscriptions in one set.
    SubscriptionSet,
}

/// A claim of a sender about itself, which holds or does not (RFC 8292).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The header and its parameters (RFC 8292 §3).
    Authorization,
    /// The public key (RFC 8292 §3.2).
    Key,
    /// The token as such (RFC 7519 §7.2).
    Token,
    /// The algorithm of its signature (RFC 8292 §2).
    Algorithm,
    /// The service it is for (RFC 8292 §2).
    Audience,
    /// The end of its validity (RFC 8292 §2).
    Expiry,
    /// The contact of the sender (RFC 8292 §2.1).
    Subject,
    /// The proof that the holder of the key made it (RFC 8292 §4.2).
    Signature,
}

impl Claim {
    /// Returns its name as the standards write it.
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

/// The party that has to change something before a refused request can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// An application server.
    Sender,
    /// A user agent.
    Agent,
    /// A Matrix homeserver.
    Homeserver,
    /// The client, whichever of them it is: requests of all kinds can fail so.
    Client,
}

impl Problem {
    /// Returns the party at fault.
    ///
    /// It is never the service: a failure of its own is no problem of a request.
    #[must_use]
    pub const fn fault(&self) -> Party {
        match self {
            Self::TtlMissing
            | Self::TtlMalformed { .. }
            | Self::TopicMalformed
            | Self::HeaderTooLarge { .. }
            | Self::ReceiptSubscriptionUnknown
            | Self::VapidRequired
            | Self::VapidInvalid { .. }
            | Self::SameKey => Party::Sender,
            Self::SetUnknown
            | Self::OptionsMalformed { .. }
            | Self::WebSocketVersion
            | Self::UpgradeMalformed { .. }
            | Self::PushUnsupported { .. } => Party::Agent,
            Self::NotificationMalformed { .. } | Self::PushkeyElsewhere => Party::Homeserver,
            Self::UrgencyMalformed
            | Self::HeaderMalformed { .. }
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
            Self::TooManyRequests { of, retry_after_seconds } => {
                write!(f, "the rate limit of {of} is exceeded: retry after {retry_after_seconds} s")
            }
            Self::TokenRequired { wrong: true } => f.write_str("the subscribe token is not valid"),
            Self::TokenRequired { wrong: false } => f.write_str("a subscribe token is required"),
            Self::NotFound => f.write_str("the resource does not exist"),
            Self::Gone => f.write_str("the subscription was removed"),
            Self::MethodNotAllowed { allow } => write!(f, "the method is not one of {allow}"),
            Self::WebSocketVersion => f.write_str("the WebSocket version is not 13"),
            Self::UpgradeMalformed { detail } => write!(f, "the WebSocket upgrade is malformed: {detail}"),
            Self::NotificationMalformed { detail } => write!(f, "the notification is malformed: {detail}"),
            Self::PushkeyElsewhere => f.write_str("the push URL belongs to another push service"),
            Self::PushUnsupported { .. } => f.write_str("the client does not accept server push"),
        }
    }
}

impl Error for Problem {}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subscription => "messages to one subscription",
            Self::Agent => "messages to one agent",
            Self::Sender => "messages of one sender",
            Self::Registration => "new subscriptions from one address",
            Self::Receipts => "new receipt subscriptions from one address",
            Self::Elsewhere => "messages to other push services",
            Self::Notifications => "waiting notifications",
            Self::SubscriptionSet => "subscriptions in one set",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_is_wrong_and_whose_fault_it_is() {
        let claim =
            Problem::VapidInvalid { claim: Claim::Expiry, expected: "later".into(), found: "now".into() };
        assert_eq!(claim.to_string(), "the VAPID claim exp is invalid: expected later, found now");
        assert_eq!(claim.fault(), Party::Sender);
        let limit = Problem::TooManyRequests { of: Limited::Sender, retry_after_seconds: 7 };
        assert_eq!(
            limit.to_string(),
            "the rate limit of messages of one sender is exceeded: retry after 7 s"
        );
        assert_eq!((limit.fault(), Problem::SetUnknown.fault()), (Party::Client, Party::Agent));
    }
}
