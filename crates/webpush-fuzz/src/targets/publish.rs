//! Push requests, from their headers to the accepted message.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::{Encoding, FORWARDED_HEADER_BYTES};
use webpush_core::id::{InboxId, MessageId, SubscriptionId};
use webpush_core::problem::Problem;
use webpush_core::protocol::rfc8030::RECEIPT_REL;
use webpush_core::publish::{AcceptContext, PublishRequest, Retention, accept};
use webpush_core::sender::Credentials;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;

use super::request;

pub(super) const TOKENS: &[&[u8]] = &[
    b"ttl: 60\n",
    b"ttl: 0\n",
    b"ttl: -1\n",
    b"ttl: 99999999999999999999\n",
    b"urgency: high\n",
    b"urgency: very-low\n",
    b"topic: a\n",
    b"prefer: respond-async\n",
    b"content-encoding: aes128gcm\n",
    b"content-encoding: aesgcm\n",
    b"encryption: salt=x\n",
    b"crypto-key: dh=x;p256ecdsa=y\n",
    b"content-type: text/plain\n",
    b"p256ecdsa=",
    b"\"",
    b",",
    b";",
    b"link: </r>; rel=\"urn:ietf:params:push:receipt\"\n",
    b"\n\n",
];
const MAX_TTL: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const BODY_LIMIT: usize = 1000;
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(super) fn run(input: &[u8]) {
    let (headers, body) = request::read(input);
    let parsed = PublishRequest::parse(&headers, body.clone());
    assert_default_ttl(&headers, &body, &parsed);
    let Ok(request) = parsed else { return };
    assert_eq!(request.body, body);
    assert!(request.ttl <= Duration::from_secs(1 << 31));
    assert!(request.topic.is_none_or(|topic| (1..=32).contains(&topic.as_bytes().len())));
    if let Some(link) = &request.receipt_subscription {
        assert!(request.wants_receipt && link.has_rel(RECEIPT_REL));
    }
    assert_encoding(&request.encoding);
    assert_accepted(request);
}

/// A default TTL changes requests without TTL only.
fn assert_default_ttl(headers: &HeaderMap, body: &Bytes, parsed: &Result<PublishRequest, Problem>) {
    let with_default = PublishRequest::parse_or(headers, body.clone(), Some(DAY));
    match (parsed, with_default) {
        (Ok(request), Ok(with_default)) => {
            assert_eq!(request.ttl, with_default.ttl);
            assert_eq!(request.encoding, with_default.encoding);
        }
        (Err(Problem::TtlMissing), Ok(with_default)) => assert_eq!(with_default.ttl, DAY),
        (Err(Problem::TtlMissing), Err(other)) => assert_ne!(other, Problem::TtlMissing),
        (Err(problem), Err(other)) => assert_eq!(*problem, other),
        (parsed, with_default) => panic!("{parsed:?} and {with_default:?}"),
    }
}

/// Forwarded headers are bounded, are read back as they are, and lack the sender's key.
fn assert_encoding(encoding: &Encoding) {
    assert!(
        encoding.parts().into_iter().flatten().all(|part| (1..=FORWARDED_HEADER_BYTES).contains(&part.len()))
    );
    assert_eq!(Encoding::from_parts(encoding.parts()).as_ref(), Some(encoding));
    let mut forwarded: HeaderMap = encoding.headers().map(|(name, value)| (name, value.clone())).collect();
    assert_eq!(Encoding::parse(&forwarded).as_ref(), Ok(encoding));
    forwarded.insert(AUTHORIZATION, HeaderValue::from_static("WebPush token"));
    assert_eq!(Credentials::parse(&forwarded), Ok(None), "the agent learns the key of the sender");
}

fn assert_accepted(request: PublishRequest) {
    let (ttl, body, encoding) = (request.ttl, request.body.clone(), request.encoding.clone());
    let context = AcceptContext {
        id: MessageId::from_bytes([3; 16]),
        key: KeyId(1),
        receipt: None,
        sender: None,
        max_ttl: MAX_TTL,
        aesgcm_in_body: None,
        now: NOW,
    };
    let accepted = accept(request.clone(), &subscription(), context).unwrap();
    assert_eq!((&accepted.draft.body, &accepted.draft.encoding), (&body, &encoding));
    assert_eq!(accepted.ttl, ttl.min(MAX_TTL));
    assert_eq!(accepted.draft.expires, NOW.after(accepted.ttl));
    assert_eq!(accepted.retention == Retention::NowOrNever, ttl.is_zero());
    match accept(request, &subscription(), AcceptContext { aesgcm_in_body: Some(BODY_LIMIT), ..context }) {
        Ok(folded) => {
            assert!(folded.draft.body.len() <= BODY_LIMIT && folded.draft.body.ends_with(&body));
            assert!(folded.draft.encoding == encoding || folded.draft.body.starts_with(b"aesgcm\n"));
        }
        Err(problem) => assert_eq!(problem, Problem::BodyTooLarge { limit: BODY_LIMIT }),
    }
}

fn subscription() -> Subscription {
    Subscription {
        agent: InboxId::from_bytes([1; 16]),
        id: SubscriptionId::from_bytes([2; 16]),
        created: NOW,
        key: KeyId(1),
        sender: None,
        protocol: Protocol::Rfc8030,
    }
}
