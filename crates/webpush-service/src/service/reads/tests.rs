use super::*;
use crate::limits::{Limits, Rates};
use crate::sealing_cipher::Aes256GcmSiv;
use crate::service::Setup;
use crate::system::SystemEntropy;
use std::sync::Arc;
use tokio::time::Instant;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::env::{Clock, Env, MonotonicTime};
use webpush_core::id::MessageId;
use webpush_core::inbox::Owner;
use webpush_core::message::Draft;
use webpush_core::rate::RateLimit;
use webpush_core::session::FETCH_SCAN_ROWS;
use webpush_core::subscription::Protocol;
use webpush_core::urgency::Urgency;
use webpush_store::memory::MemoryStore;
use webpush_store::{Durability, Op};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const KEY: KeyId = KeyId(1);
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

/// A clock that is half as fast as the timers, so that a wait of any length ends too early.
struct SlowClock(Instant);

impl Clock for SlowClock {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::since_start(self.0.elapsed() / 2)
    }
}

/// A service that permits a step of a scan per hour, with an inbox that takes `steps` to read.
async fn service(steps: usize) -> Arc<Service> {
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KEY, [1; 32])]).unwrap();
    let setup = Setup::new(MemoryStore::default(), keyring, "https://push.example");
    let limits =
        Limits { rates: Rates { scans: RateLimit::at(1, 3600, 1), ..Rates::default() }, ..Limits::default() };
    let env = Env::new(Arc::new(SlowClock(Instant::now())), Arc::new(SystemEntropy));
    let service = Service::new(Setup { env, limits, ..setup });
    let message = |number: usize| {
        Op::Append(Draft {
            id: MessageId::from_bytes((number as u128).to_be_bytes()),
            agent: AGENT,
            subscription: SubscriptionId::from_bytes([2; 16]),
            accepted: NOW,
            expires: NOW.after(HOUR),
            urgency: Urgency::Low,
            topic: None,
            encoding: Encoding::default(),
            key: KEY,
            receipt: None,
            body: bytes::Bytes::new(),
        })
    };
    let subscription = Subscription {
        agent: AGENT,
        id: SubscriptionId::from_bytes([2; 16]),
        created: NOW,
        key: KEY,
        sender: None,
        protocol: Protocol::Rfc8030,
    };
    let inbox = Inbox { id: AGENT, owner: Owner::Agent, created: NOW, key: KEY };
    let mut ops = vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)];
    ops.extend((0..steps * FETCH_SCAN_ROWS).map(message));
    service.commit(ops, Durability::Durable).await.unwrap();
    service
}

/// A1: a session waits for each step of a scan until its client may take it.
#[tokio::test(start_paused = true)]
async fn a1_each_step_of_a_scan_takes_a_token() {
    const STEPS: usize = 6;
    let service = service(STEPS).await;
    let client = ClientAddr::new([192, 0, 2, 1].into());
    let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::High };
    let mut page = Page { more: true, ..Page::default() };
    while page.is_partial() {
        if page.scanned != Position::START {
            service.wait_for_scan(&client).await;
        }
        page = service.fetch(Some(&client), &scope, page.scanned, NOW).await.unwrap();
    }
    assert!(page.entries.is_empty() && !page.more);
    // The first page is free, and the bucket has a token.
    let least = HOUR * (u32::try_from(STEPS).unwrap() - 2);
    let waited = service.monotonic().elapsed_since_start();
    assert!(waited >= least, "{waited:?} for {STEPS} pages");
}
