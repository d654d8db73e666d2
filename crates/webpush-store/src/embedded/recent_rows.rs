//! The rows that are kept in memory for a while, and what a batch changes about them.

use super::id_hash::IdHash;
use super::memtable::Tables;
use super::recent::Recent;
use super::rows::{Table, read_inbox_key, read_subscription_key};
use super::usage_row::UsageRow;
use std::sync::Arc;
use webpush_core::env::{EntropyError, Env};
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::Inbox;
use webpush_core::subscription::Subscription;

/// Rows that were read or written recently.
pub(super) struct RecentRows {
    pub(super) inboxes: Recent<InboxId, Inbox>,
    pub(super) subscriptions: Recent<(InboxId, SubscriptionId), Arc<Subscription>>,
    /// The writer's own: it changes a usage with every message, and would read it each time.
    pub(super) usages: Recent<InboxId, UsageRow>,
}

/// The changes of a batch to rows that may be cached.
pub(super) struct RowChanges {
    inboxes: Vec<InboxId>,
    subscriptions: Vec<(InboxId, SubscriptionId)>,
    usages: Vec<(InboxId, Option<UsageRow>)>,
}

impl RowChanges {
    pub(super) fn of(changes: &Tables) -> Self {
        let usages = changes[Table::Usages as usize].iter().filter_map(|(key, value)| {
            let inbox = read_inbox_key(key)?;
            Some((inbox, value.as_ref().and_then(|value| UsageRow::read(inbox, value))))
        });
        let subscriptions = changes[Table::Subscriptions as usize].keys();
        Self {
            inboxes: changes[Table::Inboxes as usize].keys().filter_map(|key| read_inbox_key(key)).collect(),
            subscriptions: subscriptions.filter_map(|key| read_subscription_key(key)).collect(),
            usages: usages.collect(),
        }
    }
}

impl RecentRows {
    pub(super) fn new(env: &Env) -> Result<Self, EntropyError> {
        let hash = IdHash::new(env)?;
        Ok(Self { inboxes: Recent::new(hash), subscriptions: Recent::new(hash), usages: Recent::new(hash) })
    }

    /// To be called when a batch can be read, and before anybody is told of it.
    pub(super) fn hear(&self, news: RowChanges) {
        news.inboxes.iter().for_each(|id| self.inboxes.forget(id));
        news.subscriptions.iter().for_each(|id| self.subscriptions.forget(id));
        for (inbox, usage) in news.usages {
            match usage {
                Some(usage) => self.usages.put(inbox, usage),
                None => self.usages.forget(&inbox),
            }
        }
    }

    /// To be called while nobody reads, when the rows may be others from then on.
    pub(super) fn forget_all(&self) {
        self.inboxes.forget_all();
        self.subscriptions.forget_all();
        self.usages.forget_all();
    }
}
