//! Reads the records of a store inbox by inbox, and checks their order.

use anyhow::bail;
use std::collections::BTreeMap;
use webpush_core::id::{InboxId, Position, SubscriptionId};
use webpush_core::inbox::Entry;
use webpush_core::subscription::Subscription;
use webpush_store::{InboxRecord, Record};

const DISORDER: &str = "its records are not in the order of a backup";

/// Records with one record of lookahead.
///
/// For each inbox call [`take_inbox`](Self::take_inbox), then [`take_subscriptions`](Self::take_subscriptions), then
/// [`take_entry`](Self::take_entry) until there is none.
pub(super) struct RecordReader<I> {
    records: I,
    next: Option<Record>,
    /// The inbox to which `next` belongs.
    inbox: Option<InboxId>,
    /// The last entry of that inbox.
    last: Option<Position>,
    /// No position up to this one is assigned again.
    pub(super) floor: Position,
}

/// The subscriptions of one inbox, of which there are at most as its quota allows.
pub(super) type InboxSubscriptions = BTreeMap<SubscriptionId, Subscription>;

impl<I: Iterator<Item = anyhow::Result<Record>>> RecordReader<I> {
    pub(super) fn new(mut records: I) -> anyhow::Result<Self> {
        let Some(Record::Position(floor)) = records.next().transpose()? else { bail!(DISORDER) };
        let mut reader = Self { records, next: None, inbox: None, last: None, floor };
        reader.advance()?;
        Ok(reader)
    }

    /// Returns the ID of the next inbox.
    pub(super) fn inbox_id(&self) -> Option<InboxId> {
        match &self.next {
            Some(Record::Inbox(record)) => Some(record.inbox.id),
            _ => None,
        }
    }

    pub(super) fn take_inbox(&mut self) -> anyhow::Result<Option<InboxRecord>> {
        let Some(Record::Inbox(record)) = &self.next else { return Ok(None) };
        let record = record.clone();
        self.advance()?;
        Ok(Some(record))
    }

    pub(super) fn take_subscriptions(&mut self) -> anyhow::Result<InboxSubscriptions> {
        let mut all = InboxSubscriptions::new();
        while let Some(Record::Subscription(subscription)) = &self.next {
            all.insert(subscription.id, subscription.clone());
            self.advance()?;
        }
        Ok(all)
    }

    /// Returns the position of the next entry of this inbox.
    pub(super) fn entry_position(&self) -> Option<Position> {
        match &self.next {
            Some(Record::Entry(entry)) => Some(entry.position()),
            _ => None,
        }
    }

    pub(super) fn take_entry(&mut self) -> anyhow::Result<Option<Entry>> {
        let Some(Record::Entry(entry)) = &self.next else { return Ok(None) };
        let entry = entry.clone();
        self.advance()?;
        Ok(Some(entry))
    }

    fn advance(&mut self) -> anyhow::Result<()> {
        let has_entries = self.last.is_some();
        self.next = self.records.next().transpose()?;
        let follows = match &self.next {
            None => true,
            Some(Record::Position(_)) => false,
            Some(Record::Inbox(record)) => {
                let before = self.inbox.replace(record.inbox.id);
                self.last = None;
                before < self.inbox
            }
            Some(Record::Subscription(subscription)) => {
                self.inbox == Some(subscription.agent) && !has_entries
            }
            Some(Record::Entry(entry)) => {
                let before = self.last.replace(entry.position());
                self.inbox == Some(entry.entry_ref().inbox) && before < self.last
            }
        };
        if !follows {
            bail!(DISORDER);
        }
        Ok(())
    }
}
