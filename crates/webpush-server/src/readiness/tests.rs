use super::*;
use crate::service::Setup;
use futures_util::future::join_all;
use std::sync::Mutex as Lock;
use std::sync::atomic::AtomicUsize;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::id::{ChannelId, EntryRef, Position, SubscriptionId};
use webpush_core::inbox::Entry;
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_store::memory::MemoryStore;
use webpush_store::{Detail, Done, Due, IdleCheck, Snapshot, Store, StoreError};

/// What becomes of a commit.
#[derive(Clone, Copy)]
enum Disk {
    Works,
    Fails,
    Hangs,
}

/// A store whose disk does as it is told.
struct Told {
    store: MemoryStore,
    disk: Lock<Disk>,
    commits: AtomicUsize,
    hanging: Lock<Vec<Done>>,
}

impl Store for Told {
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        match *self.disk.lock().unwrap() {
            Disk::Works => self.store.commit(ops, durability, done),
            Disk::Fails => done(Err(StoreError::Unavailable)),
            Disk::Hangs => self.hanging.lock().unwrap().push(done),
        }
    }

    fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        self.store.inbox(id)
    }

    fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Arc<Subscription>>, StoreError> {
        self.store.subscription(agent, id)
    }

    fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Arc<Subscription>>, StoreError> {
        self.store.channel(agent, channel)
    }

    fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        self.store.entry(entry)
    }

    fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        self.store.fetch(scope, after, now)
    }

    fn latest(&self, scope: &Scope, now: Timestamp) -> Result<Option<Entry>, StoreError> {
        self.store.latest(scope, now)
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        self.store.due(now, limit)
    }

    fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        self.store.idle(check, limit)
    }

    fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        self.store.snapshot(detail)
    }

    fn close(&self) {
        self.store.close();
    }
}

fn service() -> (Arc<Service>, Arc<Told>) {
    let keyring = Keyring::new(&[(KeyId(1), [1; 32])]).unwrap();
    let told = Arc::new(Told {
        store: MemoryStore::default(),
        disk: Lock::new(Disk::Works),
        commits: AtomicUsize::new(0),
        hanging: Lock::default(),
    });
    let setup = Setup::new(Arc::clone(&told) as Arc<dyn Store>, keyring, "https://push.example");
    (Service::new(setup), told)
}

fn commits(told: &Told) -> usize {
    told.commits.load(Ordering::Relaxed)
}

/// As if the last try were long ago.
async fn later(service: &Service) {
    let mut tried = service.readiness.tried.lock().await;
    *tried = tried.and_then(|(at, result)| Some((at.checked_sub(PAUSE)?, result)));
}

#[tokio::test]
async fn many_that_ask_cost_one_commit_that_leaves_nothing() {
    let (service, told) = service();
    let asked = join_all((0..100).map(|_| service.is_ready())).await;
    assert!(asked.into_iter().all(|ready| ready == Ok(())));
    assert_eq!((commits(&told), told.store.inbox(TRIED)), (1, Ok(None)));
}

#[tokio::test]
async fn what_was_committed_lately_needs_no_try() {
    let (service, told) = service();
    service.commit(Vec::new(), Durability::Durable).await.unwrap();
    assert_eq!((service.is_ready().await, commits(&told)), (Ok(()), 1));
}

#[tokio::test]
async fn a_failure_is_known_at_once_and_its_end_is_found_without_anybody_who_commits() {
    let (service, told) = service();
    assert_eq!(service.is_ready().await, Ok(()));
    *told.disk.lock().unwrap() = Disk::Fails;
    service.commit(Vec::new(), Durability::Lazy).await.unwrap_err();
    let before = commits(&told);
    for _ in 0..100 {
        assert_eq!(service.is_ready().await, Err(NotReady::StoreDown));
    }
    assert_eq!(commits(&told), before + 1);
    *told.disk.lock().unwrap() = Disk::Works;
    later(&service).await;
    assert_eq!(service.is_ready().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_is_waited_for_once_and_not_for_ever() {
    let (service, told) = service();
    *told.disk.lock().unwrap() = Disk::Hangs;
    for _ in 0..3 {
        later(&service).await;
        assert_eq!(service.is_ready().await, Err(NotReady::StoreSlow));
    }
    assert_eq!(commits(&told), 1);
    *told.disk.lock().unwrap() = Disk::Works;
    for done in told.hanging.lock().unwrap().drain(..) {
        done(Ok(Vec::new()));
    }
    assert_eq!(service.is_ready().await, Ok(()));
}

#[tokio::test]
async fn whose_certificate_is_still_to_come_is_not_ready() {
    let (service, told) = service();
    service.readiness.lacks_certificate(true);
    assert_eq!((service.is_ready().await, commits(&told)), (Err(NotReady::NoCertificate), 1));
    service.readiness.lacks_certificate(false);
    assert_eq!(service.is_ready().await, Ok(()));
}

#[tokio::test]
async fn who_stops_is_not_ready() {
    let (service, told) = service();
    service.readiness.drain();
    assert_eq!((service.is_ready().await, commits(&told)), (Err(NotReady::Draining), 0));
}
