//! Sessions and removal of subscriptions, subscription sets, receipt subscriptions and devices.

use crate::answer::{Answer, empty};
use crate::delivery::events::EventRequest;
use crate::delivery::{DeliveryRequest, DeliveryResource};
use crate::problem::ServiceError;
use crate::resources::outcome::RouteOutcome;
use http::StatusCode;
use http::request::Parts;
use webpush_core::capability::Capability;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::problem::Problem;
use webpush_core::protocol::event_stream;
use webpush_core::protocol::rfc8030::MonitorRequest;
use webpush_core::session::Scope;
use webpush_service::client_addr::ClientAddr;
use webpush_service::service::Service;
use webpush_service::session_registry::TransportKind;
use webpush_store::{Durability, Op, RemovalResult};

/// `GET` starts a session (RFC 8030 §6), by server push or server-sent events.
///
/// The session is registered before the lookup, so that a removal between the two is not missed.
pub(crate) async fn monitor(
    service: &Service,
    client: &ClientAddr,
    head: &Parts,
    capability: Capability,
) -> Result<RouteOutcome, ServiceError> {
    let preferences = MonitorRequest::parse(&head.headers, service.now())?;
    let (inbox, only) = match capability {
        Capability::Subscription(agent, id) => (agent, Some(id)),
        Capability::SubscriptionSet(inbox)
        | Capability::ReceiptSubscription(inbox)
        | Capability::Device(inbox) => (inbox, None),
        Capability::Push(..)
        | Capability::Message(_)
        | Capability::Channels(_)
        | Capability::Channel(..)
        | Capability::Update(..) => return Err(Problem::NotFound.into()),
    };
    let scope = Scope { inbox, subscription: only, min_urgency: preferences.min_urgency };
    let is_device = matches!(capability, Capability::Device(_));
    let transport = match is_device {
        true => TransportKind::Legacy,
        false if event_stream::is_requested(&head.headers) => TransportKind::Events,
        false => TransportKind::Rfc8030,
    };
    let session_handle = service.registry.register(&scope, transport)?;
    let key = match only {
        Some(id) => service.subscription(inbox, id).await?.map(|subscription| subscription.key),
        None => service.inbox(inbox).await?.map(|inbox| inbox.key),
    };
    let key = key.ok_or(Problem::NotFound)?;
    tracing::debug!(agent = %service.log_ids.inbox(inbox), transport = transport.as_str(), "an agent has connected");
    let resource = if is_device { DeliveryResource::Device(key) } else { DeliveryResource::Rfc8030 };
    // If this is lost, the agent only seems to have connected an hour or a day earlier.
    service.commit_detached(vec![Op::Touch(inbox, service.now())], Durability::Lazy);
    let origin = head.uri.scheme_str().zip(head.uri.authority());
    let origin = origin.map(|(scheme, authority)| format!("{scheme}://{authority}"));
    let request = DeliveryRequest { scope, client: *client, preferences, resource, origin };
    if transport != TransportKind::Events {
        return Ok(RouteOutcome::ServerPush(Box::new(request), session_handle));
    }
    let after = event_stream::resume_after(&head.headers, &service.keyring, inbox);
    let receipts = matches!(capability, Capability::ReceiptSubscription(_));
    Ok(RouteOutcome::Events(Box::new(EventRequest { request, session_handle, after, receipts })))
}

/// `DELETE` of a subscription (RFC 8030 §7.3).
pub(crate) async fn unsubscribe(
    service: &Service,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Answer, ServiceError> {
    answer(service.unsubscribe(agent, id).await?)
}

/// `DELETE` of a set with all its subscriptions (RFC 8030 §7.3.1), or of a receipt subscription (§7.3).
pub(crate) async fn remove_inbox(service: &Service, inbox: InboxId) -> Result<Answer, ServiceError> {
    answer(service.remove_inbox(inbox).await?)
}

fn answer(removed: Option<RemovalResult>) -> Result<Answer, ServiceError> {
    removed.map(|_| empty(StatusCode::NO_CONTENT)).ok_or_else(|| Problem::NotFound.into())
}
