//! The rows that are kept in memory for a while, and what a batch changes about them.

use super::generation::Tables;
use super::ledger::Ledger;
use super::recent::Recent;
use super::rows::{Table, read_inbox_key, read_subscription_key};
use std::sync::Arc;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::Inbox;
use webpush_core::subscription::Subscription;

/// What was read or written recently.
#[derive(Default)]
pub(super) struct RecentRows {
    pub(super) inboxes: Recent<InboxId, Inbox>,
    pub(super) subscriptions: Recent<(InboxId, SubscriptionId), Arc<Subscription>>,
    /// The writer's own: it changes a ledger with every message, and would read it each time.
    pub(super) ledgers: Recent<InboxId, Ledger>,
}

/// What a batch changes.
pub(super) struct News {
    inboxes: Vec<InboxId>,
    subscriptions: Vec<(InboxId, SubscriptionId)>,
    ledgers: Vec<(InboxId, Option<Ledger>)>,
}

impl News {
    pub(super) fn of(changes: &Tables) -> Self {
        let ledgers = changes[Table::Ledgers as usize].iter().filter_map(|(key, value)| {
            let inbox = read_inbox_key(key)?;
            Some((inbox, value.as_ref().and_then(|value| Ledger::read(inbox, value))))
        });
        let subscriptions = changes[Table::Subscriptions as usize].keys();
        Self {
            inboxes: changes[Table::Inboxes as usize].keys().filter_map(|key| read_inbox_key(key)).collect(),
            subscriptions: subscriptions.filter_map(|key| read_subscription_key(key)).collect(),
            ledgers: ledgers.collect(),
        }
    }
}

impl RecentRows {
    /// To be called when a batch can be read, and before anybody is told of it.
    pub(super) fn hear(&self, news: News) {
        news.inboxes.iter().for_each(|id| self.inboxes.forget(id));
        news.subscriptions.iter().for_each(|id| self.subscriptions.forget(id));
        for (inbox, ledger) in news.ledgers {
            match ledger {
                Some(ledger) => self.ledgers.put(inbox, ledger),
                None => self.ledgers.forget(&inbox),
            }
        }
    }

    /// To be called while nobody reads, when the rows may be others from then on.
    pub(super) fn forget_all(&self) {
        self.inboxes.forget_all();
        self.subscriptions.forget_all();
        self.ledgers.forget_all();
    }
}
