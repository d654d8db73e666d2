//! Removes idle inboxes, so that agents that never return do not fill the disk.
//!
//! Opening a session is recorded in the inbox, and so is every long session while it lasts. An agent that was connected for
//! two months and left yesterday is not idle.

use crate::service::Service;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use webpush_core::env::{Env, MonotonicTime};
use webpush_core::id::{InboxId, Position};
use webpush_core::session::Scope;
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::{Applied, Durability, IdleCheck, Op, StoreError};

/// Time between two runs. The store records activity by the hour.
const PERIOD: Duration = Duration::from_secs(3600);
/// Maximum number of inboxes per commit, so that a run does not delay pushes.
const SLICE: usize = 100;
/// A commit with more messages than this takes no further inbox.
const MESSAGES: usize = 500;
/// How often open sessions are recorded in the time after which an inbox is idle.
///
/// At most once in [`PERIOD`]. More often would be more exact, and write a row for each connected agent.
const RECORDS_PER_LIMIT: u32 = 60;
/// A wall clock that differs from the monotonic one by more has jumped.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(3600);

/// Starts the removal of idle inboxes, which runs until it is aborted.
#[must_use]
pub fn start(service: Arc<Service>) -> JoinHandle<()> {
    tokio::spawn(async move { run(&service).await })
}

/// Removes idle inboxes periodically. Never returns.
///
/// The first run is one period after the start, so that agents can reconnect after a long downtime. There is none after the
/// wall clock has jumped: a removed inbox is lost, and one that is kept for too long is not. For callers that run tasks
/// themselves; others call [`start`].
pub async fn run(service: &Service) {
    let mut reported = (0, 0);
    let mut next_record = service.now();
    let start = ClockReading::new(service.env());
    loop {
        tokio::time::sleep(PERIOD).await;
        let jump = start.jump_until(&ClockReading::new(service.env()));
        if jump > CLOCK_TOLERANCE {
            tracing::warn!(
                jump_seconds = jump.as_secs(),
                "the wall clock has jumped since the start: no idle inbox is removed; correct the clock, then restart the server"
            );
            reported = report_drops(service, reported);
            continue;
        }
        let now = service.now();
        if next_record <= now {
            next_record = now.after(service.limits.load().idle.unused / RECORDS_PER_LIMIT);
            if let Err(error) = record_sessions(service, now).await {
                tracing::warn!(%error, "cannot record which agents are connected; retrying in an hour");
                next_record = now;
            }
        }
        match remove(service, service.now()).await {
            Ok(0) => {}
            Ok(inboxes) => tracing::info!(inboxes, "removed idle inboxes"),
            Err(error) => tracing::warn!(%error, "cannot remove idle inboxes; retrying in an hour"),
        }
        reported = report_drops(service, reported);
    }
}

/// Both clocks at one moment.
struct ClockReading {
    wall: Timestamp,
    monotonic: MonotonicTime,
}

impl ClockReading {
    fn new(env: &Env) -> Self {
        Self { wall: env.now(), monotonic: env.monotonic() }
    }

    /// Returns by how much more or less the wall clock has advanced than the monotonic one.
    fn jump_until(&self, later: &Self) -> Duration {
        let expected = self.wall.after(later.monotonic.since(self.monotonic));
        expected.until(later.wall).max(later.wall.until(expected))
    }
}

/// Records all inboxes with an open session as used at `now`.
async fn record_sessions(service: &Service, now: Timestamp) -> Result<(), StoreError> {
    for shard in 0..service.registry.shard_count() {
        for inboxes in service.registry.inboxes(shard).chunks(SLICE) {
            let ops = inboxes.iter().map(|inbox| Op::Touch(*inbox, now)).collect();
            service.commit(ops, Durability::Lazy).await?;
        }
    }
    Ok(())
}

/// Removes all inboxes that are idle at `now`, and returns their number.
///
/// Inboxes with an open session count as active.
pub(crate) async fn remove(service: &Service, now: Timestamp) -> Result<usize, StoreError> {
    let check = IdleCheck { now, limits: service.limits.load().idle };
    let mut removed = 0;
    loop {
        let idle = service.idle(&check, SLICE).await?;
        let is_all = idle.len() < SLICE;
        removed += remove_slice(service, idle, check).await?;
        if is_all {
            return Ok(removed);
        }
    }
}

/// Removes idle inboxes, with few messages in each commit.
async fn remove_slice(service: &Service, idle: Vec<InboxId>, check: IdleCheck) -> Result<usize, StoreError> {
    let (mut removed, mut messages, mut ops) = (0, 0, Vec::new());
    for inbox in idle {
        if service.registry.has_session(inbox) {
            ops.push(Op::Touch(inbox, check.now));
            continue;
        }
        let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
        // At this time nothing has expired, so that all that is stored is counted.
        let page = service.fetch(None, &scope, Position::START, Timestamp::default()).await?;
        if page.more && service.is_shared() {
            // In one commit: its agent may connect to another node at any time.
            removed += commit(service, vec![Op::RemoveIdle(inbox, check)]).await?;
            continue;
        }
        if page.more {
            removed += usize::from(service.remove_idle(inbox, check).await?.is_some());
            continue;
        }
        messages += page.entries.len();
        ops.push(Op::RemoveIdle(inbox, check));
        if messages > MESSAGES {
            removed += commit(service, std::mem::take(&mut ops)).await?;
            messages = 0;
        }
    }
    Ok(removed + commit(service, ops).await?)
}

