//! What a remote party did wrong, as a closed list. The edge turns each into a status and a problem body.

use crate::sender::Claim;
use http::header::HeaderName;
use std::borrow::Cow;

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
    /// The subscription was there and is no more. Said only where senders are used to being told that apart from
    /// [`Problem::NotFound`].
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
