//! The content of the model, and the effect of each operation.

use crate::idle::{self, IdleClass, IdlePlace};
use crate::{
    AppendResult, Applied, Due, IdleCheck, Latest, Op, Quota, RemovalResult, SettleResult, position,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Outcome;
use webpush_core::message::{Draft, Message};
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::session::{FETCH_ENTRIES, ScanBudget};
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

type Key = (InboxId, Position);

/// The content, in the simplest form.
#[derive(Default)]
pub(super) struct Model {
    pub(super) quota: Quota,
    pub(super) inboxes: BTreeMap<InboxId, Inbox>,
    pub(super) subscriptions: BTreeMap<(InboxId, SubscriptionId), Subscription>,
    pub(super) entries: BTreeMap<Key, Entry>,
    /// The last hour in which an inbox was monitored.
    pub(super) monitored: BTreeMap<InboxId, u64>,
    /// The last position assigned in each inbox, or one from before its creation.
    last: BTreeMap<InboxId, Position>,
    /// Positions are assigned above this one.
    pub(super) floor: Position,
    /// The highest position assigned in any inbox; at least the floor.
    pub(super) highest: Position,
    /// The positions of messages appended since the store was opened.
    appended: BTreeMap<(InboxId, MessageId), Position>,
    /// Receipts that the current operation has dropped.
    receipts_dropped: usize,
}

impl Model {
    pub(super) fn new(quota: Quota) -> Self {
        Self { quota, ..Self::default() }
    }

    /// Has the effect of reopening a store.
    pub(super) fn reopen(&mut self) {
        self.floor = position::floor_after(self.highest);
        self.highest = self.floor;
        self.appended.clear();
    }

    pub(super) fn inbox(&self, id: InboxId) -> Option<Inbox> {
        self.inboxes.get(&id).cloned()
    }

    pub(super) fn subscription(&self, agent: InboxId, id: SubscriptionId) -> Option<Subscription> {
        self.subscriptions.get(&(agent, id)).cloned()
    }

    pub(super) fn channel(&self, agent: InboxId, channel: ChannelId) -> Option<Subscription> {
        let is_it = |(id, subscription): &(&(InboxId, SubscriptionId), &Subscription)| {
            id.0 == agent && subscription.channel() == Some(channel)
        };
        self.subscriptions.iter().find(is_it).map(|(_, subscription)| subscription.clone())
    }

    pub(super) fn entry(&self, entry: &EntryRef) -> Option<Entry> {
        self.find(entry).and_then(|key| self.entries.get(&key).cloned())
    }

    pub(super) fn apply(&mut self, op: Op) -> Applied {
        match op {
            Op::CreateInbox(inbox) => {
                self.begin(inbox.id);
                self.inboxes.insert(inbox.id, inbox);
                Applied::Created
            }
            Op::Subscribe(subscription) => self.subscribe(subscription),
            Op::Append(message) => self.append(message),
            Op::Settle(entry, outcome) => match self.find(&entry) {
                Some(key) => {
                    let accepted = match self.entries.get(&key) {
                        Some(Entry::Message(message)) => Some(message.accepted),
                        Some(Entry::Receipt(_)) | None => None,
                    };
                    let receipt = self.end(key, outcome);
                    let receipts_dropped = std::mem::take(&mut self.receipts_dropped);
                    Applied::Settled(SettleResult { entry, outcome, accepted, receipt, receipts_dropped })
                }
                None => Applied::Missing,
            },
            Op::Unsubscribe(agent, id) => match self.subscriptions.remove(&(agent, id)) {
                Some(_) => self.cancel(agent, Some(id)),
                None => Applied::Missing,
            },
            Op::RemoveInbox(id) => self.remove(id),
            Op::Touch(id, time) => self.touch(id, idle::hour(time)),
            Op::RemoveIdle(id, check) => match self.inboxes.get(&id) {
                Some(inbox) if self.is_idle(inbox, &check) => self.remove(id),
                Some(_) | None => Applied::Missing,
            },
            Op::Restore(record) => self.restore(record),
        }
    }

    fn remove(&mut self, id: InboxId) -> Applied {
        if self.inboxes.remove(&id).is_none() {
            return Applied::Missing;
        }
        self.subscriptions.retain(|(agent, _), _| *agent != id);
        self.monitored.remove(&id);
        self.last.remove(&id);
        self.cancel(id, None)
    }

    fn touch(&mut self, id: InboxId, hour: u64) -> Applied {
        if !self.inboxes.contains_key(&id) {
            return Applied::Missing;
        }
        let last = self.monitored.entry(id).or_default();
        *last = hour.max(*last);
        Applied::Touched
    }

    fn subscribe(&mut self, subscription: Subscription) -> Applied {
        if !self.is_owned_by(subscription.agent, Owner::Agent) {
            return Applied::Missing;
        }
        let key = (subscription.agent, subscription.id);
        let others = self.subscriptions.keys().filter(|other| other.0 == key.0 && **other != key).count();
        if others as u64 >= self.quota.subscriptions {
            return Applied::Refused;
        }
        let of_channel = subscription.channel().and_then(|channel| self.channel(key.0, channel));
        if of_channel.is_some_and(|other| other.id != key.1) {
            return Applied::Taken;
        }
        self.subscriptions.insert(key, subscription);
        Applied::Created
    }

    fn append(&mut self, draft: Draft) -> Applied {
        let id = (draft.agent, draft.id);
        if let Some(position) = self.appended.get(&id) {
            return Applied::Duplicate(Arc::new(draft.into_message(*position)));
        }
        if !self.subscriptions.contains_key(&(draft.agent, draft.subscription)) {
            return Applied::Missing;
        }
        let replaced = self.outstanding(&draft);
        if let Some(old) = replaced {
            self.end((old.inbox, old.position), Outcome::Replaced);
        }
        let message = Arc::new(draft.into_message(self.next_position(id.0)));
        self.appended.insert(id, message.position);
        self.entries.insert((message.agent, message.position), Entry::Message(Arc::clone(&message)));
        let (dropped, receipts) = self.drop_messages(&message);
        let receipts_dropped = std::mem::take(&mut self.receipts_dropped);
        Applied::Appended(AppendResult { message, replaced, dropped, receipts, receipts_dropped })
    }

    /// Drops entries until an inbox with a new message is within its quota.
    fn drop_messages(&mut self, new: &Message) -> (Vec<EntryRef>, Vec<Receipt>) {
        let (mut dropped, mut receipts) = (Vec::new(), Vec::new());
        while let Some(victim) = self.victim(new) {
            dropped.push(victim);
            receipts.extend(self.end((victim.inbox, victim.position), Outcome::Dropped));
        }
        (dropped, receipts)
    }

    fn victim(&self, new: &Message) -> Option<EntryRef> {
        let messages = || {
            self.inbox_entries(new.agent).filter_map(|(_, entry)| match entry {
                Entry::Message(message) => Some(message),
                Entry::Receipt(_) => None,
            })
        };
        let size = |message: &Message| message.body.len() as u64;
        let too_many = messages().count() as u64 > self.quota.messages;
        let too_large = messages().map(|message| size(message)).sum::<u64>() > self.quota.body_bytes;
        let new_alone = size(new) > self.quota.body_bytes;
        let order =
            |it: &&Arc<Message>| (!(new_alone && it.position == new.position), it.urgency, it.position);
        let least = messages().min_by_key(order)?;
        (too_many || too_large).then(|| least.entry_ref())
    }

    /// Returns the message that a new one replaces.
    ///
    /// An expired message has ended already, even if it is still stored.
    fn outstanding(&self, new: &Draft) -> Option<EntryRef> {
        new.topic?;
        let same = |old: &Message| old.subscription == new.subscription && old.topic == new.topic;
        self.inbox_entries(new.agent).rev().find_map(|(_, entry)| match entry {
            Entry::Message(old) if same(old) && !old.is_expired(new.accepted) => Some(old.entry_ref()),
            Entry::Message(_) | Entry::Receipt(_) => None,
        })
    }

    fn cancel(&mut self, inbox: InboxId, subscription: Option<SubscriptionId>) -> Applied {
        let ended = |entry: &Entry| match entry {
            Entry::Message(message) => subscription.is_none_or(|only| only == message.subscription),
            Entry::Receipt(_) => subscription.is_none(),
        };
        let mut messages = 0;
        let ending = self.inbox_entries(inbox).filter(|(_, entry)| ended(entry));
        let keys: Vec<Key> = ending
            .inspect(|(_, entry)| messages += usize::from(matches!(entry, Entry::Message(_))))
            .map(|(key, _)| *key)
            .collect();
        let receipts = keys.into_iter().filter_map(|key| self.end(key, Outcome::Canceled)).collect();
        let receipts_dropped = std::mem::take(&mut self.receipts_dropped);
        Applied::Removed(RemovalResult { inbox, subscription, messages, receipts, receipts_dropped })
    }

    /// Removes an entry and records the receipt that it owes.
    fn end(&mut self, key: Key, outcome: Outcome) -> Option<Receipt> {
        let Some(Entry::Message(message)) = self.entries.remove(&key) else { return None };
        let status = ReceiptStatus::from_outcome(outcome)?;
        let inbox = message.receipt.filter(|inbox| self.is_owned_by(*inbox, Owner::Receipts))?;
        let position = self.next_position(inbox);
        let receipt = Receipt { inbox, position, about: message.entry_ref(), key: message.key, status };
        self.entries.insert((inbox, position), Entry::Receipt(receipt));
        while self.inbox_entries(inbox).count() as u64 > self.quota.receipts {
            let Some(oldest) = self.inbox_entries(inbox).next().map(|(key, _)| *key) else { break };
            self.entries.remove(&oldest);
            self.receipts_dropped += 1;
        }
        Some(receipt)
    }

    pub(super) fn is_owned_by(&self, inbox: InboxId, owner: Owner) -> bool {
        self.inboxes.get(&inbox).is_some_and(|inbox| inbox.owner == owner)
    }

    fn find(&self, entry: &EntryRef) -> Option<Key> {
        let key = (entry.inbox, entry.position);
        let there = self.entries.get(&key)?;
        (there.entry_ref().message == entry.message).then_some(key)
    }

    pub(super) fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Page {
        let mut page = Page { entries: Vec::new(), scanned: after, more: false };
        let rows = self.inbox_entries(scope.inbox).filter(|((_, position), _)| *position > after);
        let mut budget = ScanBudget::default();
        for ((_, position), entry) in rows {
            if budget.is_spent() || page.entries.len() == FETCH_ENTRIES {
                page.more = true;
                break;
            }
            budget.count(Some(entry));
            page.scanned = *position;
            if crate::is_visible(scope, entry, now) {
                page.entries.push(entry.clone());
            }
        }
        page
    }

    pub(super) fn latest(&self, scope: &Scope, before: Position, now: Timestamp) -> Latest {
        let earlier = self.inbox_entries(scope.inbox).filter(|((_, position), _)| *position < before);
        let mut budget = ScanBudget::default();
        for ((_, position), entry) in earlier.rev() {
            if crate::is_visible(scope, entry, now) {
                return Latest::Entry(entry.clone());
            }
            budget.count(Some(entry));
            if budget.is_spent() {
                return Latest::Continue(*position);
            }
        }
        Latest::Nothing
    }

    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Due {
        let mut all: Vec<(Timestamp, EntryRef)> = self
            .entries
            .values()
            .filter_map(|entry| match entry {
                Entry::Message(message) => Some((message.removal_time(), message.entry_ref())),
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

    pub(super) fn idle(&self, check: &IdleCheck, limit: usize) -> Vec<InboxId> {
        let idle = self.inboxes.values().filter(|inbox| self.is_idle(inbox, check));
        let mut idle: Vec<IdlePlace> = idle.map(|inbox| self.idle_place(inbox)).collect();
        idle.sort_unstable();
        idle.into_iter().take(limit).map(|(_, _, inbox)| inbox).collect()
    }

    fn is_idle(&self, inbox: &Inbox, check: &IdleCheck) -> bool {
        let (class, hour, _) = self.idle_place(inbox);
        hour < check.kept_from(class)
    }

    fn idle_place(&self, inbox: &Inbox) -> IdlePlace {
        let monitored = self.monitored.get(&inbox.id).copied();
        let entries = self.inbox_entries(inbox.id).count() as u64;
        let class = IdleClass::new(inbox.owner, monitored.is_some(), entries);
        (class, monitored.unwrap_or_else(|| idle::hour(inbox.created)), inbox.id)
    }

    pub(super) fn inbox_entries(&self, inbox: InboxId) -> impl DoubleEndedIterator<Item = (&Key, &Entry)> {
        self.entries.range((inbox, Position::START)..=(inbox, Position::new(u64::MAX)))
    }

    fn next_position(&mut self, inbox: InboxId) -> Position {
        let last = self.last.get(&inbox).copied().unwrap_or_default();
        let position = position::next(last.max(self.floor));
        self.took(inbox, position);
        position
    }

    /// Records the position of an entry.
    pub(super) fn took(&mut self, inbox: InboxId, position: Position) {
        let last = self.last.entry(inbox).or_default();
        *last = position.max(*last);
        self.highest = self.highest.max(position);
    }

    /// Records the creation of an inbox.
    pub(super) fn begin(&mut self, inbox: InboxId) {
        self.last.entry(inbox).or_insert(self.highest);
    }
}
