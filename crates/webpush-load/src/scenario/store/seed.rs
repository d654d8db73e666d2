//! A store with inboxes and messages in it.

use anyhow::Context as _;
use bytes::Bytes;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::channel;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Durability, Op, Store};

const BODY: [u8; 200] = [0x5a; 200];
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
/// Operations committed at once while the store is seeded.
const BATCH: u64 = 500;
/// Prime, so that consecutive messages go to inboxes that have nothing in common.
const STRIDE: u64 = 7919;
/// Far in the future, so that nothing expires during the measurement.
const EXPIRES: u64 = 1_000_000_000_000;

/// Opens a new store with `inboxes` inboxes, each with a subscription, and listened to once.
pub(super) fn store(directory: &Path, inboxes: u64) -> anyhow::Result<EmbeddedStore> {
    store_with(directory, Options::default(), inboxes)
}

/// Like [`store`], with other options.
pub(super) fn store_with(directory: &Path, options: Options, inboxes: u64) -> anyhow::Result<EmbeddedStore> {
    let store = EmbeddedStore::open(directory, options)?;
    batches(&store, 0..inboxes, |number| {
        let (id, key, created) = (inbox(number), KeyId(1), Timestamp::from_millis(1));
        let subscription = Subscription {
            agent: id,
            id: SUBSCRIPTION,
            created,
            key,
            sender: None,
            protocol: Protocol::Rfc8030,
        };
        vec![
            Op::CreateInbox(Inbox { id, owner: Owner::Agent, created, key }),
            Op::Subscribe(subscription),
            Op::Touch(id, created),
        ]
    })?;
    Ok(store)
}

/// Stores messages, spread over `inboxes` inboxes.
pub(super) fn fill(store: &EmbeddedStore, numbers: Range<u64>, inboxes: u64) -> anyhow::Result<()> {
    batches(store, numbers, |number| vec![Op::Append(message(number, inboxes))])
}

/// Returns the message with a number, to one of `inboxes` inboxes.
pub(super) fn message(number: u64, inboxes: u64) -> Draft {
    Draft {
        id: MessageId::from_bytes(spread(number)),
        agent: inbox(number.wrapping_mul(STRIDE) % inboxes.max(1)),
        subscription: SUBSCRIPTION,
        accepted: Timestamp::from_millis(1),
        expires: Timestamp::from_millis(EXPIRES + number),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::from_parts([None, Some(b"aes128gcm"), None, None]).unwrap_or_default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from_static(&BODY),
    }
}

fn batches(store: &EmbeddedStore, numbers: Range<u64>, ops: impl Fn(u64) -> Vec<Op>) -> anyhow::Result<()> {
    let end = numbers.end;
    for first in numbers.step_by(usize::try_from(BATCH).unwrap_or(1)) {
        let (sender, receiver) = channel();
        let batch = (first..end.min(first + BATCH)).flat_map(&ops).collect();
        store.commit(batch, Durability::Durable, Box::new(move |result| drop(sender.send(result.map(drop)))));
        receiver.recv().context("the store does not answer")??;
    }
    Ok(())
}

fn inbox(number: u64) -> InboxId {
    InboxId::from_bytes(spread(number))
}

/// Spread like random IDs, which is the worst case for a store.
fn spread(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}
