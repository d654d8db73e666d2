//! Delivery receipts as a sender asks for them (RFC 8030 §5.1): which receipt subscription is owed one.

use crate::client_addr::ClientAddr;
use crate::failure::Failure;
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
    /// Where the receipt goes.
    pub inbox: Inbox,
    /// It was made for this push, and is stored with it.
    pub is_new: bool,
}

/// The receipt subscription that the sender named, or a new one; `None` when no receipt was asked for.
pub(super) async fn asked_for(
    service: &Service,
    peer: &ClientAddr,
    request: &PublishRequest,
    now: Timestamp,
) -> Result<Option<Receipts>, Failure> {
    if !request.wants_receipt {
        return Ok(None);
    }
    let receipts = match &request.receipt_subscription {
        Some(link) => Receipts { inbox: named(service, link).await?, is_new: false },
        None => {
            service.rate_limits.load().charge_receipts(peer)?;
            let id = InboxId::from_bytes(service.random()?);
            let inbox = Inbox { id, owner: Owner::Receipts, created: now, key: service.keyring.current() };
            Receipts { inbox, is_new: true }
        }
    };
    Ok(Some(receipts))
}

async fn named(service: &Service, link: &Link) -> Result<Inbox, Failure> {
    let opened = link.path_on(&service.origin).and_then(|path| service.keyring.open(path));
    let Some(Capability::ReceiptSubscription(id)) = opened else {
        return Err(Problem::ReceiptSubscriptionUnknown.into());
    };
    let inbox = service.inbox(id).await?.filter(|inbox| inbox.owner == Owner::Receipts);
    inbox.ok_or_else(|| Problem::ReceiptSubscriptionUnknown.into())
}
