//! Registers the session of an agent that has a connection of its own.

use webpush_core::id::InboxId;
use webpush_core::inbox::Owner;
use webpush_core::session::Scope;
use webpush_core::urgency::Urgency;
use webpush_service::service::Service;
use webpush_service::session_registry::{SessionHandle, TransportKind};
use webpush_store::{Durability, Op, StoreError};

/// Registers the session of a known agent, which replaces that of its last connection.
///
/// Returns `None` if the agent is unknown.
///
/// It is registered before the lookup, so that it is notified of everything that is stored in between. The commit also
/// waits until acknowledgements of the last connection are applied, so that those messages are not sent again.
pub(super) async fn find(
    service: &Service,
    agent: InboxId,
    transport: TransportKind,
) -> Result<Option<SessionHandle>, StoreError> {
    let session_handle = service.register_exclusive(&scope(agent), transport);
    if service.inbox(agent).await?.is_none_or(|inbox| inbox.owner != Owner::Agent) {
        return Ok(None);
    }
    service.settle_now();
    service.commit_one(Op::Touch(agent, service.now()), Durability::Lazy).await?;
    Ok(Some(session_handle))
}

/// Registers the session of a new agent, which has no inbox yet.
pub(super) fn register_new(service: &Service, agent: InboxId, transport: TransportKind) -> SessionHandle {
    service.registry.register_new(&scope(agent), transport)
}

/// The protocol checks the minimum urgency, which the agent can change.
const fn scope(agent: InboxId) -> Scope {
    Scope { inbox: agent, subscription: None, min_urgency: Urgency::VeryLow }
}
