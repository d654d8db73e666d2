//! Carries receipts from the cell of their message to that of their inbox.

use super::{Cell, Cluster};
use crate::StoreError;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use webpush_core::id::MessageId;
use webpush_core::receipt::Receipt;

/// How often one node looks for receipts that others left behind.
const INTERVAL: Duration = Duration::from_secs(15);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Time of one transfer to a cell. Receipts that are being carried stay locked meanwhile.
const TARGET_TIMEOUT: Duration = Duration::from_secs(3);

/// Carries the receipts of one cell until the task is aborted, or the cell is removed.
pub(super) async fn run(cluster: Weak<Cluster>, cell: Weak<Cell>) {
    loop {
        let Some(own) = cell.upgrade() else { return };
        let is_own = timeout(INTERVAL, own.store.outgoing_receipts_written()).await.is_ok();
        let Some(cluster) = cluster.upgrade() else { return };
        if !is_own && (cluster.others().is_empty() || !own.store.leads()) {
            continue;
        }
        if let Err(error) = carry(&cluster, &own).await {
            tracing::debug!(cell = own.name, "receipts for other cells have to wait: {error}");
            sleep(PAUSE).await;
        }
    }
}

/// Carries the receipts that can be recorded.
async fn carry(cluster: &Arc<Cluster>, cell: &Cell) -> Result<(), StoreError> {
    let mut after = MessageId::from_bytes([0; 16]);
    loop {
        let outgoing = cell.store.outgoing_receipts(after).await?;
        let is_last = !outgoing.is_full();
        after = outgoing.receipts.last().map_or(after, Receipt::message);
        let mut batches = BTreeMap::<i16, Vec<Receipt>>::new();
        for receipt in &outgoing.receipts {
            batches.entry(cluster.map.cell(receipt.inbox)).or_default().push(*receipt);
        }
        let mut sent = Vec::new();
        for (number, receipts) in &batches {
            // Those of a cell that is down wait, but not the others.
            let Some(target) = cluster.cell(*number).filter(|target| target.is_up()) else { continue };
            match timeout(TARGET_TIMEOUT, target.store.record_receipts(&outgoing, receipts)).await {
                Ok(Ok(())) => sent.extend(receipts.iter().map(Receipt::message)),
                Ok(Err(StoreError::Moved)) => {
                    let mut is_located = true;
                    for receipt in receipts {
                        is_located &= cluster.locate(receipt.inbox).await.is_ok();
                    }
                    // They are carried the next time.
                    if is_located {
                        cell.store.outgoing_receipts_left();
                    }
                }
                Ok(Err(error)) => tracing::debug!(cell = target.name, "cannot record receipts: {error}"),
                Err(_) => tracing::debug!(cell = target.name, "cannot record receipts: it does not respond"),
            }
        }
        outgoing.sent(&sent).await?;
        for number in batches.keys().filter(|_| !sent.is_empty()) {
            if let Some(target) = cluster.cell(*number).filter(|target| target.is_up()) {
                drop(target.store.forget_receipts(&sent).await);
            }
        }
        if is_last {
            return Ok(());
        }
    }
}
