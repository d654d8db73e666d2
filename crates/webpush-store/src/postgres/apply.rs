//! The effect of a group of commits on loaded rows.
//!
//! A pure function: the same operations on the same rows have the same results, so it can be repeated after more rows were
//! loaded, and it is compared with the model in memory.

mod appending;
mod ending;
mod restoring;

use super::working_set::{InboxRow, Need, WorkingSet};
use crate::idle::{self, IdleClass};
use crate::{Applied, IdleCheck, InboxUsage, Notice, Op, Quota, RemovalResult, position};
use std::collections::{BTreeMap, BTreeSet};
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::receipt::Receipt;
use webpush_core::subscription::Subscription;

/// The changes of a group, and the result of each of its operations.
#[derive(Debug, Default)]
pub(super) struct GroupChanges {
    /// The rows after the group.
    pub(super) rows: WorkingSet,
    /// Inboxes whose row changed.
    pub(super) inboxes: BTreeSet<InboxId>,
    /// Inboxes of which everything stored before the group is removed.
    pub(super) cleared: BTreeSet<InboxId>,
    /// Subscriptions that changed.
    pub(super) subscriptions: BTreeSet<(InboxId, SubscriptionId)>,
    /// Entries to delete.
    pub(super) deleted: BTreeSet<(InboxId, Position)>,
    /// Entries to insert.
    pub(super) inserted: BTreeMap<(InboxId, Position), Entry>,
    /// Messages appended, by ID.
    pub(super) appended: BTreeMap<(InboxId, MessageId), Position>,
    /// Receipts for inboxes in other cells. They have no positions yet.
    pub(super) outgoing: Vec<Receipt>,
    /// The results, one list for each commit.
    pub(super) results: Vec<Vec<Applied>>,
    /// Notices to the sessions of other nodes.
    pub(super) notices: Vec<Notice>,
    /// Receipts dropped by the current operation.
    receipts_dropped: usize,
}

/// Applies the operations of each commit in order.
///
/// `appended` returns the position of a message that was appended before.
///
/// # Errors
/// Fails with the first row that is missing from `rows`.
pub(super) fn apply(
    rows: WorkingSet,
    quota: &Quota,
    commits: &[Vec<Op>],
    appended: &dyn Fn(InboxId, MessageId) -> Option<Position>,
) -> Result<GroupChanges, Need> {
    let mut applier =
        Applier { quota, earlier: appended, changes: GroupChanges { rows, ..GroupChanges::default() } };
    for ops in commits {
        let results = ops.iter().map(|op| applier.apply(op)).collect::<Result<Vec<_>, _>>()?;
        applier.changes.results.push(results);
    }
    applier.changes.add_notices();
    Ok(applier.changes)
}

struct Applier<'a> {
    quota: &'a Quota,
    earlier: &'a dyn Fn(InboxId, MessageId) -> Option<Position>,
    changes: GroupChanges,
}

