//! Decides whether a push request is accepted, and creates the [`Draft`] of its message.

use super::request::PublishRequest;
use crate::capability::KeyId;
use crate::id::{InboxId, MessageId};
use crate::message::Draft;
use crate::problem::Problem;
use crate::sender::{VerifiedSender, check_restriction, shares_message_key};
use crate::subscription::Subscription;
use crate::time::Timestamp;
use std::time::Duration;

/// The smallest body limit that RFC 8030 §7.2 allows.
pub const SMALLEST_BODY_LIMIT_BYTES: usize = 4096;

/// How long the service retains a message (RFC 8030 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// TTL 0: delivered to a connected session or discarded.
    NowOrNever,
    /// Stored until it is acknowledged, at most until this time.
    Until(Timestamp),
}

/// An accepted message.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// The message.
    pub draft: Draft,
    /// How long it is retained.
    pub retention: Retention,
    /// The granted TTL, at most the requested one; the `TTL` of the response.
    pub ttl: Duration,
}

/// Parameters of [`accept`] besides request and subscription.
#[derive(Clone, Copy, Debug)]
pub struct AcceptContext {
    /// A new, random ID for the message.
    pub id: MessageId,
    /// The sealing key for its URL.
    pub key: KeyId,
    /// The receipt subscription that gets a receipt.
    pub receipt: Option<InboxId>,
    /// The sender, if the request has VAPID credentials. Invalid credentials were rejected by the caller.
    pub sender: Option<VerifiedSender>,
    /// The maximum TTL.
    pub max_ttl: Duration,
    /// The maximum length of a body that gets the parameters of `aesgcm`; `None` leaves them alone.
    pub aesgcm_in_body: Option<usize>,
    /// The current time.
    pub now: Timestamp,
}

