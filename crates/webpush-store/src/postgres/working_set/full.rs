//! Inboxes that a group makes too large.

use super::{VICTIMS, WorkingSet};
use crate::{Op, Quota};
use std::collections::{BTreeMap, HashMap};
use webpush_core::id::InboxId;
use webpush_core::inbox::Owner;

impl WorkingSet {
    /// Returns the inboxes that operations make too large, and how many entries to load for each.
    ///
    /// Those whose victims are known are left out.
    pub(in crate::postgres) fn full_inboxes(
        &self,
        quota: &Quota,
        commits: &[Vec<Op>],
    ) -> BTreeMap<InboxId, usize> {
        let mut growth: HashMap<InboxId, (u64, u64)> = HashMap::new();
        let mut grow = |inbox, bytes: u64| {
            let (entries, body_bytes) = growth.entry(inbox).or_default();
            (*entries, *body_bytes) = (*entries + 1, *body_bytes + bytes);
        };
        for op in commits.iter().flatten() {
            match op {
                Op::Append(draft) => grow(draft.agent, draft.body.len() as u64),
                Op::CreateInbox(_)
                | Op::Subscribe(_)
                | Op::Settle(..)
                | Op::Unsubscribe(..)
                | Op::RemoveInbox(_)
                | Op::Touch(..)
                | Op::RemoveIdle(..)
                | Op::Restore(_) => {}
            }
        }
        self.owed_receipts().for_each(|inbox| grow(inbox, 0));
        growth
            .into_iter()
            .filter(|(inbox, _)| !self.is_complete(*inbox) && !self.victims.contains_key(inbox))
            .filter_map(|(inbox, (entries, body_bytes))| {
                let row = self.inboxes.get(&inbox)?.as_ref()?;
                let most = match row.inbox.owner {
                    Owner::Agent => quota.messages,
                    Owner::Receipts => quota.receipts,
                };
                let excess = (row.usage.entries + entries).saturating_sub(most);
                let is_too_large =
                    row.inbox.owner == Owner::Agent && row.usage.body_bytes + body_bytes > quota.body_bytes;
                let limit = usize::try_from(excess).unwrap_or(usize::MAX);
                let limit = if is_too_large { limit.max(VICTIMS) } else { limit };
                (limit > 0).then_some((inbox, limit))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InboxUsage;
    use crate::postgres::apply::apply;
    use crate::postgres::working_set::{EntryRow, InboxRow, MessageRow, Need};
    use webpush_core::capability::KeyId;
    use webpush_core::encoding::Encoding;
    use webpush_core::id::{MessageId, Position, SubscriptionId};
    use webpush_core::inbox::Inbox;
    use webpush_core::message::Draft;
    use webpush_core::subscription::{Protocol, Subscription};
    use webpush_core::time::Timestamp;
    use webpush_core::urgency::Urgency;

    const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
    const QUOTA: Quota = Quota { messages: 100, body_bytes: 10_000, receipts: 100, subscriptions: 1 };
    const TIME: Timestamp = Timestamp::from_millis(1);
    const KEY: KeyId = KeyId(1);

    const fn id(kind: u8, number: u8) -> InboxId {
        InboxId::from_bytes([kind, number, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    }

    fn inbox(kind: u8, number: u8, owner: Owner, entries: u64, body_bytes: u64) -> InboxRow {
        let inbox = Inbox { id: id(kind, number), owner, created: TIME, key: KEY };
        let usage = InboxUsage { entries, body_bytes, subscriptions: 1 };
        InboxRow { inbox, last: Position::new(1000), usage, monitored: None }
    }

    /// Messages whose receipts go to another inbox each.
    fn victims(number: u8, limit: usize) -> Vec<(InboxId, Position, EntryRow)> {
        let row = |index: u8| {
            let content = MessageRow {
                subscription: SUBSCRIPTION,
                accepted: TIME,
                expires: TIME,
                urgency: Urgency::Normal,
                topic: None,
                receipt: Some(id(1, number)),
                key: KEY,
                body_bytes: 100,
            };
            let row = EntryRow { message: MessageId::from_bytes([index; 16]), content: Some(content) };
            (id(0, number), Position::new(u64::from(index) + 1), row)
        };
        (0..100).map(row).take(limit).collect()
    }

    fn append(number: u8) -> Vec<Op> {
        vec![Op::Append(Draft {
            id: MessageId::from_bytes([200; 16]),
            agent: id(0, number),
            subscription: SUBSCRIPTION,
            accepted: TIME,
            expires: TIME,
            urgency: Urgency::Normal,
            topic: None,
            encoding: Encoding::default(),
            key: KEY,
            receipt: None,
            body: vec![0; 150].into(),
        })]
    }

    #[test]
    fn rows_of_all_full_inboxes_are_loaded_together() {
        let mut set = WorkingSet::default();
        // One has room; one has too many messages, and the others too many bytes.
        let sizes = [(1, 0), (100, 0), (100, 10_000), (50, 9_900), (90, 9_999)];
        let mut commits = Vec::new();
        for (number, (entries, bytes)) in (0..).zip(sizes) {
            let protocol = Protocol::Rfc8030;
            let (agent, created) = (id(0, number), TIME);
            let subscription =
                Subscription { agent, id: SUBSCRIPTION, created, key: KEY, sender: None, protocol };
            set.load_inboxes(&[], vec![inbox(0, number, Owner::Agent, entries, bytes)]);
            set.load_subscriptions(&[], vec![subscription]);
            commits.push(append(number));
        }
        let mut loads = Vec::new();
        let changes = loop {
            match apply(set.clone(), &QUOTA, &commits, &|_, _| None) {
                Ok(changes) => break changes,
                Err(Need::Victims(asked, _)) => {
                    let full = set.full_inboxes(&QUOTA, &commits);
                    assert!(full.contains_key(&asked));
                    loads.push(full.len());
                    for (inbox, limit) in full {
                        let [kind, number, ..] = *inbox.as_bytes();
                        let rows = if kind == 0 { victims(number, limit) } else { Vec::new() };
                        set.load_victims(inbox, limit, rows);
                    }
                }
                Err(Need::Inbox(_)) => {
                    let owed: Vec<_> = set.unknown_receipt_inboxes().collect();
                    let rows =
                        owed.iter().map(|inbox| self::inbox(1, inbox.as_bytes()[1], Owner::Receipts, 100, 0));
                    set.load_inboxes(&[], rows.collect());
                }
                Err(other) => unreachable!("everything else is known: {other:?}"),
            }
        };
        // The messages of four inboxes, then their receipts.
        assert_eq!(loads, [4, 4]);
        // The sizes decide how many are dropped: two of 100 bytes for one of 150.
        let dropped = |number| changes.deleted.iter().filter(|(inbox, _)| *inbox == id(0, number)).count();
        assert_eq!((0..5).map(dropped).collect::<Vec<_>>(), [0, 1, 2, 1, 2]);
    }
}
