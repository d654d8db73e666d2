//! A device and a channel as their agent sees them.

use crate::answer::{Answer, empty};
use crate::problem::{ServiceError, not_allowed};
use crate::resources::cors;
use crate::resources::outcome::RouteOutcome;
use crate::resources::rfc8030::message;
use crate::resources::rfc8030::subscription;
use http::request::Parts;
use http::{Method, StatusCode};
use webpush_core::capability::Capability;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::Entry;
use webpush_core::problem::Problem;
use webpush_core::protocol::legacy::message_response;
use webpush_core::session::Scope;
use webpush_core::urgency::Urgency;
use webpush_service::client_addr::ClientAddr;
use webpush_service::service::Service;

/// A device: `GET` receives the messages of all its channels, `DELETE` removes it with them.
pub async fn device(
    service: &Service,
    client: &ClientAddr,
    head: &Parts,
    device: InboxId,
) -> Result<RouteOutcome, ServiceError> {
    match head.method {
        Method::GET => subscription::monitor(service, client, head, Capability::Device(device)).await,
        Method::DELETE => subscription::remove_inbox(service, device).await.map(RouteOutcome::Answer),
        Method::OPTIONS => Ok(RouteOutcome::Answer(cors::preflight("GET, DELETE, OPTIONS", &head.headers))),
        _ => Err(not_allowed("GET, DELETE, OPTIONS")),
    }
}

/// A channel: `GET` reads its last message, `DELETE` removes it.
pub async fn channel(
    service: &Service,
    client: &ClientAddr,
    head: &Parts,
    device: InboxId,
    id: SubscriptionId,
) -> Result<Answer, ServiceError> {
    match head.method {
        Method::GET | Method::HEAD => last_message(service, client, device, id).await,
        Method::DELETE => subscription::unsubscribe(service, device, id).await,
        Method::OPTIONS => Ok(cors::preflight("GET, HEAD, DELETE, OPTIONS", &head.headers)),
        _ => Err(not_allowed("GET, HEAD, DELETE, OPTIONS")),
    }
}

/// Returns the newest undelivered message, or 204. Reading it does not acknowledge it.
async fn last_message(
    service: &Service,
    client: &ClientAddr,
    device: InboxId,
    id: SubscriptionId,
) -> Result<Answer, ServiceError> {
    service.subscription(device, id).await?.ok_or(Problem::NotFound)?;
    let scope = Scope { inbox: device, subscription: Some(id), min_urgency: Urgency::VeryLow };
    match service.latest(client, &scope, service.now()).await? {
        Some(Entry::Message(message)) => Ok(message::guarded(message_response(&message))),
        Some(Entry::Receipt(_)) | None => Ok(empty(StatusCode::NO_CONTENT)),
    }
}
