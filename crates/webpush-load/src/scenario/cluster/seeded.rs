//! A store of a cluster with inboxes in it, and messages to them.

use super::{CONNECTIONS, SCHEMA};
use crate::database::Database;
use anyhow::Context as _;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::postgres::{PostgresOptions, PostgresStore};
use webpush_store::{Applied, Durability, Op, Store};

const BODY: [u8; 200] = [0x5a; 200];
/// Prime, so that consecutive messages go to unrelated inboxes.
const STRIDE: u64 = 7919;
/// Operations committed at once.
const BATCH: usize = 200;
const TTL: Duration = Duration::from_secs(86_400);

/// A store with the subscriptions that messages go to, in turn.
pub(super) struct Seeded {
    pub(super) store: PostgresStore,
    subscriptions: Vec<(InboxId, SubscriptionId)>,
    next: AtomicU64,
}

impl Seeded {
    /// Opens the store, which creates the tables.
    pub(super) async fn open(database: &Database) -> anyhow::Result<Self> {
        let options = PostgresOptions {
            url: database.url.clone(),
            schema: SCHEMA.to_owned(),
            connections: usize::try_from(CONNECTIONS)?,
            ..PostgresOptions::default()
        };
        let store = PostgresStore::open(options).await?;
        Ok(Self { store, subscriptions: Vec::new(), next: AtomicU64::new(0) })
    }

    /// Creates subscriptions by operations, each in an inbox of its own.
    pub(super) async fn subscribe(&mut self, count: u64) -> anyhow::Result<()> {
        self.subscriptions = (0..count).map(|number| (InboxId::from_bytes(spread(number)), ID)).collect();
        for batch in self.subscriptions.chunks(BATCH) {
            let ops = batch.iter().flat_map(|(id, subscription)| {
                let (created, key) = (now(), KeyId(1));
                let subscription = Subscription {
                    agent: *id,
                    id: *subscription,
                    created,
                    key,
                    sender: None,
                    protocol: Protocol::Rfc8030,
                };
                let inbox = Inbox { id: *id, owner: Owner::Agent, created, key };
                [Op::CreateInbox(inbox), Op::Subscribe(subscription)]
            });
            commit(&self.store, ops.collect(), Durability::Durable).await?;
        }
        Ok(())
    }

    /// Uses the subscriptions that are in the database.
    pub(super) async fn find_subscriptions(&mut self, database: &Database) -> anyhow::Result<()> {
        let query = format!("SELECT uuid_send(agent), uuid_send(id) FROM {SCHEMA}.subscription");
        let rows = database.connect().await?.query(&query, &[]).await?;
        let id = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).context("an ID has another length");
        let read = |row: &tokio_postgres::Row| {
            Ok((InboxId::from_bytes(id(row.get(0))?), SubscriptionId::from_bytes(id(row.get(1))?)))
        };
        self.subscriptions = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(())
    }

    /// Stores the next message; returns what settles it.
    pub(super) async fn append(&self) -> anyhow::Result<Op> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let index = number.wrapping_mul(STRIDE) % self.subscriptions.len().max(1) as u64;
        let subscription = self.subscriptions.get(usize::try_from(index)?);
        let (agent, subscription) = *subscription.context("there is no subscription")?;
        let accepted = now();
        let draft = Draft {
            id: MessageId::from_bytes(spread(number)),
            agent,
            subscription,
            accepted,
            expires: accepted.after(TTL),
            urgency: Urgency::Normal,
            topic: None,
            encoding: Encoding::default(),
            key: KeyId(1),
            receipt: None,
            body: Bytes::from_static(&BODY),
        };
        match &commit(&self.store, vec![Op::Append(draft)], Durability::Durable).await?[..] {
            [Applied::Appended(appended)] => Ok(Op::Settle(appended.message.entry_ref(), Outcome::Delivered)),
            _ => anyhow::bail!("a message was not stored"),
        }
    }

    /// Settles a message as an acknowledgement does, without waiting for the disk.
    pub(super) async fn settle(&self, settle: Op) -> anyhow::Result<()> {
        commit(&self.store, vec![settle], Durability::Lazy).await.map(drop)
    }
}

const ID: SubscriptionId = SubscriptionId::from_bytes([2; 16]);

/// Stores are shared by the tasks of a load.
pub(super) type Shared = Arc<Seeded>;

async fn commit(store: &PostgresStore, ops: Vec<Op>, durability: Durability) -> anyhow::Result<Vec<Applied>> {
    let (sender, receiver) = oneshot::channel();
    store.commit(ops, durability, Box::new(|result| drop(sender.send(result))));
    Ok(receiver.await.context("the store does not answer")??)
}

/// Spread like random IDs.
fn spread(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or_default())
}
