//! The agents with the most stored messages, found in steps, so that no request reads the whole store.
//!
//! The store has no index by size. Each request reads the next [`STEP`] inboxes of a pass through all of them, and
//! keeps the largest. The list joins what the present pass has read with what the last one found beyond.

use crate::admin::Admin;
use crate::admin::error::AdminError;
use crate::admin::query::Query;
use crate::admin::reply::{Reply, json};
use crate::admin::snapshots::{read_blocking, snapshot};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use webpush_core::id::InboxId;
use webpush_core::inbox::Owner;
use webpush_core::time::Timestamp;
use webpush_service::service::Service;
use webpush_store::{Detail, Record, StoreError};

/// Maximum number of inboxes that one request reads.
const STEP: usize = 50_000;
/// Number of agents that are kept, and the maximum number in a response.
const MAX_KEPT: usize = 100;
/// Number of agents in a response unless the query has a limit.
const DEFAULT_LIMIT: usize = 10;
/// A scan that was not continued for this long begins anew, because its counts are old.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Messages, their bytes, and the agent, ordered by size.
type Backlog = (u64, u64, InboxId);

/// The state of the scan between requests.
#[derive(Default)]
pub(in crate::admin) struct LargestBacklogs(Mutex<Scan>);

#[derive(Default)]
struct Scan {
    last_step: Timestamp,
    pass: Option<Pass>,
    /// The beginning of the last whole pass, and the agents that it found, the largest first.
    complete: Option<(Timestamp, Vec<Backlog>)>,
}

/// A pass through all inboxes, in the order of their IDs.
struct Pass {
    began: Timestamp,
    after: Option<InboxId>,
    inboxes: u64,
    largest: BinaryHeap<Reverse<Backlog>>,
}

#[derive(Serialize)]
struct Answer {
    agents: Vec<Row>,
    /// True if every inbox was read.
    complete: bool,
    /// Time of the server, in milliseconds since 1970.
    now: u64,
    /// No count is older than this.
    as_of: u64,
    /// Number of inboxes that the present pass has read.
    inboxes_read: u64,
}

#[derive(Serialize)]
struct Row {
    agent: String,
    messages: u64,
    bytes: u64,
    listening: bool,
}

/// Serves `GET /admin/backlog/largest`.
pub(in crate::admin) async fn show(admin: &Arc<Admin>, query: Query) -> Result<Reply, AdminError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let answer = read_blocking(admin, move |admin| {
        let service = &admin.service;
        // A panic leaves a pass whose rows are not counted; the next one counts them.
        let mut scan = admin.largest_backlogs.0.lock().unwrap_or_else(PoisonError::into_inner);
        let detail = Detail { after: scan.next_after(service.now()), ..Detail::INBOXES };
        scan.step(snapshot(service, &detail)?, STEP)?;
        Ok(scan.answer(service, limit))
    });
    json(&answer.await?)
}

impl Scan {
    /// Begins a pass if none is in progress. Returns the inbox after which to read.
    fn next_after(&mut self, now: Timestamp) -> Option<InboxId> {
        if now > self.last_step.after(MAX_PAUSE) {
            *self = Self::default();
        }
        self.last_step = now;
        let pass = self.pass.get_or_insert_with(|| Pass {
            began: now,
            after: None,
            inboxes: 0,
            largest: BinaryHeap::new(),
        });
        pass.after
    }

    /// Reads at most `max` inboxes, and completes the pass if there are no more.
    fn step(
        &mut self,
        records: impl Iterator<Item = Result<Record, StoreError>>,
        max: usize,
    ) -> Result<(), StoreError> {
        let Some(pass) = &mut self.pass else { return Ok(()) };
        let mut read = 0;
        for record in records {
            let Record::Inbox(record) = record? else { continue };
            if record.inbox.owner == Owner::Agent && record.holds.entries > 0 {
                let backlog = (record.holds.entries, record.holds.body_bytes, record.inbox.id);
                super::push_bounded(&mut pass.largest, Some(backlog), MAX_KEPT);
            }
            pass.after = Some(record.inbox.id);
            pass.inboxes += 1;
            read += 1;
            if read == max {
                return Ok(());
            }
        }
        if let Some(Pass { began, largest, .. }) = self.pass.take() {
            let largest = largest.into_sorted_vec().into_iter().map(|Reverse(backlog)| backlog);
            self.complete = Some((began, largest.collect()));
        }
        Ok(())
    }

