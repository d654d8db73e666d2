//! The backlog: what waits for agents that are away.

use super::Admin;
use super::find::{looking, snapshot};
use super::refusal::Refusal;
use super::reply::{Reply, json};
use super::resources::Query;
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
    largest: Vec<Large>,
}

#[derive(Serialize)]
struct Large {
    agent: String,
    messages: u64,
    bytes: u64,
    oldest: Option<u64>,
}

/// Of one agent, by how much it has; the oldest is known when the next record has come.
type Candidate = (u64, u64, InboxId, Option<u64>);

/// `GET /admin/backlog`.
pub(super) async fn show(admin: &Arc<Admin>, query: Query) -> Result<Reply, Refusal> {
    let most = query.limit.unwrap_or(LARGEST);
    let backlog = looking(admin, move |admin| {
        let (mut backlog, mut largest) = (Backlog::default(), BinaryHeap::new());
        let mut present: Option<Candidate> = None;
        let detail = Detail { entries: Entries::First, ..Detail::INBOXES };
        for record in snapshot(&admin.service, &detail)? {
            match record? {
                Record::Inbox(InboxRecord { inbox, holds, .. }) => {
                    keep(&mut largest, present.take(), most);
                    match inbox.owner {
                        Owner::Receipts => backlog.receipts += holds.entries,
                        Owner::Agent if holds.entries > 0 => {
                            backlog.agents += 1;
                            backlog.messages += holds.entries;
                            backlog.bytes += holds.body_bytes;
                            present = Some((holds.entries, holds.body_bytes, inbox.id, None));
                        }
                        Owner::Agent => {}
                    }
                }
                Record::Entry(Entry::Message(message)) => {
                    let accepted = message.accepted.as_millis();
                    backlog.oldest = Some(backlog.oldest.map_or(accepted, |oldest| oldest.min(accepted)));
                    if let Some((_, _, _, oldest)) = &mut present {
                        *oldest = Some(accepted);
                    }
                }
                Record::Entry(Entry::Receipt(_)) | Record::Subscription(_) | Record::Position(_) => {}
            }
        }
        keep(&mut largest, present, most);
        let row = |Reverse((messages, bytes, inbox, oldest)): Reverse<Candidate>| Large {
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

fn keep(largest: &mut BinaryHeap<Reverse<Candidate>>, one: Option<Candidate>, most: usize) {
    largest.extend(one.map(Reverse));
    if largest.len() > most {
        largest.pop();
    }
}
