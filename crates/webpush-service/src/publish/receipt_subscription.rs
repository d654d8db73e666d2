//! Delivery receipts (RFC 8030 §5.1): the receipt subscription of a push.

use crate::client_addr::ClientAddr;
use crate::error::ServiceError;
use crate::service::Service;
use webpush_core::capability::Capability;
use webpush_core::header::Link;
use webpush_core::id::InboxId;
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::problem::Problem;
use webpush_core::publish::PublishRequest;
use webpush_core::time::Timestamp;

/// The receipt subscription of one push.
pub struct Receipts {
    /// The inbox of the receipt.
    pub inbox: Inbox,
    /// True if it is created together with the message.
    pub is_new: bool,
}

/// Returns the receipt subscription that the sender named, or a new one.
///
/// A new one is beside `agent`, which gets the message. Returns `None` if no receipt was requested.
pub(super) async fn requested(
    service: &Service,
    client: &ClientAddr,
    request: &PublishRequest,
    agent: InboxId,
    now: Timestamp,
) -> Result<Option<Receipts>, ServiceError> {
    if !request.wants_receipt {
        return Ok(None);
    }
    let receipts = match &request.receipt_subscription {
        Some(link) => Receipts { inbox: find(service, link).await?, is_new: false },
        None => {
            service.rate_limits.load().charge_receipts(client)?;
            let id = service.place_beside(InboxId::from_bytes(service.random()?), agent);
            let inbox = Inbox { id, owner: Owner::Receipts, created: now, key: service.keyring.current() };
            Receipts { inbox, is_new: true }
        }
    };
    Ok(Some(receipts))
}

async fn find(service: &Service, link: &Link) -> Result<Inbox, ServiceError> {
    let capability = match link.path_on(service.site()) {
        Some(path) => service.open_below(path).await?,
        None => None,
    };
    let Some(Capability::ReceiptSubscription(id)) = capability else {
        return Err(Problem::ReceiptSubscriptionUnknown.into());
    };
    let inbox = service.inbox(id).await?.filter(|inbox| inbox.owner == Owner::Receipts);
    inbox.ok_or_else(|| Problem::ReceiptSubscriptionUnknown.into())
}
