//! Parts of the tests of faults: a database for each, numbered messages, and an observer.

use crate::cluster::{client, query};
use bytes::Bytes;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;
use tokio_postgres::Client;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::postgres::{PostgresOptions, PostgresStore};
use webpush_store::{Applied, Durability, Op, Store as _, StoreError};

pub(crate) const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const RECEIPTS: InboxId = InboxId::from_bytes([3; 16]);
pub(crate) const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([4; 16]);

/// Commits of a handle that are submitted at once.
const IN_FLIGHT: usize = 8;

const NOW: Timestamp = Timestamp::from_millis(10);

/// A database of its own, so that its connections can be told from those of other tests.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) client: Client,
}

impl Database {
    pub(crate) async fn create() -> Self {
        static DATABASES: AtomicUsize = AtomicUsize::new(0);
        let server = std::env::var("WEBPUSH_TEST_POSTGRES").expect("run it by cargo xtask postgres");
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("faults_{}_{number}", std::process::id());
        query(&client(&server).await, &format!("CREATE DATABASE {name}")).await;
        let (base, _) = server.rsplit_once('/').expect("the URL names a database");
        let url = format!("{base}/{name}");
        let client = client(&url).await;
        Self { url, client }
    }

    pub(crate) async fn open(&self, connections: usize) -> PostgresStore {
        PostgresStore::open(options(&self.url, connections)).await.unwrap()
    }
}

pub(crate) fn options(url: &str, connections: usize) -> PostgresOptions {
    PostgresOptions {
        url: url.to_owned(),
        schema: "faults".to_owned(),
        connections,
        ..PostgresOptions::default()
    }
}

/// Submits a durable commit, and returns a future of its result.
pub(crate) fn submit(
    store: &PostgresStore,
    ops: Vec<Op>,
) -> impl Future<Output = Result<Vec<Applied>, StoreError>> + Send + use<> {
    let (sender, receiver) = oneshot::channel();
    // Fails if the test has ended.
    store.commit(ops, Durability::Durable, Box::new(move |result| drop(sender.send(result))));
    async move { receiver.await.expect("done is called") }
}

pub(crate) fn seed_ops() -> Vec<Op> {
    let inbox = |id, owner| Op::CreateInbox(Inbox { id, owner, created: NOW, key: KeyId(7) });
    let subscription = Subscription {
        agent: AGENT,
        id: SUBSCRIPTION,
        created: NOW,
        key: KeyId(7),
        sender: None,
        protocol: Protocol::Rfc8030,
    };
    vec![inbox(AGENT, Owner::Agent), inbox(RECEIPTS, Owner::Receipts), Op::Subscribe(subscription)]
}

pub(crate) async fn seed(store: &PostgresStore) {
    assert_eq!(submit(store, seed_ops()).await, Ok(vec![Applied::Created; 3]));
}

/// A message of a handle, with its number as body.
pub(crate) fn message(handle: u8, number: u64) -> Draft {
    let mut id = [handle; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Draft {
        id: MessageId::from_bytes(id),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: NOW,
        expires: Timestamp::from_millis(1_000_000),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(9),
        receipt: None,
        body: Bytes::from(number.to_string()),
    }
}

/// Appends one message.
pub(crate) async fn append(store: &PostgresStore, number: u64) -> Result<Applied, StoreError> {
    let mut applied = submit(store, vec![Op::Append(message(1, number))]).await?;
    Ok(applied.pop().expect("one result for one operation"))
}

/// A handle, and the positions of its messages in the order of their numbers.
pub(crate) type AppendedMessages = (u8, Vec<Position>);

/// Appends the numbered messages of a handle, several at once, each until it is acknowledged.
///
/// Returns the position of each as it was acknowledged, in this order.
pub(crate) async fn append_all(
    store: &PostgresStore,
    handle: u8,
    count: u64,
    acknowledged: &(dyn Fn(u64) + Sync),
) -> AppendedMessages {
    let again = async |number| {
        loop {
            let mut applied = match submit(store, vec![Op::Append(message(handle, number))]).await {
                Ok(applied) => applied,
                Err(error) => {
                    assert_eq!(error, StoreError::Unavailable);
                    continue;
                }
            };
            match applied.pop() {
                Some(Applied::Appended(appended)) => return appended.message.position,
                Some(Applied::Duplicate(message)) => return message.position,
                other => unreachable!("an append has one result: {other:?}"),
            }
        }
    };
    let mut submitted = FuturesOrdered::new();
    let (mut positions, mut next) = (Vec::new(), 0);
    while positions.len() < usize::try_from(count).unwrap() {
        while submitted.len() < IN_FLIGHT && next < count {
            submitted.push_back(again(next));
            next += 1;
        }
        positions.push(submitted.next().await.expect("some are submitted"));
        acknowledged(next);
    }
    (handle, positions)
}

/// Returns the position and number of each stored message.
pub(crate) async fn stored(store: &PostgresStore) -> Vec<(Position, u64)> {
    let messages = all(store).await;
    messages.into_iter().map(|(position, (_, number))| (position, number)).collect()
}

pub(crate) async fn numbers(store: &PostgresStore) -> Vec<u64> {
    stored(store).await.into_iter().map(|(_, number)| number).collect()
}

/// Returns the handle and number of each stored message by position.
async fn all(store: &PostgresStore) -> BTreeMap<Position, (u8, u64)> {
    let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
    let (mut found, mut after) = (BTreeMap::new(), Position::START);
    loop {
        let page = store.fetch(&scope, after, NOW).await.unwrap();
        for entry in &page.entries {
            let Entry::Message(message) = entry else {
                unreachable!("only messages are appended: {entry:?}")
            };
            let number = std::str::from_utf8(&message.body).unwrap().parse().unwrap();
            found.insert(message.position, (message.id.as_bytes()[0], number));
        }
        after = page.scanned;
        if !page.more {
            return found;
        }
    }
}

/// Checks that each message is stored once, where it was acknowledged.
pub(crate) async fn assert_appended(store: &PostgresStore, handles: &[AppendedMessages]) {
    let expected: BTreeMap<Position, (u8, u64)> = handles
        .iter()
        .flat_map(|(handle, positions)| positions.iter().copied().zip((0..).map(|number| (*handle, number))))
        .collect();
    assert_eq!(expected.len(), handles.iter().map(|(_, positions)| positions.len()).sum::<usize>());
    assert_eq!(all(store).await, expected);
    for (_, positions) in handles {
        assert!(positions.is_sorted(), "{positions:?}");
    }
}

/// Fills the inbox of the agent with messages, each with a receipt.
pub(crate) async fn fill(client: &Client, messages: u64) {
    let fill = format!(
        "INSERT INTO faults.entry (inbox, position, message, key, subscription, accepted, expires, removal, urgency,
                receipt, body)
            SELECT agent, n, lpad(to_hex(n), 32, '0')::uuid, 7, agent, 10, 1000000, 1000000, 2, receipts,
                repeat('x', 100)::bytea
            FROM generate_series(1, {messages}) n, (SELECT id AS agent FROM faults.inbox WHERE owner = 0) a,
                (SELECT id AS receipts FROM faults.inbox WHERE owner = 1) r;
        UPDATE faults.inbox SET last = {messages}, entries = {messages}, body_bytes = 100 * {messages} WHERE owner = 0;
        ANALYZE faults.entry"
    );
    query(client, &fill).await;
}
