//! The rows that a group of commits reads and changes, in memory.
//!
//! A group is applied to rows that were loaded and locked before. A row that is missing is a [`Need`]: it is loaded,
//! and the group is applied again from the beginning.

mod full;

use crate::InboxUsage;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use webpush_core::capability::KeyId;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

/// Rows to load before a group can be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Need {
    /// An inbox, locked.
    Inbox(InboxId),
    /// A subscription.
    Subscription(InboxId, SubscriptionId),
    /// The subscription of a channel.
    Channel(InboxId, ChannelId),
    /// The entry at a position.
    Entry(InboxId, Position),
    /// The messages with a topic.
    Topic(TopicKey),
    /// This many entries that would be dropped first.
    Victims(InboxId, usize),
    /// All entries of an inbox.
    Entries(InboxId),
}

/// The topic of a subscription.
pub(super) type TopicKey = (InboxId, SubscriptionId, Topic);

/// A stored inbox with its use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InboxRow {
    pub(super) inbox: Inbox,
    /// The last position assigned in it.
    pub(super) last: Position,
    pub(super) usage: InboxUsage,
    /// The last hour in which it was monitored.
    pub(super) monitored: Option<u64>,
}

/// The parts of an entry on which operations depend: all but its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryRow {
    pub(super) message: MessageId,
    /// `None` for a receipt.
    pub(super) content: Option<MessageRow>,
}

/// The parts of a message on which operations depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageRow {
    pub(super) subscription: SubscriptionId,
    pub(super) accepted: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) urgency: Urgency,
    pub(super) topic: Option<Topic>,
    pub(super) receipt: Option<InboxId>,
    pub(super) key: KeyId,
    pub(super) body_bytes: u64,
}

impl EntryRow {
    pub(super) fn new(entry: &Entry) -> Self {
        let content = match entry {
            Entry::Message(message) => Some(MessageRow {
                subscription: message.subscription,
                accepted: message.accepted,
                expires: message.expires,
                urgency: message.urgency,
                topic: message.topic,
                receipt: message.receipt,
                key: message.key,
                body_bytes: message.body.len() as u64,
            }),
            Entry::Receipt(_) => None,
        };
        Self { message: entry.entry_ref().message, content }
    }

    pub(super) fn body_bytes(&self) -> u64 {
        self.content.map_or(0, |message| message.body_bytes)
    }

    /// Returns its place in the order in which entries are dropped from a full inbox.
    fn drop_order(&self, position: Position) -> DropOrder {
        (self.content.map(|message| message.urgency), position)
    }
}

/// The place of an entry in the order in which entries are dropped from a full inbox.
type DropOrder = (Option<Urgency>, Position);

/// The rows that are known, as the operations applied so far have left them.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkingSet {
    /// Positions are assigned above this one.
    pub(super) floor: Position,
    /// The highest last position of all removed inboxes.
    pub(super) removed: Position,
    /// `None` if there is no such inbox.
    inboxes: HashMap<InboxId, Option<InboxRow>>,
    /// Inboxes whose row was already counted up for the messages of the group, as it is now.
    counted: HashMap<InboxId, InboxRow>,
    subscriptions: HashMap<(InboxId, SubscriptionId), Option<Subscription>>,
    channels: HashMap<(InboxId, ChannelId), Option<SubscriptionId>>,
    /// `None` if there is no entry at the position.
    entries: BTreeMap<(InboxId, Position), Option<EntryRow>>,
    /// The entries in the order in which they are dropped.
    order: BTreeSet<(InboxId, DropOrder)>,
    topics: HashSet<TopicKey>,
    /// Inboxes of which the first entries in drop order are known: their number, and the last of them.
    victims: HashMap<InboxId, (usize, DropOrder)>,
    /// Inboxes of which all entries are known.
    complete: HashSet<InboxId>,
    /// Inboxes without rows of their own in the database: everything in them is known.
    empty: HashSet<InboxId>,
    /// Inboxes that are in another cell.
    elsewhere: HashSet<InboxId>,
}