/// Accepts or rejects a push request to an existing subscription.
///
/// ```
/// use bytes::Bytes;
/// use http::HeaderMap;
/// use std::time::Duration;
/// use webpush_core::capability::KeyId;
/// use webpush_core::id::{InboxId, MessageId, SubscriptionId};
/// use webpush_core::publish::{AcceptContext, PublishRequest, Retention, accept};
/// use webpush_core::subscription::{Protocol, Subscription};
/// use webpush_core::time::Timestamp;
///
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let subscription = Subscription {
///     agent: InboxId::from_bytes([1; 16]),
///     id: SubscriptionId::from_bytes([2; 16]),
///     created: now,
///     key: KeyId(1),
///     sender: None,
///     protocol: Protocol::Rfc8030,
/// };
/// let context = AcceptContext {
///     id: MessageId::from_bytes([3; 16]),
///     key: KeyId(1),
///     receipt: None,
///     sender: None,
///     max_ttl: Duration::from_secs(3600),
///     aesgcm_in_body: None,
///     now,
/// };
/// let headers = HeaderMap::from_iter([("ttl".parse()?, "86400".parse()?)]);
/// let request = PublishRequest::parse(&headers, Bytes::from_static(b"ciphertext"))?;
///
/// let acceptance = accept(request, &subscription, context)?;
/// assert_eq!(acceptance.ttl, Duration::from_secs(3600), "the limit, not the requested day");
/// assert_eq!(acceptance.retention, Retention::Until(now.after(acceptance.ttl)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Problem::VapidRequired`] or [`Problem::VapidInvalid`] if the subscription is restricted to another sender;
/// [`Problem::SameKey`]; [`Problem::BodyTooLarge`] if the body becomes too long.
pub fn accept(
    request: PublishRequest,
    subscription: &Subscription,
    context: AcceptContext,
) -> Result<Acceptance, Problem> {
    let AcceptContext { id, key, receipt, sender, max_ttl, aesgcm_in_body, now } = context;
    check_sender(sender.as_ref(), subscription, &request)?;
    let (encoding, body) = match aesgcm_in_body {
        None => (request.encoding, request.body),
        Some(limit) => match request.encoding.fold_aesgcm(request.body) {
            (_, body) if body.len() > limit => return Err(Problem::BodyTooLarge { limit }),
            folded => folded,
        },
    };
    let ttl = request.ttl.min(max_ttl);
    let expires = now.after(ttl);
    let retention = if ttl.is_zero() { Retention::NowOrNever } else { Retention::Until(expires) };
    let draft = Draft {
        id,
        agent: subscription.agent,
        subscription: subscription.id,
        accepted: now,
        expires,
        urgency: request.urgency,
        topic: request.topic,
        encoding,
        key,
        receipt,
        body,
    };
    Ok(Acceptance { draft, retention, ttl })
}

/// Checks that the sender may push here (RFC 8292 §4.2), and encrypts with another key (§3.2).
fn check_sender(
    sender: Option<&VerifiedSender>,
    subscription: &Subscription,
    request: &PublishRequest,
) -> Result<(), Problem> {
    if let Some(restricted_to) = &subscription.sender {
        let check = check_restriction(sender.ok_or(Problem::VapidRequired)?.key(), restricted_to);
        if !check.passed {
            return Err(check.into());
        }
    }
    match sender {
        Some(sender) if shares_message_key(sender.key(), &request.encoding, &request.body) => {
            Err(Problem::SameKey)
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SubscriptionId;
    use crate::sender::testing::{Fake, key, key_text, token};
    use crate::sender::{Claim, Credentials, Expected, VAPID_LEEWAY, verify};
    use crate::subscription::{Protocol, SenderKey};
    use bytes::Bytes;
    use http::header::{AUTHORIZATION, HeaderName};
    use http::{HeaderMap, HeaderValue};

    const MONTH: Duration = Duration::from_secs(30 * 86_400);
    const NOW: Timestamp = Timestamp::from_millis(1000);

    fn request(headers: &[(&'static str, &'static str)], body: Bytes) -> PublishRequest {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        PublishRequest::parse(&headers.collect(), body).unwrap()
    }

    fn decide(
        request: PublishRequest,
        restricted_to: Option<SenderKey>,
        sender: Option<VerifiedSender>,
        max_ttl: Duration,
    ) -> Result<Acceptance, Problem> {
        let subscription = Subscription {
            agent: InboxId::from_bytes([1; 16]),
            id: SubscriptionId::from_bytes([2; 16]),
            created: Timestamp::default(),
            key: KeyId(1),
            sender: restricted_to,
            protocol: Protocol::Rfc8030,
        };
        let id = MessageId::from_bytes([3; 16]);
        let context = AcceptContext {
            id,
            key: KeyId(1),
            receipt: None,
            sender,
            max_ttl,
            aesgcm_in_body: None,
            now: NOW,
        };
        accept(request, &subscription, context)
    }

    fn accepted(ttl: &'static str, max_ttl: Duration) -> Acceptance {
        decide(request(&[("ttl", ttl)], Bytes::from_static(b"x")), None, None, max_ttl).unwrap()
    }

    fn sender(number: u8) -> VerifiedSender {
        let token = token(number, r#"{"alg":"ES256"}"#, r#"{"aud":"https://push.example","exp":2}"#);
        let value = format!("vapid t={token}, k={}", key_text(number));
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).unwrap())]);
        let credentials = Credentials::parse(&headers).unwrap().unwrap();
        let audience = "https://push.example";
        let expected =
            Expected { audience, also: &[], google_as_well: false, now: NOW, leeway: VAPID_LEEWAY };
        verify(&credentials, expected, &Fake).unwrap()
    }

    #[test]
    fn r8030_5_2_c_the_ttl_is_cut_to_the_limit_and_never_raised() {
        for (asked, granted) in [("1", 1), ("60", 60), ("61", 60), ("9999999999", 60)] {
            let accepted = accepted(asked, Duration::from_secs(60));
            assert_eq!(accepted.ttl, Duration::from_secs(granted));
            let expires = Timestamp::from_millis(1000 + granted * 1000);
            assert_eq!(accepted.retention, Retention::Until(expires));
            assert_eq!(accepted.draft.expires, expires);
        }
    }

    #[test]
    fn r8030_5_2_e_ttl_zero_is_now_or_never() {
        assert_eq!(accepted("0", MONTH).retention, Retention::NowOrNever);
    }

    #[test]
    fn r8292_4_2_a_b_e_a_restricted_subscription_takes_its_sender_only() {
        let decide = |restricted_to, sender| {
            decide(request(&[("ttl", "1")], Bytes::new()), restricted_to, sender, MONTH).map(drop)
        };
        assert_eq!(decide(Some(key(1)), None), Err(Problem::VapidRequired));
        let other = decide(Some(key(1)), Some(sender(2))).unwrap_err();
        assert!(matches!(other, Problem::VapidInvalid { claim: Claim::Key, .. }), "{other:?}");
        assert_eq!(decide(Some(key(1)), Some(sender(1))), Ok(()));
        assert_eq!(decide(None, Some(sender(2))), Ok(()));
        assert_eq!(decide(None, None), Ok(()));
    }

    #[test]
    fn r8292_3_2_b_a_message_under_the_senders_own_key_is_refused() {
        let body = |number: u8| Bytes::from([&[0; 20][..], &[65], &key(number).0].concat());
        let coded = [("ttl", "1"), ("content-encoding", "aes128gcm")];
        let decide = |body, sender| decide(request(&coded, body), None, sender, MONTH).map(drop);
        assert_eq!(decide(body(1), Some(sender(1))), Err(Problem::SameKey));
        assert_eq!(decide(body(2), Some(sender(1))), Ok(()));
        assert_eq!(decide(body(1), None), Ok(()), "the sender is unknown");
    }
}
