//! The backlog: stored messages that agents have not acknowledged, and the largest inboxes.
//!
//! This reads all inboxes; [`largest`] is for pages that are polled.

pub(super) mod largest;

use super::Admin;
use super::error::AdminError;
use super::query::Query;
use super::reply::{Reply, json};
use super::snapshots::{read_blocking, snapshot};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use webpush_core::id::InboxId;
use webpush_core::inbox::{Entry, Owner};
use webpush_store::{Detail, Entries, InboxRecord, Record};

/// Number of largest inboxes unless the query has a limit.
const LARGEST: usize = 10;

#[derive(Default, Serialize)]
struct Backlog {
    messages: u64,
    bytes: u64,
    /// Agents with messages.
    agents: u64,
    receipts: u64,
    /// Acceptance time of the oldest message, in milliseconds since 1970.
    oldest: Option<u64>,
    largest: Vec<LargestInbox>,
}

#[derive(Serialize)]
struct LargestInbox {
    agent: String,
    messages: u64,
    bytes: u64,
    oldest: Option<u64>,
}

/// Messages, bytes, agent and acceptance time of the oldest message, which the next record has.
type Candidate = (u64, u64, InboxId, Option<u64>);

/// Serves `GET /admin/backlog`.
pub(super) async fn show(admin: &Arc<Admin>, query: Query) -> Result<Reply, AdminError> {
    let max = query.limit.unwrap_or(LARGEST);
    let backlog = read_blocking(admin, move |admin| {
        let (mut backlog, mut largest) = (Backlog::default(), BinaryHeap::new());
        let mut current: Option<Candidate> = None;
        let detail = Detail { entries: Entries::First, ..Detail::INBOXES };
        for record in snapshot(&admin.service, &detail)? {
            match record? {
                Record::Inbox(InboxRecord { inbox, holds, .. }) => {
                    push_bounded(&mut largest, current.take(), max);
                    match inbox.owner {
                        Owner::Receipts => backlog.receipts += holds.entries,
                        Owner::Agent if holds.entries > 0 => {
                            backlog.agents += 1;
                            backlog.messages += holds.entries;
                            backlog.bytes += holds.body_bytes;
                            current = Some((holds.entries, holds.body_bytes, inbox.id, None));
                        }
                        Owner::Agent => {}
                    }
                }
                Record::Entry(Entry::Message(message)) => {
                    let accepted = message.accepted.as_millis();
                    backlog.oldest = Some(backlog.oldest.map_or(accepted, |oldest| oldest.min(accepted)));
                    if let Some((_, _, _, oldest)) = &mut current {
                        *oldest = Some(accepted);
                    }
                }
                Record::Entry(Entry::Receipt(_)) | Record::Subscription(_) | Record::Position(_) => {}
            }
        }
        push_bounded(&mut largest, current, max);
        let row = |Reverse((messages, bytes, inbox, oldest)): Reverse<Candidate>| LargestInbox {
            agent: admin.service.log_ids.inbox(inbox).to_string(),
            messages,
            bytes,
            oldest,
        };
        backlog.largest = largest.into_sorted_vec().into_iter().map(row).collect();
        Ok(backlog)
    });
    json(&backlog.await?)
}

/// Adds a candidate, and removes the smallest if there are more than `max`.
fn push_bounded<T: Ord>(largest: &mut BinaryHeap<Reverse<T>>, candidate: Option<T>, max: usize) {
    largest.extend(candidate.map(Reverse));
    if largest.len() > max {
        largest.pop();
    }
}