type Lookup<T> = Result<T, Need>;

impl WorkingSet {
    pub(super) fn inbox(&self, id: InboxId) -> Lookup<Option<&InboxRow>> {
        self.inboxes.get(&id).map(Option::as_ref).ok_or(Need::Inbox(id))
    }

    /// Returns the inboxes that were counted up.
    pub(super) fn counted_inboxes(&self) -> impl Iterator<Item = InboxId> {
        self.counted.keys().copied()
    }

    /// Returns the row of an inbox in the database.
    pub(super) fn stored_inbox(&self, id: InboxId) -> Option<&InboxRow> {
        self.counted.get(&id).or_else(|| self.inboxes.get(&id)?.as_ref())
    }

    pub(super) fn inbox_mut(&mut self, id: InboxId) -> Lookup<Option<&mut InboxRow>> {
        self.inboxes.get_mut(&id).map(Option::as_mut).ok_or(Need::Inbox(id))
    }

    pub(super) fn subscription(&self, agent: InboxId, id: SubscriptionId) -> Lookup<Option<&Subscription>> {
        match self.subscriptions.get(&(agent, id)) {
            Some(known) => Ok(known.as_ref()),
            None if self.empty.contains(&agent) => Ok(None),
            None => Err(Need::Subscription(agent, id)),
        }
    }

    pub(super) fn channel(&self, agent: InboxId, channel: ChannelId) -> Lookup<Option<SubscriptionId>> {
        match self.channels.get(&(agent, channel)) {
            Some(known) => Ok(*known),
            None if self.empty.contains(&agent) => Ok(None),
            None => Err(Need::Channel(agent, channel)),
        }
    }

    pub(super) fn entry_at(&self, inbox: InboxId, position: Position) -> Lookup<Option<&EntryRow>> {
        match self.entries.get(&(inbox, position)) {
            Some(known) => Ok(known.as_ref()),
            None if self.is_complete(inbox) => Ok(None),
            None => Err(Need::Entry(inbox, position)),
        }
    }

    pub(super) fn entry(&self, entry: &EntryRef) -> Lookup<Option<&EntryRow>> {
        Ok(self.entry_at(entry.inbox, entry.position)?.filter(|row| row.message == entry.message))
    }

    /// Returns the newest message with a topic that has not expired at `now`.
    pub(super) fn outstanding(&self, key: TopicKey, now: Timestamp) -> Lookup<Option<EntryRef>> {
        let (inbox, subscription, topic) = key;
        if !self.is_complete(inbox) && !self.topics.contains(&key) {
            return Err(Need::Topic(key));
        }
        let is_it = |row: &EntryRow| {
            row.content.is_some_and(|message| {
                message.subscription == subscription && message.topic == Some(topic) && message.expires > now
            })
        };
        Ok(self.present(inbox).rev().find(|(_, row)| is_it(row)).map(|(position, row)| EntryRef {
            inbox,
            position,
            message: row.message,
        }))
    }

    /// Returns the entry that is dropped first from a full inbox.
    pub(super) fn victim(&self, inbox: InboxId) -> Lookup<Option<(Position, EntryRow)>> {
        let all = (inbox, (None, Position::START))..;
        let first = self.order.range(all).next().filter(|(of, _)| *of == inbox).map(|(_, order)| *order);
        let victims = self.victims.get(&inbox).copied();
        // Entries that are not known come after those that were loaded as victims.
        let is_first = victims.is_some_and(|(_, last)| first.is_some_and(|first| first <= last));
        if !is_first && !self.is_complete(inbox) {
            return Err(Need::Victims(inbox, victims.map_or(VICTIMS, |(known, _)| 4 * known)));
        }
        Ok(first.and_then(|(_, position)| {
            let row = self.entries.get(&(inbox, position)).copied().flatten()?;
            Some((position, row))
        }))
    }