async fn commit(service: &Service, ops: Vec<Op>) -> Result<usize, StoreError> {
    if ops.is_empty() {
        return Ok(0);
    }
    let applied = service.commit(ops, Durability::Durable).await?;
    Ok(applied.iter().filter(|change| matches!(change, Applied::Removed(_))).count())
}

/// Logs the messages and receipts dropped since the last report, and returns the new totals.
fn report_drops(service: &Service, reported: (u64, u64)) -> (u64, u64) {
    let dropped = service.metrics.messages.dropped();
    let (messages, receipts) = (dropped.0 - reported.0, dropped.1 - reported.1);
    if messages + receipts > 0 {
        tracing::warn!(
            messages,
            receipts,
            "dropped messages or receipts in the last hour: inbox quota exceeded"
        );
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing_cipher::Aes256GcmSiv;
    use crate::service::Setup;
    use crate::session_registry::TransportKind;
    use crate::system::SystemEntropy;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::time::Instant;
    use webpush_core::capability::{KeyId, Keyring};
    use webpush_core::env::Clock;
    use webpush_core::inbox::{Inbox, Owner};
    use webpush_store::memory::MemoryStore;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const CREATED: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    async fn service(inboxes: u8) -> Arc<Service> {
        service_in(crate::system::env(), inboxes).await
    }

    async fn service_in(env: Env, inboxes: u8) -> Arc<Service> {
        let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
        let setup = Setup::new(MemoryStore::default(), keyring, "https://push.example");
        let service = Service::new(Setup { env, ..setup });
        let create =
            |n| Op::CreateInbox(Inbox { id: id(n), owner: Owner::Agent, created: CREATED, key: KeyId(1) });
        service.commit((0..inboxes).map(create).collect(), Durability::Durable).await.unwrap();
        service
    }

    fn id(n: u8) -> InboxId {
        InboxId::from_bytes([n; 16])
    }

    /// Paused time, and a wall clock that can jump.
    struct JumpingClock {
        start: Instant,
        wall_start_millis: AtomicU64,
    }

    impl Clock for JumpingClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.wall_start_millis.load(Ordering::Relaxed)).after(self.start.elapsed())
        }

        fn monotonic(&self) -> MonotonicTime {
            MonotonicTime::since_start(self.start.elapsed())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_removed_while_the_wall_clock_is_wrong() {
        let wall_start_millis = AtomicU64::new(CREATED.as_millis());
        let clock = Arc::new(JumpingClock { start: Instant::now(), wall_start_millis });
        let service = service_in(Env::new(Arc::clone(&clock) as _, Arc::new(SystemEntropy)), 1).await;
        let removing = start(Arc::clone(&service));
        tokio::time::sleep(PERIOD / 2).await;
        clock.wall_start_millis.store(CREATED.after(61 * DAY).as_millis(), Ordering::Relaxed);
        tokio::time::sleep(12 * PERIOD).await;
        assert!(service.inbox(id(0)).await.unwrap().is_some(), "the clock is wrong");
        clock.wall_start_millis.store(CREATED.as_millis(), Ordering::Relaxed);
        tokio::time::sleep(DAY + PERIOD).await;
        assert!(service.inbox(id(0)).await.unwrap().is_none(), "it has been idle for a day");
        removing.abort();
    }

    #[tokio::test]
    async fn agents_that_never_connected_are_removed_after_a_day() {
        let service = service(250).await;
        let touched = service.commit_one(Op::Touch(id(7), CREATED), Durability::Lazy).await.unwrap();
        assert_eq!(touched, Applied::Touched);
        assert_eq!(remove(&service, CREATED.after(DAY / 2)).await, Ok(0));
        assert_eq!(remove(&service, CREATED.after(2 * DAY)).await, Ok(249));
        assert!(service.inbox(id(7)).await.unwrap().is_some());
        assert_eq!(remove(&service, CREATED.after(61 * DAY)).await, Ok(1));
    }

    #[tokio::test]
    async fn b4_idle_time_counts_from_the_end_of_a_long_session() {
        let service = service(2).await;
        let scope = Scope { inbox: id(0), subscription: None, min_urgency: Urgency::VeryLow };
        let session = service.registry.register(&scope, TransportKind::Rfc8030).unwrap();
        for day in 0..59 {
            record_sessions(&service, CREATED.after(day * DAY)).await.unwrap();
        }
        drop(session);
        assert_eq!(remove(&service, CREATED.after(61 * DAY)).await, Ok(1), "only the other one");
        assert!(service.inbox(id(0)).await.unwrap().is_some());
        assert_eq!(remove(&service, CREATED.after(120 * DAY)).await, Ok(1));
    }

    #[tokio::test]
    async fn an_agent_with_an_open_session_is_not_idle() {
        let service = service(1).await;
        let scope = Scope { inbox: id(0), subscription: None, min_urgency: Urgency::VeryLow };
        let listener = service.registry.register(&scope, TransportKind::Rfc8030).unwrap();
        assert_eq!(remove(&service, CREATED.after(61 * DAY)).await, Ok(0));
        drop(listener);
        assert_eq!(remove(&service, CREATED.after(62 * DAY)).await, Ok(0), "its activity was recorded");
        assert_eq!(remove(&service, CREATED.after(122 * DAY)).await, Ok(1));
    }
}
