//! A store in memory: the model that every other store is compared with, and the one for simulations.
//!
//! It has no indexes: whatever is asked is found by looking at everything, so that it is easy to see that it is right.

use crate::{Appended, Applied, Done, Due, Durability, Op, Removed, Settled, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use webpush_core::id::{EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::limits::{FETCH_ENTRIES, FETCH_SCAN_ROWS};
use webpush_core::message::Message;
use webpush_core::outcome::Outcome;
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// A handle to a model in memory. A commit is over before it returns.
#[derive(Default)]
pub struct MemoryStore {
    model: Arc<Mutex<Model>>,
    closed: AtomicBool,
}

impl MemoryStore {
    /// A new handle to the same model, as if a process had started again on what the last one left.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { model: Arc::clone(&self.model), closed: AtomicBool::new(false) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Model) -> T) -> Result<T, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable);
        }
        Ok(act(&mut self.model.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Store for MemoryStore {
    fn commit(&self, ops: Vec<Op>, _: Durability, done: Done) {
        done(self.with(|model| ops.into_iter().map(|op| model.apply(op)).collect()));
    }

    fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        self.with(|model| model.inboxes.get(&id).cloned())
    }

    fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Arc<Subscription>>, StoreError> {
        self.with(|model| model.subscriptions.get(&(agent, id)).cloned())
    }

    fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        self.with(|model| model.find(entry).and_then(|key| model.entries.get(&key).cloned()))
    }

    fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        self.with(|model| model.fetch(scope, after, now))
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        self.with(|model| model.due(now, limit))
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

type Key = (InboxId, Position);

#[derive(Default)]
struct Model {
    inboxes: BTreeMap<InboxId, Inbox>,
    subscriptions: BTreeMap<(InboxId, SubscriptionId), Arc<Subscription>>,
    entries: BTreeMap<Key, Entry>,
    last: Position,
}

impl Model {
    fn apply(&mut self, op: Op) -> Applied {
        match op {
            Op::CreateInbox(inbox) => {
                self.inboxes.insert(inbox.id, inbox);
                Applied::Created
            }
            Op::Subscribe(subscription) => self.subscribe(subscription),
            Op::Append(message) => self.append(message),
            Op::Settle(entry, outcome) => match self.find(&entry) {
                Some(key) => Applied::Settled(Settled { receipt: self.end(key, outcome) }),
                None => Applied::Missing,
            },
            Op::Unsubscribe(agent, id) => match self.subscriptions.remove(&(agent, id)) {
                Some(_) => self.cancel(agent, |message| message.subscription == id, false),
                None => Applied::Missing,
            },
            Op::RemoveInbox(id) => match self.inboxes.remove(&id) {
                Some(_) => {
                    self.subscriptions.retain(|(agent, _), _| *agent != id);
                    self.cancel(id, |_| true, true)
                }
                None => Applied::Missing,
            },
        }
    }

    fn subscribe(&mut self, subscription: Subscription) -> Applied {
        if !self.inboxes.contains_key(&subscription.agent) {
            return Applied::Missing;
        }
        self.subscriptions.insert((subscription.agent, subscription.id), Arc::new(subscription));
        Applied::Created
    }

    fn append(&mut self, mut message: Message) -> Applied {
        if !self.subscriptions.contains_key(&(message.agent, message.subscription)) {
            return Applied::Missing;
        }
        let replaced = self.outstanding(&message);
        if let Some(old) = replaced {
            self.end((old.inbox, old.position), Outcome::Replaced);
        }
        message.position = self.next_position();
        let message = Arc::new(message);
        self.entries.insert((message.agent, message.position), Entry::Message(Arc::clone(&message)));
        Applied::Appended(Appended { message, replaced })
    }

    /// The message that a new one replaces. One that has expired has ended already, though it may still be there.
    fn outstanding(&self, new: &Message) -> Option<EntryRef> {
        new.topic?;
        let same = |old: &Message| old.subscription == new.subscription && old.topic == new.topic;
        self.inbox_entries(new.agent).rev().find_map(|(_, entry)| match entry {
            Entry::Message(old) if same(old) && !old.is_expired(new.accepted) => Some(old.entry_ref()),
            Entry::Message(_) | Entry::Receipt(_) => None,
        })
    }

    fn cancel(&mut self, inbox: InboxId, which: impl Fn(&Message) -> bool, receipts_too: bool) -> Applied {
        let ended = |entry: &Entry| match entry {
            Entry::Message(message) => which(message),
            Entry::Receipt(_) => receipts_too,
        };
        let keys: Vec<Key> =
            self.inbox_entries(inbox).filter(|(_, entry)| ended(entry)).map(|(key, _)| *key).collect();
        let entries = keys.len();
        let receipts = keys.into_iter().filter_map(|key| self.end(key, Outcome::Cancelled)).collect();
        Applied::Removed(Removed { entries, receipts })
    }

    /// Removes an entry and records the receipt that it owes.
    fn end(&mut self, key: Key, outcome: Outcome) -> Option<Receipt> {
        let Some(Entry::Message(message)) = self.entries.remove(&key) else { return None };
        let status = ReceiptStatus::of(outcome)?;
        let inbox = message.receipt.filter(|inbox| self.inboxes.contains_key(inbox))?;
        let position = self.next_position();
        let receipt = Receipt { inbox, position, about: message.entry_ref(), key: message.key, status };
        self.entries.insert((inbox, position), Entry::Receipt(receipt));
        Some(receipt)
    }

    fn find(&self, entry: &EntryRef) -> Option<Key> {
        let right = |(_, found): &(&Key, &Entry)| found.entry_ref().message == entry.message;
        let there = self.entries.get_key_value(&(entry.inbox, entry.position)).filter(right);
        there.or_else(|| self.inbox_entries(entry.inbox).find(right)).map(|(key, _)| *key)
    }

    fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Page {
        let mut page = Page { entries: Vec::new(), seen: after, more: false };
        let rows = self.inbox_entries(scope.inbox).filter(|((_, position), _)| *position > after);
        for (row, ((_, position), entry)) in rows.enumerate() {
            if row == FETCH_SCAN_ROWS || page.entries.len() == FETCH_ENTRIES {
                page.more = true;
                break;
            }
            page.seen = *position;
            if crate::admits(scope, entry, now) {
                page.entries.push(entry.clone());
            }
        }
        page
    }

    fn due(&self, now: Timestamp, limit: usize) -> Due {
        let mut all: Vec<(Timestamp, EntryRef)> = self
            .entries
            .values()
            .filter_map(|entry| match entry {
                Entry::Message(message) => Some((message.expires, message.entry_ref())),
                Entry::Receipt(_) => None,
            })
            .collect();
        all.sort_unstable();
        let named = all.iter().take(limit).take_while(|(expires, _)| *expires <= now).count();
        Due {
            next: all.get(named).map(|(expires, _)| *expires),
            entries: all[..named].iter().map(|(_, entry)| *entry).collect(),
        }
    }

    fn inbox_entries(&self, inbox: InboxId) -> impl DoubleEndedIterator<Item = (&Key, &Entry)> {
        self.entries.range((inbox, Position::START)..=(inbox, Position::new(u64::MAX)))
    }

    fn next_position(&mut self) -> Position {
        self.last = self.last.next();
        self.last
    }
}