    /// Returns all entries of an inbox in the order of acceptance.
    pub(super) fn all_entries(&self, inbox: InboxId) -> Lookup<Vec<(Position, EntryRow)>> {
        if !self.is_complete(inbox) {
            return Err(Need::Entries(inbox));
        }
        Ok(self.present(inbox).map(|(position, row)| (position, *row)).collect())
    }

    /// Returns true if an inbox has no rows in the database, apart from perhaps its own.
    pub(super) fn is_empty(&self, inbox: InboxId) -> bool {
        self.empty.contains(&inbox)
    }

    pub(super) fn is_complete(&self, inbox: InboxId) -> bool {
        self.complete.contains(&inbox) || self.empty.contains(&inbox)
    }

    fn range(&self, inbox: InboxId) -> impl DoubleEndedIterator<Item = (Position, &Option<EntryRow>)> {
        let all = (inbox, Position::START)..=(inbox, Position::END);
        self.entries.range(all).map(|((_, position), row)| (*position, row))
    }

    fn present(&self, inbox: InboxId) -> impl DoubleEndedIterator<Item = (Position, &EntryRow)> {
        self.range(inbox).filter_map(|(position, row)| Some((position, row.as_ref()?)))
    }

    pub(super) fn put_inbox(&mut self, row: InboxRow) {
        self.inboxes.insert(row.inbox.id, Some(row));
    }

    /// Removes an inbox with everything in it.
    pub(super) fn remove_inbox(&mut self, id: InboxId) {
        self.inboxes.insert(id, None);
        self.subscriptions.retain(|(agent, _), _| *agent != id);
        self.channels.retain(|(agent, _), _| *agent != id);
        let gone: Vec<_> = self.range(id).map(|(position, _)| (id, position)).collect();
        for (inbox, position) in gone {
            self.take_entry(inbox, position);
        }
        self.topics.retain(|(inbox, ..)| *inbox != id);
        self.victims.remove(&id);
        self.empty.insert(id);
    }

    pub(super) fn put_subscription(&mut self, subscription: Subscription) {
        let key = (subscription.agent, subscription.id);
        self.clear_channel(key);
        if let Some(channel) = subscription.channel() {
            self.channels.insert((key.0, channel), Some(key.1));
        }
        self.subscriptions.insert(key, Some(subscription));
    }

    pub(super) fn remove_subscription(&mut self, agent: InboxId, id: SubscriptionId) {
        self.clear_channel((agent, id));
        self.subscriptions.insert((agent, id), None);
    }

    fn clear_channel(&mut self, key: (InboxId, SubscriptionId)) {
        if let Some(Some(old)) = self.subscriptions.get(&key)
            && let Some(channel) = old.channel()
        {
            self.channels.insert((key.0, channel), None);
        }
    }

    pub(super) fn put_entry(&mut self, inbox: InboxId, position: Position, row: EntryRow) {
        self.entries.insert((inbox, position), Some(row));
        self.order.insert((inbox, row.drop_order(position)));
    }

    pub(super) fn remove_entry(&mut self, inbox: InboxId, position: Position) {
        self.take_entry(inbox, position);
        if !self.is_complete(inbox) {
            self.entries.insert((inbox, position), None);
        }
    }

    fn take_entry(&mut self, inbox: InboxId, position: Position) {
        if let Some(Some(row)) = self.entries.remove(&(inbox, position)) {
            self.order.remove(&(inbox, row.drop_order(position)));
        }
    }

    /// Returns the inboxes of receipts that known messages owe, as far as they are not known.
    pub(super) fn unknown_receipt_inboxes(&self) -> impl Iterator<Item = InboxId> {
        self.owed_receipts().filter(|inbox| !self.inboxes.contains_key(inbox))
    }

    /// Returns the inbox of each receipt that known messages owe.
    fn owed_receipts(&self) -> impl Iterator<Item = InboxId> {
        self.entries.values().filter_map(|row| row.as_ref()?.content?.receipt)
    }

