//! The caches of the tables that a push reads.

use super::id_hash::IdHash;
use super::memtable::Tables;
use super::packed_rows::{PackedInbox, PackedSubscription, PackedUsage};
use super::row_cache::RowCache;
use super::rows::{Table, read_inbox, read_inbox_key, read_subscription, read_subscription_key};
use super::sender_pool::{SENDER_BYTES, SenderPool};
use super::usage_row::UsageRow;
use webpush_core::env::{EntropyError, Env};
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::Inbox;
use webpush_core::subscription::Subscription;

/// Shares of the memory, chosen for agents with one or two subscriptions.
const INBOX_SHARE: u64 = 2;
const SUBSCRIPTION_SHARE: u64 = 8;
const USAGE_SHARE: u64 = 5;
const SENDER_SHARE: u64 = 1;
const SHARES: u64 = INBOX_SHARE + SUBSCRIPTION_SHARE + USAGE_SHARE + SENDER_SHARE;

/// Rows that were read or written and are still cached.
pub(super) struct RowCaches {
    pub(super) inboxes: RowCache<PackedInbox>,
    pub(super) subscriptions: RowCache<PackedSubscription>,
    /// Used by the writer alone, which changes the usage row of an inbox with every message.
    pub(super) usages: RowCache<PackedUsage>,
}

/// The rows of a batch that may be cached; `None` where one was removed.
pub(super) struct RowChanges {
    inboxes: Vec<(InboxId, Option<Inbox>)>,
    subscriptions: Vec<((InboxId, SubscriptionId), Option<Subscription>)>,
    usages: Vec<(InboxId, Option<UsageRow>)>,
}

impl From<&Tables> for RowChanges {
    fn from(changes: &Tables) -> Self {
        let rows = |table| changes[table as usize].iter().map(|(key, value)| (&key[..], value.as_deref()));
        let inboxes = rows(Table::Inboxes).filter_map(|(key, value)| {
            let inbox = read_inbox_key(key)?;
            Some((inbox, value.and_then(|value| read_inbox(inbox, value))))
        });
        let subscriptions = rows(Table::Subscriptions).filter_map(|(key, value)| {
            let (agent, id) = read_subscription_key(key)?;
            Some(((agent, id), value.and_then(|value| read_subscription(agent, id, value))))
        });
        let usages = rows(Table::Usages).filter_map(|(key, value)| {
            let inbox = read_inbox_key(key)?;
            Some((inbox, value.and_then(|value| UsageRow::read(inbox, value))))
        });
        Self { inboxes: inboxes.collect(), subscriptions: subscriptions.collect(), usages: usages.collect() }
    }
}

impl RowCaches {
    /// Creates empty caches that take at most `bytes` of memory once they are full.
    pub(super) fn new(env: &Env, bytes: u64) -> Result<Self, EntropyError> {
        let hash = IdHash::new(env)?;
        let share = |share| bytes / SHARES * share;
        let senders = usize::try_from(share(SENDER_SHARE) / SENDER_BYTES).unwrap_or(usize::MAX);
        Ok(Self {
            inboxes: RowCache::new(hash, share(INBOX_SHARE), ()),
            subscriptions: RowCache::new(hash, share(SUBSCRIPTION_SHARE), SenderPool::new(hash, senders)),
            usages: RowCache::new(hash, share(USAGE_SHARE), ()),
        })
    }

    /// Takes over the rows of a batch. Call this when the batch can be read, before anyone is told of it.
    pub(super) fn apply(&self, changes: RowChanges) {
        changes.inboxes.iter().for_each(|(key, row)| self.inboxes.set(*key, row.as_ref()));
        changes.subscriptions.iter().for_each(|(key, row)| self.subscriptions.set(*key, row.as_ref()));
        changes.usages.iter().for_each(|(key, row)| self.usages.set(*key, row.as_ref()));
    }

    /// Removes all rows. Call this while nobody reads, if rows may have changed unnoticed.
    pub(super) fn clear(&self) {
        self.inboxes.clear();
        self.subscriptions.clear();
        self.usages.clear();
    }
}
