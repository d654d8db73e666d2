use super::*;
use crate::sealing::Aes256GcmSiv;
use crate::service::Setup;
use futures_util::future::join_all;
use webpush_core::capability::{KeyId, Keyring};
use webpush_store::memory::{Faults, MemoryStore};

fn service() -> (Arc<Service>, Faults) {
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
    let store = MemoryStore::default();
    let faults = store.faults();
    (Service::new(Setup::new(store, keyring, "https://push.example")), faults)
}

/// As if the last try were long ago.
async fn later(service: &Service) {
    let mut tried = service.readiness.tried.lock().await;
    *tried = None;
}

#[tokio::test]
async fn many_that_ask_cost_one_commit_that_leaves_nothing() {
    let (service, faults) = service();
    let asked = join_all((0..100).map(|_| service.check_readiness())).await;
    assert!(asked.into_iter().all(|ready| ready == Ok(())));
    assert_eq!((faults.commits(), service.inbox(TRIED).await), (1, Ok(None)));
}

#[tokio::test]
async fn what_was_committed_lately_needs_no_try() {
    let (service, faults) = service();
    service.commit(Vec::new(), Durability::Durable).await.unwrap();
    assert_eq!((service.check_readiness().await, faults.commits()), (Ok(()), 1));
}

#[tokio::test]
async fn a_failure_is_known_at_once_and_its_end_is_found_without_anybody_who_commits() {
    let (service, faults) = service();
    assert_eq!(service.check_readiness().await, Ok(()));
    faults.fail_commits(true);
    service.commit(Vec::new(), Durability::Lazy).await.unwrap_err();
    let before = faults.commits();
    for _ in 0..100 {
        assert_eq!(service.check_readiness().await, Err(NotReady::StoreDown));
    }
    assert_eq!(faults.commits(), before + 1);
    faults.fail_commits(false);
    later(&service).await;
    assert_eq!(service.check_readiness().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_is_waited_for_once_and_not_for_ever() {
    let (service, faults) = service();
    faults.hold_commits();
    for _ in 0..3 {
        later(&service).await;
        assert_eq!(service.check_readiness().await, Err(NotReady::StoreSlow));
    }
    assert_eq!(faults.commits(), 1);
    faults.release_commits();
    assert_eq!(service.check_readiness().await, Ok(()));
}

#[tokio::test]
async fn whose_certificate_is_still_to_come_is_not_ready() {
    let (service, faults) = service();
    service.readiness.set_certificate_missing(true);
    assert_eq!((service.check_readiness().await, faults.commits()), (Err(NotReady::NoCertificate), 1));
    service.readiness.set_certificate_missing(false);
    assert_eq!(service.check_readiness().await, Ok(()));
}

#[tokio::test]
async fn who_stops_is_not_ready() {
    let (service, faults) = service();
    service.readiness.set_draining();
    assert_eq!((service.check_readiness().await, faults.commits()), (Err(NotReady::Draining), 0));
}
