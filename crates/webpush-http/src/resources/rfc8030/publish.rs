//! `POST` to a push resource (RFC 8030 §5).

use crate::answer::{Answer, empty, no_store, value, with};
use crate::body::Body;
use crate::problem::ServiceError;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, LINK, LOCATION};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use webpush_core::capability::Capability;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::protocol::rfc8030::{RECEIPT_REL, link};
use webpush_core::publish::PublishRequest;
use webpush_service::client_addr::ClientAddr;
use webpush_service::limits::SIMPLE_PUSH_TTL;
use webpush_service::publish::{Published, Receipts, accept, find};
use webpush_service::service::Service;
use webpush_service::vapid_cache::TokenAudience;

/// Accepts a message, and responds once it is durable.
///
/// `PUT` is that of simple push, which knows no TTL.
pub(crate) async fn publish(
    service: &Service,
    client: &ClientAddr,
    head: &Parts,
    body: &mut Body,
    audience: TokenAudience,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Answer, ServiceError> {
    let subscription = find(service, client, agent, id).await?;
    let (most, default_ttl) = {
        let limits = service.limits.load();
        let simple_push = (head.method == Method::PUT).then_some(SIMPLE_PUSH_TTL);
        (limits.max_body_bytes, limits.default_ttl.or(simple_push))
    };
    let body = body.read_or_shed(&head.headers, most, &service.memory).await?;
    let request = PublishRequest::parse_or(&head.headers, body, default_ttl)?;
    let published = accept(service, client, &head.headers, audience, &subscription, request).await?;
    answer(service, &published)
}

/// Accepts a message that did not arrive as a request, as if it had these headers.
pub(crate) async fn deliver(
    service: &Service,
    client: &ClientAddr,
    headers: &HeaderMap,
    body: Bytes,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<(), ServiceError> {
    let subscription = find(service, client, agent, id).await?;
    let request = PublishRequest::parse(headers, body)?;
    accept(service, client, headers, TokenAudience::Own, &subscription, request).await.map(drop)
}

/// Returns 201, or 202 if a receipt will follow (RFC 8030 §5, §5.1).
pub(crate) fn answer(service: &Service, published: &Published) -> Result<Answer, ServiceError> {
    let Published { entry, key, ttl, receipts } = published;
    let url = [&*service.origin, &service.path(Capability::Message(*entry), *key)?].concat();
    let status = if receipts.is_some() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    let mut answer = with(
        empty(status),
        [(LOCATION, value(url)?), (HeaderName::from_static("ttl"), HeaderValue::from(ttl.as_secs()))],
    );
    if let Some(Receipts { inbox, .. }) = receipts {
        let path = service.path(Capability::ReceiptSubscription(inbox.id), inbox.key)?;
        let headers = [
            (LINK, value(link(&service.origin, &path, RECEIPT_REL))?),
            (HeaderName::from_static("preference-applied"), HeaderValue::from_static("respond-async")),
        ];
        answer = with(answer, headers);
    }
    no_store(&mut answer);
    Ok(answer)
}
