//! Removes inboxes that nobody uses any more: agents that came once and never listened, and those that were long away.
//! Otherwise whoever may subscribe could fill the disk.

use crate::service::Service;
use std::time::Duration;
use webpush_core::time::Timestamp;
use webpush_store::{Applied, Durability, IdleCheck, Op, StoreError};

/// How often idle inboxes are looked for. The store counts in hours.
const PERIOD: Duration = Duration::from_secs(3600);
/// Inboxes in one transaction, so that this never holds up a push for long.
const SLICE: usize = 100;

/// Looks for idle inboxes until it is dropped. The first look is a while after the start: after a long downtime agents
/// come back first.
pub async fn run(service: &Service) {
    let mut reported = (0, 0);
    loop {
        tokio::time::sleep(PERIOD).await;
        match remove(service, service.now()).await {
            Ok(0) => {}
            Ok(inboxes) => tracing::info!(inboxes, "removed what nobody has used for long"),
            // It will be there again in an hour, or the log says more.
            Err(error) => tracing::warn!(%error, "idle inboxes could not be removed"),
        }
        reported = report_drops(service, reported);
    }
}

/// Removes all inboxes that are idle at `now`; says how many. One that is listened to all the time is noted as used.
async fn remove(service: &Service, now: Timestamp) -> Result<usize, StoreError> {
    let check = IdleCheck { now, limits: service.limits.load().idle };
    let mut removed = 0;
    loop {
        let idle = service.idle(&check, SLICE).await?;
        if idle.is_empty() {
            return Ok(removed);
        }
        let is_all = idle.len() < SLICE;
        let ops = idle.into_iter().map(|inbox| match service.registry.has_session(inbox) {
            true => Op::Touch(inbox, now),
            false => Op::RemoveIdle(inbox, check),
        });
        let applied = service.commit(ops.collect(), Durability::Durable).await?;
        removed += applied.iter().filter(|change| matches!(change, Applied::Removed(_))).count();
        if is_all {
            return Ok(removed);
        }
    }
}

/// Says what quotas have cost since that; what they have cost so far.
fn report_drops(service: &Service, since: (u64, u64)) -> (u64, u64) {
    let dropped = service.metrics.messages.dropped();
    let (messages, receipts) = (dropped.0 - since.0, dropped.1 - since.1);
    if messages + receipts > 0 {
        tracing::warn!(messages, receipts, "dropped for quotas in the last hour");
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing::Aes256GcmSiv;
    use crate::service::Setup;
    use crate::session_registry::Transport;
    use std::sync::Arc;
    use webpush_core::capability::{KeyId, Keyring};
    use webpush_core::id::InboxId;
    use webpush_core::inbox::{Inbox, Owner};
    use webpush_core::session::Scope;
    use webpush_core::urgency::Urgency;
    use webpush_store::memory::MemoryStore;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const CREATED: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    async fn service(inboxes: u8) -> Arc<Service> {
        let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
        let service = Service::new(Setup::new(MemoryStore::default(), keyring, "https://push.example"));
        let create =
            |n| Op::CreateInbox(Inbox { id: id(n), owner: Owner::Agent, created: CREATED, key: KeyId(1) });
        service.commit((0..inboxes).map(create).collect(), Durability::Durable).await.unwrap();
        service
    }

    fn id(n: u8) -> InboxId {
        InboxId::from_bytes([n; 16])
    }

    #[tokio::test]
    async fn agents_that_never_listened_go_after_a_day() {
        let service = service(250).await;
        let touched = service.commit_one(Op::Touch(id(7), CREATED), Durability::Lazy).await.unwrap();
        assert_eq!(touched, Applied::Touched);
        assert_eq!(remove(&service, CREATED.after(DAY / 2)).await, Ok(0));
        assert_eq!(remove(&service, CREATED.after(2 * DAY)).await, Ok(249));
        assert!(service.inbox(id(7)).await.unwrap().is_some());
        assert_eq!(remove(&service, CREATED.after(61 * DAY)).await, Ok(1));
    }

    #[tokio::test]
    async fn an_agent_that_listens_all_the_time_is_in_use() {
        let service = service(1).await;
        let scope = Scope { inbox: id(0), subscription: None, min_urgency: Urgency::VeryLow };
        let listener = service.registry.register(&scope, Transport::Rfc8030);
        assert_eq!(remove(&service, CREATED.after(61 * DAY)).await, Ok(0));
        drop(listener);
        assert_eq!(remove(&service, CREATED.after(62 * DAY)).await, Ok(0), "it was noted as used");
        assert_eq!(remove(&service, CREATED.after(122 * DAY)).await, Ok(1));
    }
}
