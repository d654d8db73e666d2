use super::*;
use crate::server::HttpConfig;
use std::net::Ipv4Addr;
use std::task::Waker;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::id::InboxId;
use webpush_core::session::{Scope, Session, WaitMode};
use webpush_core::urgency::Urgency;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::Setup;
use webpush_service::session_registry::TransportKind;
use webpush_store::memory::MemoryStore;

pub(in crate::delivery) fn server() -> Arc<HttpServer> {
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
    let setup = Setup::new(MemoryStore::default(), keyring, "https://push.example");
    HttpServer::new(Service::new(setup), HttpConfig::default())
}

#[tokio::test]
async fn a_wakeup_while_entries_are_sent_is_not_lost() {
    let server = server();
    let scope =
        Scope { inbox: InboxId::from_bytes([1; 16]), subscription: None, min_urgency: Urgency::VeryLow };
    let registry = Arc::clone(&server.service.registry);
    let session_handle = registry.register(&scope, TransportKind::Rfc8030).unwrap();
    let mut agent = Agent::new(server, Session::new(scope, WaitMode::Indefinite, None), Some(session_handle));
    let (idle, busy) = (true, false);
    let mut is_woken = |is_idle| {
        let woken = agent.poll_wakeup(is_idle, false, &mut Context::from_waker(Waker::noop())).is_ready();
        (woken, agent.session_handle.as_ref().unwrap().take_if(|wakeup| wakeup.update.is_some()).is_some())
    };
    assert_eq!(is_woken(idle), (false, false));
    registry.announce_gap();
    assert_eq!(is_woken(busy), (false, true), "it stays in the registry");
    registry.announce_gap();
    assert_eq!(is_woken(idle), (true, false), "it was taken");
}

#[tokio::test]
async fn the_memory_of_a_page_is_given_back_when_nothing_of_it_waits() {
    let scope =
        Scope { inbox: InboxId::from_bytes([1; 16]), subscription: None, min_urgency: Urgency::VeryLow };
    let mut agent = Agent::new(server(), Session::new(scope, WaitMode::Indefinite, None), None);
    agent.fetch(Position::START, &ClientAddr::new(Ipv4Addr::LOCALHOST.into()), None).await.unwrap();
    assert!(agent.lease.is_some());
    agent.prepare(true, true);
    assert!(agent.lease.is_none(), "an idle agent holds no memory");
}