impl Applier<'_> {
    fn apply(&mut self, op: &Op) -> Result<Applied, Need> {
        match op {
            Op::CreateInbox(inbox) => self.create_inbox(inbox),
            Op::Subscribe(subscription) => self.subscribe(subscription),
            Op::Append(draft) => self.append(draft),
            Op::Settle(entry, outcome) => self.settle(*entry, *outcome),
            Op::Unsubscribe(agent, id) => self.unsubscribe(*agent, *id),
            Op::RemoveInbox(id) => self.remove_inbox(*id),
            Op::Touch(id, time) => self.touch(*id, idle::hour(*time)),
            Op::RemoveIdle(id, check) => self.remove_idle(*id, check),
            Op::Restore(record) => self.restore(record),
        }
    }

    fn create_inbox(&mut self, inbox: &Inbox) -> Result<Applied, Need> {
        match self.rows().inbox_mut(inbox.id)? {
            Some(row) => row.inbox = inbox.clone(),
            None => self.insert_inbox(inbox, None),
        }
        self.changes.inboxes.insert(inbox.id);
        Ok(Applied::Created)
    }

    fn insert_inbox(&mut self, inbox: &Inbox, monitored: Option<u64>) {
        // An inbox with this ID may have been removed, and positions are assigned once.
        let last = self.changes.rows.removed;
        let row = InboxRow { inbox: inbox.clone(), last, usage: InboxUsage::default(), monitored };
        self.rows().put_inbox(row);
        self.changes.inboxes.insert(inbox.id);
    }

    fn subscribe(&mut self, subscription: &Subscription) -> Result<Applied, Need> {
        let (agent, id) = (subscription.agent, subscription.id);
        if !self.is_owned_by(agent, Owner::Agent)? {
            return Ok(Applied::Missing);
        }
        let exists = self.changes.rows.subscription(agent, id)?.is_some();
        let stored = self.changes.rows.inbox(agent)?.map_or(0, |row| row.usage.subscriptions);
        if stored.saturating_sub(u64::from(exists)) >= self.quota.subscriptions {
            return Ok(Applied::Refused);
        }
        if let Some(channel) = subscription.channel()
            && self.changes.rows.channel(agent, channel)?.is_some_and(|other| other != id)
        {
            return Ok(Applied::Taken);
        }
        self.insert_subscription(subscription, exists)?;
        Ok(Applied::Created)
    }

    fn insert_subscription(&mut self, subscription: &Subscription, exists: bool) -> Result<(), Need> {
        let key = (subscription.agent, subscription.id);
        if !exists && let Some(row) = self.rows().inbox_mut(key.0)? {
            row.usage.subscriptions += 1;
            self.changes.inboxes.insert(key.0);
        }
        self.rows().put_subscription(subscription.clone());
        self.changes.subscriptions.insert(key);
        Ok(())
    }

    fn unsubscribe(&mut self, agent: InboxId, id: SubscriptionId) -> Result<Applied, Need> {
        if self.changes.rows.inbox(agent)?.is_none() || self.changes.rows.subscription(agent, id)?.is_none() {
            return Ok(Applied::Missing);
        }
        let canceled = self.cancel(agent, Some(id))?;
        self.rows().remove_subscription(agent, id);
        if let Some(row) = self.rows().inbox_mut(agent)? {
            row.usage.subscriptions = row.usage.subscriptions.saturating_sub(1);
            self.changes.inboxes.insert(agent);
        }
        self.changes.subscriptions.insert((agent, id));
        Ok(canceled)
    }

    fn remove_inbox(&mut self, id: InboxId) -> Result<Applied, Need> {
        if self.changes.rows.inbox(id)?.is_none() {
            return Ok(Applied::Missing);
        }
        let canceled = self.cancel(id, None)?;
        let last = self.changes.rows.inbox(id)?.map_or(Position::START, |row| row.last);
        let rows = self.rows();
        rows.removed = rows.removed.max(last);
        if !rows.is_empty(id) {
            self.changes.cleared.insert(id);
        }
        self.rows().remove_inbox(id);
        let all = (id, Position::START)..=(id, Position::END);
        self.changes.inboxes.insert(id);
        self.changes.subscriptions.retain(|(agent, _)| *agent != id);
        self.changes.deleted.retain(|key| !all.contains(key));
        self.changes.inserted.retain(|key, _| !all.contains(key));
        Ok(canceled)
    }

    fn touch(&mut self, id: InboxId, hour: u64) -> Result<Applied, Need> {
        let Some(row) = self.rows().inbox_mut(id)? else { return Ok(Applied::Missing) };
        if row.monitored < Some(hour) {
            row.monitored = Some(hour);
            self.changes.inboxes.insert(id);
        }
        Ok(Applied::Touched)
    }

    fn remove_idle(&mut self, id: InboxId, check: &IdleCheck) -> Result<Applied, Need> {
        let Some(row) = self.changes.rows.inbox(id)? else { return Ok(Applied::Missing) };
        let class = IdleClass::new(row.inbox.owner, row.monitored.is_some(), row.usage.entries);
        let used = row.monitored.unwrap_or_else(|| idle::hour(row.inbox.created));
        if used < check.kept_from(class) { self.remove_inbox(id) } else { Ok(Applied::Missing) }
    }

    /// Ends the messages of a subscription, or all entries of an inbox.
    fn cancel(&mut self, inbox: InboxId, only: Option<SubscriptionId>) -> Result<Applied, Need> {
        let mut result = RemovalResult::new(inbox, only);
        for (position, row) in self.changes.rows.all_entries(inbox)? {
            let Some(message) = row.content else { continue };
            if only.is_none_or(|only| only == message.subscription) {
                result.messages += 1;
                result.receipts.extend(self.end(
                    inbox,
                    position,
                    row,
                    webpush_core::message::Outcome::Canceled,
                )?);
            }
        }
        result.receipts_dropped = std::mem::take(&mut self.changes.receipts_dropped);
        Ok(Applied::Removed(result))
    }

    fn is_owned_by(&self, inbox: InboxId, owner: Owner) -> Result<bool, Need> {
        Ok(self.changes.rows.inbox(inbox)?.is_some_and(|row| row.inbox.owner == owner))
    }

    /// Assigns the next position of an inbox.
    ///
    /// It follows the last one directly unless the floor was raised: sessions notice entries that they have missed.
    fn next_position(&mut self, inbox: InboxId) -> Result<Option<Position>, Need> {
        let floor = self.changes.rows.floor;
        let Some(row) = self.rows().inbox_mut(inbox)? else { return Ok(None) };
        row.last = position::next(row.last.max(floor));
        let last = row.last;
        self.changes.inboxes.insert(inbox);
        Ok(Some(last))
    }

    const fn rows(&mut self) -> &mut WorkingSet {
        &mut self.changes.rows
    }
}

impl GroupChanges {
    /// Returns true if positions were assigned, which clients may see before a lazy commit is durable.
    pub(super) fn assigns_positions(&self) -> bool {
        !self.appended.is_empty() || !self.inserted.is_empty()
    }

    /// For a group that was committed some time ago.
    pub(super) fn leave_messages_out_of_notices(&mut self) {
        let notices = std::mem::take(&mut self.notices);
        self.notices = notices.into_iter().map(Notice::without_message).collect();
        self.notices.dedup();
    }

    fn add_notices(&mut self) {
        self.notices.extend(self.inserted.values().map(Notice::of_stored));
        // They are in the order of their inboxes.
        self.notices.dedup();
        for applied in self.results.iter().flatten() {
            if let Applied::Removed(removed) = applied {
                self.notices.push(Notice::Removed(removed.inbox, removed.subscription));
            }
        }
    }
}
