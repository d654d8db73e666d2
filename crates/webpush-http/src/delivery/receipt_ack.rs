//! Receipts that a sender says it has, by asking for what comes after them.

use webpush_core::id::{InboxId, Position};
use webpush_core::message::Outcome;
use webpush_core::session::Scope;
use webpush_core::urgency::Urgency;
use webpush_service::service::Service;
use webpush_store::{Durability, Op, StoreError};

/// Settles the receipts of an inbox up to a position.
///
/// # Errors
/// [`StoreError`]; what is left will be settled the next time.
pub(super) async fn settle(service: &Service, inbox: InboxId, until: Position) -> Result<(), StoreError> {
    let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
    let mut after = Position::START;
    while after < until {
        let page = service.fetch(&scope, after, service.now()).await?;
        let taken = page.entries.iter().filter(|entry| entry.position() <= until);
        let ops: Vec<_> = taken.map(|entry| Op::Settle(entry.entry_ref(), Outcome::Delivered)).collect();
        if !ops.is_empty() {
            // If this is lost, receipts are only given again.
            service.commit(ops, Durability::Lazy).await?;
        }
        if !page.more {
            break;
        }
        after = page.scanned;
    }
    Ok(())
}
