//! Finds what differs between two stores.
//!
//! The records of both are read in step, so that memory is bounded by the subscriptions of one inbox. Operations are
//! passed on in an order in which each can be applied: an inbox before its subscriptions, these before its entries, and
//! removals of subscriptions after the end of their messages, so that none of them owes a receipt. The receipts of the
//! source are records of their own.

mod reader;
#[cfg(test)]
mod tests;

use super::MigrationCounts;
use crate::archive::Counts;
use reader::{InboxSubscriptions, RecordReader};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use webpush_core::id::InboxId;
use webpush_core::inbox::Entry;
use webpush_core::message::Outcome;
use webpush_store::{InboxRecord, Op, Record};

/// Receives the operations that make the target equal to the source.
pub(super) trait Sink {
    /// Takes the next operation.
    fn apply(&mut self, op: Op) -> anyhow::Result<()>;

    /// Ends the operations of an inbox.
    fn end_inbox(&mut self) -> anyhow::Result<()>;

    /// Reports what was compared so far.
    fn report(&mut self, counts: &MigrationCounts);
}

/// Passes on the operations that make the target equal to the source.
///
/// # Errors
/// Fails with the first error of a stream or of the sink, or if a stream is not in the order of a snapshot.
pub(super) fn merge<S, T>(source: S, target: T, sink: &mut impl Sink) -> anyhow::Result<MigrationCounts>
where
    S: Iterator<Item = anyhow::Result<Record>>,
    T: Iterator<Item = anyhow::Result<Record>>,
{
    let (source, target) = (RecordReader::new(source)?, RecordReader::new(target)?);
    let floor = source.floor;
    let mut merge = Merge { source, target, sink, counts: MigrationCounts::default() };
    if merge.target.floor < floor {
        merge.sink.apply(Op::Restore(Record::Position(floor)))?;
    }
    while let Some(side) = Side::next(merge.source.inbox_id(), merge.target.inbox_id()) {
        match side {
            Side::Source => merge.copy_inbox()?,
            Side::Target => merge.remove_inbox()?,
            Side::Both => merge.compare_inboxes()?,
        }
        merge.sink.end_inbox()?;
    }
    Ok(merge.counts)
}

/// The streams that have the next record.
enum Side {
    Source,
    Target,
    Both,
}

impl Side {
    /// Compares the next keys; `None` if both streams have ended.
    fn next<K: Ord>(source: Option<K>, target: Option<K>) -> Option<Self> {
        Some(match (source, target) {
            (None, None) => return None,
            (Some(_), None) => Self::Source,
            (None, Some(_)) => Self::Target,
            (Some(source), Some(target)) => match source.cmp(&target) {
                Ordering::Less => Self::Source,
                Ordering::Greater => Self::Target,
                Ordering::Equal => Self::Both,
            },
        })
    }
}

struct Merge<'a, S, T, K> {
    source: RecordReader<S>,
    target: RecordReader<T>,
    sink: &'a mut K,
    counts: MigrationCounts,
}

