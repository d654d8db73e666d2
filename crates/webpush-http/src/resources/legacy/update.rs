//! The URL of a channel for its senders.

use crate::answer::{Answer, value};
use crate::body::Body;
use crate::problem::{ServiceError, not_allowed};
use crate::resources::cors;
use crate::resources::rfc8030::publish;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{Method, StatusCode};
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::publish::PublishRequest;
use webpush_service::client_addr::ClientAddr;
use webpush_service::publish::{accept, find};
use webpush_service::service::Service;
use webpush_service::vapid_cache::TokenAudience;

/// `PUT` sends a message, which may have a TTL.
pub async fn update(
    service: &Service,
    client: &ClientAddr,
    head: &Parts,
    body: &mut Body,
    device: InboxId,
    id: SubscriptionId,
) -> Result<Answer, ServiceError> {
    match head.method {
        Method::PUT => {}
        Method::OPTIONS => return Ok(cors::preflight("PUT, OPTIONS", &head.headers)),
        _ => return Err(not_allowed("PUT, OPTIONS")),
    }
    let channel = find(service, client, device, id).await?;
    let (most, default_ttl) = {
        let limits = service.limits.load();
        (limits.max_body_bytes, Some(limits.legacy_default_ttl))
    };
    let body = body.read_or_shed(&head.headers, most, &service.memory).await?;
    let request = PublishRequest::parse_or(&head.headers, body, default_ttl)?;
    let published = accept(service, client, &head.headers, TokenAudience::Own, &channel, request).await?;
    let mut answer = publish::answer(service, &published)?;
    // 202 stays, as it announces a receipt (RFC 8030 §5.1), which no sender of 2015 requests.
    if answer.status() == StatusCode::CREATED {
        *answer.status_mut() = StatusCode::OK;
    }
    // The TTL (draft-02). A response to PUT is never cached (RFC 9110 §9.3.4).
    let kept = value(format!("max-age={}", published.ttl.as_secs()))?;
    answer.headers_mut().insert(CACHE_CONTROL, kept);
    Ok(answer)
}
