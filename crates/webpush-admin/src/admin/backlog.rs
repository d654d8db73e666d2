//! The backlog: what waits for agents that are away.

use super::Admin;
use super::error::AdminError;
use super::find::{read_blocking, snapshot};
use super::query::Query;
use super::reply::{Reply, json};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use webpush_core::id::InboxId;
use webpush_core::inbox::{Entry, Owner};
use webpush_store::{Detail, Entries, InboxRecord, Record};

/// How many of the largest inboxes are shown unless that is asked for.
const LARGEST: usize = 10;

#[derive(Default, Serialize)]
struct Backlog {
    messages: u64,
    bytes: u64,
    /// Agents that something waits for.
    agents: u64,
    receipts: u64,
    /// When the oldest message was accepted, in milliseconds since 1970.
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

/// Of one agent, by how much it has; the oldest is known when the next record has come.
type Candidate = (u64, u64, InboxId, Option<u64>);

/// `GET /admin/backlog`.
pub(super) async fn show(admin: &Arc<Admin>, query: Query) -> Result<Reply, AdminError> {
    let max = query.limit.unwrap_or(LARGEST);
    let backlog = read_blocking(admin, move |admin| {
        let (mut backlog, mut largest) = (Backlog::default(), BinaryHeap::new());
        let mut current: Option<Candidate> = None;
        let detail = Detail { entries: Entries::First, ..Detail::INBOXES };
        for record in snapshot(&admin.service, &detail)? {
            match record? {
                Record::Inbox(InboxRecord { inbox, holds, .. }) => {
                    keep(&mut largest, current.take(), max);
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
        keep(&mut largest, current, max);
        let row = |Reverse((messages, bytes, inbox, oldest)): Reverse<Candidate>| LargestInbox {
            agent: admin.service.pseudonyms.inbox(inbox).to_string(),
            messages,
            bytes,
            oldest,
        };
        backlog.largest = largest.into_sorted_vec().into_iter().map(row).collect();
        Ok(backlog)
    });
    json(&backlog.await?)
}

fn keep(largest: &mut BinaryHeap<Reverse<Candidate>>, one: Option<Candidate>, max: usize) {
    largest.extend(one.map(Reverse));
    if largest.len() > max {
        largest.pop();
    }
}
