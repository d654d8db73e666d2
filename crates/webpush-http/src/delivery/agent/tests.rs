use super::*;
use crate::server::HttpConfig;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::task::Waker;
use std::time::Duration;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::session::{FETCH_ENTRIES, Scope, Session, WaitMode};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::urgency::Urgency;
use webpush_service::page_memory::PageMemory;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::Setup;
use webpush_service::session_registry::TransportKind;
use webpush_store::memory::MemoryStore;
use webpush_store::{Durability, Op};

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

/// A page takes the memory that it needs, also after a page of which nothing was wanted.
#[tokio::test]
async fn a2_a_page_after_an_empty_one_is_counted() {
    let server = server();
    let inbox = InboxId::from_bytes([1; 16]);
    fill(&server.service, inbox).await;
    let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
    let mut agent = Agent::new(server, Session::new(scope, WaitMode::Indefinite, None), None);
    let memory = &agent.server.clone().service.page_memory;
    let share = PageShare::default();
    let mut empty = memory.reserve(Some(&share)).await;
    empty.shrink_to(&[]);
    agent.lease = Some(Box::new(empty));
    let without_a_page = free_pages(memory, &share);
    agent.fetch(Position::START, &ClientAddr::new(Ipv4Addr::LOCALHOST.into()), Some(&share)).await.unwrap();
    assert!(free_pages(memory, &share) < without_a_page, "{without_a_page} pages still fit");
}

/// Agents that wait for their rate hold no memory that others need to read.
#[tokio::test]
async fn a_scan_that_waits_holds_no_memory() {
    let scope =
        Scope { inbox: InboxId::from_bytes([1; 16]), subscription: None, min_urgency: Urgency::VeryLow };
    let mut agent = Agent::new(server(), Session::new(scope, WaitMode::Indefinite, None), None);
    let service = &agent.server.clone().service;
    let (client, share) = (ClientAddr::new([192, 0, 2, 1].into()), PageShare::default());
    while service.rate_limits.load().charge_scan(&client).is_ok() {}
    let all = free_pages(&service.page_memory, &share);
    agent.is_scanning = true;
    let mut fetch = Box::pin(agent.fetch(Position::START, &client, Some(&share)));
    assert!(fetch.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(free_pages(&service.page_memory, &share), all);
}

/// Stores a page of large messages.
async fn fill(service: &Service, inbox: InboxId) {
    let (now, key) = (service.now(), KeyId(1));
    let message = |number: usize| {
        Op::Append(Draft {
            id: MessageId::from_bytes((number as u128).to_be_bytes()),
            agent: inbox,
            subscription: SubscriptionId::from_bytes([2; 16]),
            accepted: now,
            expires: now.after(Duration::from_secs(60)),
            urgency: Urgency::Normal,
            topic: None,
            encoding: Encoding::default(),
            key,
            receipt: None,
            body: vec![0; 2000].into(),
        })
    };
    let subscription = Subscription {
        agent: inbox,
        id: SubscriptionId::from_bytes([2; 16]),
        created: now,
        key,
        sender: None,
        protocol: Protocol::Rfc8030,
    };
    let inbox_record = Inbox { id: inbox, owner: Owner::Agent, created: now, key };
    let mut ops = vec![Op::CreateInbox(inbox_record), Op::Subscribe(subscription)];
    ops.extend((0..FETCH_ENTRIES).map(message));
    service.commit(ops, Durability::Durable).await.unwrap();
}

/// Returns the number of pages for which the share of a connection has memory.
fn free_pages(memory: &PageMemory, share: &PageShare) -> usize {
    let mut context = Context::from_waker(Waker::noop());
    let reserve = || match pin!(memory.reserve(Some(share))).poll(&mut context) {
        Poll::Ready(lease) => Some(lease),
        Poll::Pending => None,
    };
    std::iter::from_fn(reserve).collect::<Vec<_>>().len()
}