    /// Returns true if an inbox is in another cell.
    pub(super) fn is_elsewhere(&self, inbox: InboxId) -> bool {
        self.elsewhere.contains(&inbox)
    }

    /// Returns those of `asked` that are not in the database.
    pub(super) fn absent(&self, asked: impl IntoIterator<Item = InboxId>) -> Vec<InboxId> {
        asked.into_iter().filter(|id| self.inboxes.get(id).is_none_or(Option::is_none)).collect()
    }

    /// Adds inboxes that are in another cell.
    pub(super) fn load_elsewhere(&mut self, inboxes: impl IntoIterator<Item = InboxId>) {
        self.elsewhere.extend(inboxes);
    }

    /// Adds the inboxes that were loaded; all others of `asked` do not exist.
    pub(super) fn load_inboxes(&mut self, asked: &[InboxId], rows: Vec<InboxRow>) {
        for id in asked {
            self.inboxes.entry(*id).or_insert(None);
            self.empty.insert(*id);
        }
        for row in rows {
            self.empty.remove(&row.inbox.id);
            if row.usage.entries == 0 {
                self.complete.insert(row.inbox.id);
            }
            self.put_inbox(row);
        }
    }

    /// Adds an inbox that was counted up for messages, as it was before.
    pub(super) fn load_counted(&mut self, before: InboxRow, messages: u64, bytes: u64) {
        let mut after = before.clone();
        after.last = Position::new(before.last.get() + messages);
        after.usage.entries += messages;
        after.usage.body_bytes += bytes;
        self.counted.insert(before.inbox.id, after);
        self.load_inboxes(&[], vec![before]);
    }

    /// Adds the subscriptions that were loaded; all others of `asked` do not exist.
    pub(super) fn load_subscriptions(
        &mut self,
        asked: &[(InboxId, SubscriptionId)],
        rows: Vec<Subscription>,
    ) {
        for key in asked {
            self.subscriptions.entry(*key).or_insert(None);
        }
        rows.into_iter().for_each(|row| self.put_subscription(row));
    }

    /// Adds the subscriptions of channels; the channels of `asked` without one are free.
    pub(super) fn load_channels(&mut self, asked: &[(InboxId, ChannelId)], rows: Vec<Subscription>) {
        for key in asked {
            self.channels.entry(*key).or_insert(None);
        }
        rows.into_iter().for_each(|row| self.put_subscription(row));
    }

    /// Adds the entries that were loaded; there are none at the other positions of `asked`.
    pub(super) fn load_entries(
        &mut self,
        asked: &[(InboxId, Position)],
        rows: Vec<(InboxId, Position, EntryRow)>,
    ) {
        for key in asked {
            self.entries.entry(*key).or_insert(None);
        }
        for (inbox, position, row) in rows {
            self.put_entry(inbox, position, row);
        }
    }

    pub(super) fn load_topics(&mut self, asked: &[TopicKey], rows: Vec<(InboxId, Position, EntryRow)>) {
        self.topics.extend(asked);
        self.load_entries(&[], rows);
    }

    /// Adds the first entries of an inbox in drop order. Fewer than `limit` are all.
    pub(super) fn load_victims(
        &mut self,
        inbox: InboxId,
        limit: usize,
        rows: Vec<(InboxId, Position, EntryRow)>,
    ) {
        if rows.len() < limit {
            self.complete.insert(inbox);
        }
        if let Some(last) = rows.iter().map(|(_, position, row)| row.drop_order(*position)).max() {
            self.victims.insert(inbox, (rows.len(), last));
        }
        self.load_entries(&[], rows);
    }

    pub(super) fn load_all_entries(&mut self, inbox: InboxId, rows: Vec<(InboxId, Position, EntryRow)>) {
        self.complete.insert(inbox);
        self.load_entries(&[], rows);
    }
}

/// Entries loaded at first when an inbox is full.
const VICTIMS: usize = 64;
