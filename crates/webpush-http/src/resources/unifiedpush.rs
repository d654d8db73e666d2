//! UnifiedPush discovery, which applications still use although it has left the specification.

use crate::answer::{Answer, no_store};
use crate::problem::ServiceError;
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::problem::Problem;
use webpush_service::service::Service;

/// `GET` of a push resource confirms that UnifiedPush applications may use it.
pub(crate) async fn endpoint(
    service: &Service,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Answer, ServiceError> {
    service.subscription(agent, id).await?.ok_or(Problem::NotFound)?;
    let mut answer = json(r#"{"unifiedpush":{"version":1}}"#);
    // True only until the subscription is removed.
    no_store(&mut answer);
    Ok(answer)
}

/// `GET` of the notification path confirms that there is a gateway.
pub(crate) fn gateway() -> Answer {
    json(r#"{"unifiedpush":{"gateway":"matrix"}}"#)
}

/// Returns a JSON response.
pub(crate) fn json(body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