impl<S, T, K> Merge<'_, S, T, K>
where
    S: Iterator<Item = anyhow::Result<Record>>,
    T: Iterator<Item = anyhow::Result<Record>>,
    K: Sink,
{
    fn copy_inbox(&mut self) -> anyhow::Result<()> {
        let Some(inbox) = self.source.take_inbox()? else { return Ok(()) };
        let subscriptions = self.source.take_subscriptions()?;
        self.copy_all(inbox, subscriptions)
    }

    fn copy_all(&mut self, inbox: InboxRecord, subscriptions: InboxSubscriptions) -> anyhow::Result<()> {
        self.sink.apply(Op::Restore(Record::Inbox(inbox)))?;
        self.counts.copied.inboxes += 1;
        for subscription in subscriptions.into_values() {
            self.sink.apply(Op::Restore(Record::Subscription(subscription)))?;
            self.counts.copied.subscriptions += 1;
        }
        while let Some(entry) = self.source.take_entry()? {
            self.copy_entry(entry)?;
        }
        self.sink.report(&self.counts);
        Ok(())
    }

    fn remove_inbox(&mut self) -> anyhow::Result<()> {
        let Some(inbox) = self.target.take_inbox()? else { return Ok(()) };
        let subscriptions = self.target.take_subscriptions()?;
        self.remove_all(inbox.inbox.id, &subscriptions)
    }

    fn remove_all(&mut self, inbox: InboxId, subscriptions: &InboxSubscriptions) -> anyhow::Result<()> {
        while let Some(entry) = self.target.take_entry()? {
            self.remove_entry(&entry)?;
        }
        self.sink.apply(Op::RemoveInbox(inbox))?;
        self.counts.removed.inboxes += 1;
        self.counts.removed.subscriptions += subscriptions.len() as u64;
        self.sink.report(&self.counts);
        Ok(())
    }

    fn compare_inboxes(&mut self) -> anyhow::Result<()> {
        let (Some(new), Some(old)) = (self.source.take_inbox()?, self.target.take_inbox()?) else {
            return Ok(());
        };
        let (after, before) = (self.source.take_subscriptions()?, self.target.take_subscriptions()?);
        if new.inbox.owner != old.inbox.owner || conflicts(&after, &before) {
            self.remove_all(old.inbox.id, &before)?;
            return self.copy_all(new, after);
        }
        self.compare_fields(&new, &old)?;
        self.compare_subscriptions(&after, &before)?;
        while let Some(side) = Side::next(self.source.entry_position(), self.target.entry_position()) {
            self.compare_entries(&side)?;
        }
        for id in before.keys().filter(|id| !after.contains_key(id)) {
            self.sink.apply(Op::Unsubscribe(old.inbox.id, *id))?;
            self.counts.removed.subscriptions += 1;
        }
        self.sink.report(&self.counts);
        Ok(())
    }

    fn compare_fields(&mut self, new: &InboxRecord, old: &InboxRecord) -> anyhow::Result<()> {
        let is_equal = new.inbox == old.inbox;
        if !is_equal {
            self.sink.apply(Op::CreateInbox(new.inbox.clone()))?;
        }
        let newer = new.monitored.filter(|hour| old.monitored < Some(*hour));
        if let Some(hour) = newer {
            self.sink.apply(Op::Touch(new.inbox.id, hour))?;
        }
        let counts = &mut self.counts;
        let kind = if is_equal && newer.is_none() { &mut counts.unchanged } else { &mut counts.copied };
        kind.inboxes += 1;
        Ok(())
    }

    /// Copies subscriptions that are new or have changed.
    fn compare_subscriptions(
        &mut self,
        after: &InboxSubscriptions,
        before: &InboxSubscriptions,
    ) -> anyhow::Result<()> {
        for subscription in after.values() {
            let op = match before.get(&subscription.id) {
                Some(old) if old == subscription => {
                    self.counts.unchanged.subscriptions += 1;
                    continue;
                }
                Some(_) => Op::Subscribe(subscription.clone()),
                None => Op::Restore(Record::Subscription(subscription.clone())),
            };
            self.sink.apply(op)?;
            self.counts.copied.subscriptions += 1;
        }
        Ok(())
    }

    fn compare_entries(&mut self, side: &Side) -> anyhow::Result<()> {
        let new = match side {
            Side::Source | Side::Both => self.source.take_entry()?,
            Side::Target => None,
        };
        let old = match side {
            Side::Target | Side::Both => self.target.take_entry()?,
            Side::Source => None,
        };
        match (new, old) {
            (Some(new), Some(old)) if new == old => {
                count(&mut self.counts.unchanged, &new);
                self.sink.report(&self.counts);
                Ok(())
            }
            (new, old) => {
                if let Some(old) = old {
                    self.remove_entry(&old)?;
                }
                new.map_or(Ok(()), |new| self.copy_entry(new))
            }
        }
    }

    fn copy_entry(&mut self, entry: Entry) -> anyhow::Result<()> {
        count(&mut self.counts.copied, &entry);
        self.sink.apply(Op::Restore(Record::Entry(entry)))?;
        self.sink.report(&self.counts);
        Ok(())
    }

    /// Ends an entry with the outcome that owes no receipt.
    fn remove_entry(&mut self, entry: &Entry) -> anyhow::Result<()> {
        count(&mut self.counts.removed, entry);
        self.sink.apply(Op::Settle(entry.entry_ref(), Outcome::Replaced))?;
        self.sink.report(&self.counts);
        Ok(())
    }
}

/// Returns true if a channel belongs to another subscription than before.
///
/// The former one would have to be removed first, and its messages before it. The inbox is then copied again as a whole.
fn conflicts(after: &InboxSubscriptions, before: &InboxSubscriptions) -> bool {
    let owners: BTreeMap<_, _> = before.values().filter_map(|old| Some((old.channel()?, old.id))).collect();
    after.values().any(|new| {
        let owner = new.channel().and_then(|channel| owners.get(&channel));
        owner.is_some_and(|owner| *owner != new.id)
    })
}

fn count(counts: &mut Counts, entry: &Entry) {
    match entry {
        Entry::Message(_) => counts.messages += 1,
        Entry::Receipt(_) => counts.receipts += 1,
    }
}
