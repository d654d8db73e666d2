use super::check::PROBE;
use super::*;
use crate::sealing_cipher::Aes256GcmSiv;
use crate::service::{Service, Setup};
use futures_util::future::join_all;
use std::sync::Arc;
use webpush_core::capability::{KeyId, Keyring};
use webpush_store::memory::{Faults, MemoryStore};

fn service() -> (Arc<Service>, Faults) {
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
    let store = MemoryStore::default();
    let faults = store.faults();
    (Service::new(Setup::new(store, keyring, "https://push.example")), faults)
}

/// Makes the next check probe again.
async fn forget_last_probe(service: &Service) {
    *service.readiness.last_probe.lock().await = None;
}

#[tokio::test]
async fn concurrent_checks_share_one_probe_that_leaves_nothing_behind() {
    let (service, faults) = service();
    let checks = join_all((0..100).map(|_| service.check_readiness())).await;
    assert!(checks.into_iter().all(|ready| ready == Ok(())));
    assert_eq!((faults.commits(), service.inbox(PROBE).await), (1, Ok(None)));
}

#[tokio::test]
async fn after_a_recent_commit_no_probe_is_needed() {
    let (service, faults) = service();
    service.commit(Vec::new(), Durability::Durable).await.unwrap();
    assert_eq!((service.check_readiness().await, faults.commits()), (Ok(()), 1));
}

#[tokio::test]
async fn a_failure_is_known_at_once_and_recovery_is_noticed_without_other_commits() {
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
    forget_last_probe(&service).await;
    assert_eq!(service.check_readiness().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_disk_is_probed_once_with_a_timeout() {
    let (service, faults) = service();
    faults.hold_commits();
    for _ in 0..3 {
        forget_last_probe(&service).await;
        assert_eq!(service.check_readiness().await, Err(NotReady::StoreSlow));
    }
    assert_eq!(faults.commits(), 1);
    faults.release_commits();
    assert_eq!(service.check_readiness().await, Ok(()));
}

#[tokio::test]
async fn a_node_without_notices_of_others_is_not_ready_although_it_can_write() {
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
    let store = MemoryStore::shared();
    let faults = store.faults();
    let service = Service::new(Setup::new(store, keyring, "https://push.example"));
    faults.report_down(true);
    assert_eq!(service.check_readiness().await, Err(NotReady::StoreDown));
    faults.report_down(false);
    assert_eq!(service.check_readiness().await, Ok(()));
}

#[tokio::test]
async fn a_server_without_its_certificate_is_not_ready() {
    let (service, faults) = service();
    service.readiness.set_certificate_missing(true);
    assert_eq!((service.check_readiness().await, faults.commits()), (Err(NotReady::NoCertificate), 1));
    service.readiness.set_certificate_missing(false);
    assert_eq!(service.check_readiness().await, Ok(()));
}

#[tokio::test]
async fn a_draining_server_is_not_ready() {
    let (service, faults) = service();
    service.readiness.set_draining();
    assert_eq!((service.check_readiness().await, faults.commits()), (Err(NotReady::Draining), 0));
}
