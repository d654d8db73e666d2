//! A subscription, a subscription set and a receipt subscription as their owner sees them: monitoring and removal.

use super::answer::{Answer, empty};
use super::problem::Failure;
use super::route::Outcome;
use crate::fresh;
use crate::monitor::Monitor;
use crate::monitor::events::Asked;
use crate::service::Service;
use http::StatusCode;
use http::request::Parts;
use webpush_core::capability::Capability;
use webpush_core::dialect::event_stream;
use webpush_core::dialect::rfc8030::MonitorRequest;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::problem::Problem;
use webpush_core::session::Scope;
use webpush_store::{Applied, Durability, Op};

/// `GET`: begins to listen (RFC 8030 §6), by server push or as a stream of events. The look-up comes after, so that a
/// removal in between is not missed.
pub(super) fn monitor(service: &Service, head: &Parts, capability: Capability) -> Result<Outcome, Failure> {
    let request = MonitorRequest::parse(&head.headers, fresh::now())?;
    let (inbox, only) = match capability {
        Capability::Subscription(agent, id) => (agent, Some(id)),
        Capability::SubscriptionSet(inbox) | Capability::ReceiptSubscription(inbox) => (inbox, None),
        Capability::Push(..) | Capability::Message(_) => return Err(Problem::NotFound.into()),
    };
    let scope = Scope { inbox, only, floor: request.floor };
    let listener = service.registry.listen(&scope);
    let exists = match only {
        Some(id) => service.store.subscription(inbox, id)?.is_some(),
        None => service.store.inbox(inbox)?.is_some(),
    };
    if !exists {
        return Err(Problem::NotFound.into());
    }
    // Lost, it only makes the agent look as if it had last come an hour or a day earlier.
    service.store.commit(vec![Op::Touch(inbox, fresh::now())], Durability::Lazy, Box::new(drop));
    let asked_at = head.uri.scheme_str().zip(head.uri.authority());
    let asked_at = asked_at.map(|(scheme, authority)| format!("{scheme}://{authority}"));
    let monitor = Monitor { scope, request, listener, asked_at };
    if !event_stream::is_asked_for(&head.headers) {
        return Ok(Outcome::Monitor(Box::new(monitor)));
    }
    let after = event_stream::resume_after(&head.headers, &service.keyring, inbox);
    let receipts = matches!(capability, Capability::ReceiptSubscription(_));
    Ok(Outcome::Events(Box::new(Asked { monitor, after, receipts })))
}

/// `DELETE` of a subscription (RFC 8030 §7.3).
pub(super) async fn unsubscribe(
    service: &Service,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Answer, Failure> {
    let removed = service.commit_one(Op::Unsubscribe(agent, id), Durability::Durable).await?;
    answer(&removed)
}

/// `DELETE` of a set with all its subscriptions (RFC 8030 §7.3.1), or of a receipt subscription (§7.3).
pub(super) async fn remove_inbox(service: &Service, inbox: InboxId) -> Result<Answer, Failure> {
    let removed = service.commit_one(Op::RemoveInbox(inbox), Durability::Durable).await?;
    answer(&removed)
}

fn answer(removed: &Applied) -> Result<Answer, Failure> {
    match removed {
        Applied::Removed(_) => Ok(empty(StatusCode::NO_CONTENT)),
        _ => Err(Problem::NotFound.into()),
    }
}