    /// Returns what is known, the largest first.
    fn largest(&self) -> Vec<Backlog> {
        let read = self.pass.iter().flat_map(|pass| pass.largest.iter().map(|Reverse(backlog)| *backlog));
        let after = self.pass.as_ref().and_then(|pass| pass.after);
        let before = self.complete.iter().flat_map(|(_, largest)| largest.iter().copied());
        let before = before.filter(|(_, _, agent)| after.is_none_or(|after| *agent > after));
        let mut all: Vec<_> = read.chain(before).collect();
        all.sort_unstable_by_key(|backlog| Reverse(*backlog));
        all
    }

    fn answer(&self, service: &Service, limit: usize) -> Answer {
        let row = |(messages, bytes, agent): Backlog| Row {
            agent: service.log_ids.inbox(agent).to_string(),
            messages,
            bytes,
            listening: service.registry.has_session(agent),
        };
        let began = self.complete.as_ref().map(|(began, _)| *began);
        let as_of = began.or_else(|| self.pass.as_ref().map(|pass| pass.began)).unwrap_or(self.last_step);
        Answer {
            agents: self.largest().into_iter().take(limit.min(MAX_KEPT)).map(row).collect(),
            complete: self.complete.is_some(),
            now: service.now().as_millis(),
            as_of: as_of.as_millis(),
            inboxes_read: self.pass.as_ref().map_or(0, |pass| pass.inboxes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::capability::KeyId;
    use webpush_core::inbox::Inbox;
    use webpush_store::{InboxRecord, InboxUsage};

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn id(number: u128) -> InboxId {
        InboxId::from_bytes(number.to_be_bytes())
    }

    /// Reads two inboxes of a store in which the inboxes 1, 2, … have `sizes` entries.
    fn step(scan: &mut Scan, sizes: &[u64], owner: Owner, now: Timestamp) {
        let after = scan.next_after(now);
        let records = sizes.iter().zip(1..).map(|(entries, number)| InboxRecord {
            inbox: Inbox { id: id(number), owner, created: START, key: KeyId(1) },
            monitored: None,
            holds: InboxUsage { entries: *entries, body_bytes: entries * 10, subscriptions: 1 },
        });
        let records = records.filter(|record| after.is_none_or(|after| record.inbox.id > after));
        scan.step(records.map(|record| Ok(Record::Inbox(record))), 2).unwrap();
    }

    fn found(scan: &Scan) -> Vec<(u64, InboxId)> {
        scan.largest().into_iter().map(|(messages, _, agent)| (messages, agent)).collect()
    }

    #[test]
    fn a_pass_goes_on_where_the_last_request_stopped() {
        let mut scan = Scan::default();
        step(&mut scan, &[1, 0, 7], Owner::Agent, START);
        assert_eq!((found(&scan), scan.complete.is_none()), (vec![(1, id(1))], true));
        step(&mut scan, &[1, 0, 7], Owner::Agent, START);
        assert_eq!(found(&scan), [(7, id(3)), (1, id(1))]);
        assert!(scan.complete.is_some() && scan.pass.is_none());
        // Of the next pass, what was read replaces what the last one found there.
        step(&mut scan, &[0, 9, 0], Owner::Agent, START);
        assert_eq!(found(&scan), [(9, id(2)), (7, id(3))]);
        step(&mut scan, &[0, 9, 0], Owner::Agent, START);
        assert_eq!(found(&scan), [(9, id(2))]);
    }

    #[test]
    fn an_old_scan_begins_anew() {
        let mut scan = Scan::default();
        step(&mut scan, &[5], Owner::Agent, START);
        assert!(scan.complete.is_some());
        step(&mut scan, &[1, 2, 3], Owner::Agent, START.after(MAX_PAUSE + Duration::from_millis(1)));
        assert_eq!((found(&scan), scan.complete.is_none()), (vec![(2, id(2)), (1, id(1))], true));
    }

    #[test]
    fn a_bounded_number_of_agents_is_kept_and_no_inboxes_of_receipts() {
        let (mut scan, sizes) = (Scan::default(), (1..=250).collect::<Vec<_>>());
        while scan.complete.is_none() {
            step(&mut scan, &sizes, Owner::Agent, START);
        }
        let found = found(&scan);
        assert_eq!((found.len(), found[0], found[MAX_KEPT - 1].0), (MAX_KEPT, (250, id(250)), 151));
        let mut scan = Scan::default();
        step(&mut scan, &[5], Owner::Receipts, START);
        assert!(scan.largest().is_empty() && scan.complete.is_some());
    }
}
