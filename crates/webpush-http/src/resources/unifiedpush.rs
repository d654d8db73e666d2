//! What UnifiedPush asks of a push server to find out what it is. The questions have left its specification, but
//! applications and servers still ask them.

use crate::answer::{Answer, no_store};
use crate::problem::Failure;
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::problem::Problem;
use webpush_service::service::Service;

/// `GET` of a push resource: whether UnifiedPush applications may use it.
pub(crate) async fn endpoint(
    service: &Service,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Answer, Failure> {
    service.subscription(agent, id).await?.ok_or(Problem::NotFound)?;
    let mut answer = json(r#"{"unifiedpush":{"version":1}}"#);
    // It is true for as long as the subscription is there.
    no_store(&mut answer);
    Ok(answer)
}

/// `GET` of the place for notifications: whether there is a gateway, and for what.
pub(crate) fn gateway() -> Answer {
    json(r#"{"unifiedpush":{"gateway":"matrix"}}"#)
}

/// An answer in JSON.
pub(crate) fn json(body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
