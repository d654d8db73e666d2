//! Acknowledges receipts up to the `Last-Event-ID` that a sender resumes from.

use webpush_core::id::{InboxId, Position};
use webpush_core::message::Outcome;
use webpush_core::session::Scope;
use webpush_core::urgency::Urgency;
use webpush_service::service::Service;
use webpush_store::{Durability, Op, StoreError};

/// Settles the receipts of an inbox up to a position.
///
/// # Errors
///
/// [`StoreError`]; the next request settles the rest.
pub(super) async fn settle(service: &Service, inbox: InboxId, until: Position) -> Result<(), StoreError> {
    let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
    let mut after = Position::START;
    while after < until {
        let page = service.fetch(None, &scope, after, service.now()).await?;
        let read = page.entries.iter().filter(|entry| entry.position() <= until);
        let ops: Vec<_> = read.map(|entry| Op::Settle(entry.entry_ref(), Outcome::Delivered)).collect();
        if !ops.is_empty() {
            // If this is lost, the receipts are only sent again.
            service.commit(ops, Durability::Lazy).await?;
        }
        if !page.more {
            break;
        }
        after = page.scanned;
    }
    Ok(())
}
