//! The decision on a push request. It is the only way to make a [`Message`] of one.

use super::request::PublishRequest;
use crate::capability::KeyId;
use crate::id::{InboxId, MessageId, Position};
use crate::limits::Limits;
use crate::message::Message;
use crate::subscription::Subscription;
use crate::time::Timestamp;
use std::time::Duration;

/// How long the service keeps a message: the single fork that TTL 0 makes (RFC 8030 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Handed to a live session, or ended as expired.
    NowOrNever,
    /// Stored until acknowledged, or until then.
    Until(Timestamp),
}

/// A message that the service takes on.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The message, without a position yet.
    pub message: Message,
    /// How long it is kept.
    pub retention: Retention,
    /// The TTL granted, never more than was asked for; the `TTL` of the answer.
    pub ttl: Duration,
}

/// What a judgement needs besides request and subscription.
#[derive(Clone, Copy, Debug)]
pub struct Ruling<'a> {
    /// The name for the message, fresh.
    pub id: MessageId,
    /// The sealing key for its URL.
    pub key: KeyId,
    /// The receipt subscription that is owed a receipt.
    pub receipt: Option<InboxId>,
    /// The bounds in force.
    pub limits: &'a Limits,
    /// The present.
    pub now: Timestamp,
}

/// Decides on a push request to a subscription that exists.
#[must_use]
pub fn judge(request: PublishRequest, subscription: &Subscription, ruling: Ruling<'_>) -> Accepted {
    let Ruling { id, key, receipt, limits, now } = ruling;
    let ttl = request.ttl.min(limits.max_ttl);
    let expires = now.after(ttl);
    let retention = if ttl.is_zero() { Retention::NowOrNever } else { Retention::Until(expires) };
    let message = Message {
        id,
        agent: subscription.agent,
        subscription: subscription.id,
        position: Position::START,
        accepted: now,
        expires,
        urgency: request.urgency,
        topic: request.topic,
        encoding: request.encoding,
        key,
        receipt,
        body: request.body,
    };
    Accepted { message, retention, ttl }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SubscriptionId;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    fn accepted(ttl: &'static str, limits: &Limits) -> Accepted {
        let mut headers = HeaderMap::new();
        headers.insert("ttl", HeaderValue::from_static(ttl));
        let request = PublishRequest::parse(&headers, Bytes::from_static(b"x")).unwrap();
        let subscription = Subscription {
            agent: InboxId::from_bytes([1; 16]),
            id: SubscriptionId::from_bytes([2; 16]),
            created: Timestamp::default(),
            key: KeyId(1),
            sender: None,
        };
        let id = MessageId::from_bytes([3; 16]);
        let now = Timestamp::from_millis(1000);
        judge(request, &subscription, Ruling { id, key: KeyId(1), receipt: None, limits, now })
    }

    #[test]
    fn r8030_5_2_c_the_ttl_is_cut_to_the_limit_and_never_raised() {
        let limits = Limits { max_ttl: Duration::from_secs(60), ..Limits::default() };
        for (asked, granted) in [("1", 1), ("60", 60), ("61", 60), ("9999999999", 60)] {
            let accepted = accepted(asked, &limits);
            assert_eq!(accepted.ttl, Duration::from_secs(granted));
            let expires = Timestamp::from_millis(1000 + granted * 1000);
            assert_eq!(accepted.retention, Retention::Until(expires));
            assert_eq!(accepted.message.expires, expires);
        }
    }

    #[test]
    fn r8030_5_2_e_ttl_zero_is_now_or_never() {
        assert_eq!(accepted("0", &Limits::default()).retention, Retention::NowOrNever);
    }
}
