//! Lists, counts, shows and revokes agents.
//!
//! Responses have log IDs instead of URLs, so their readers can neither send to an agent nor receive as it.

use super::Admin;
use super::error::AdminError;
use super::find::{NO_AGENT, agent, inbox_id};
use super::query::{MAX_LIMIT, Query};
use super::removal::RemovalCounts;
use super::reply::{Reply, json};
use super::snapshots::{predecessor, read_blocking, snapshot};
use super::subscriptions::SubscriptionRow;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use webpush_core::id::InboxId;
use webpush_core::inbox::Owner;
use webpush_core::time::Timestamp;
use webpush_service::service::Service;
use webpush_store::{Detail, Entries, InboxRecord, Record};

/// One agent in a list. Times are milliseconds since 1970.
#[derive(Serialize)]
struct AgentRow {
    agent: String,
    created: u64,
    /// Hour in which it last began to listen, if it ever did.
    listened: Option<u64>,
    listening: bool,
    subscriptions: u64,
    messages: u64,
    bytes: u64,
}

/// One page of agents, in the order of their IDs.
#[derive(Serialize)]
pub(super) struct AgentPage {
    agents: Vec<AgentRow>,
    /// The log ID of the last row, if more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Default, Serialize)]
struct AgentCounts {
    agents: u64,
    listening: u64,
    subscriptions: u64,
    by_protocol: BTreeMap<&'static str, u64>,
    receipt_subscriptions: u64,
}

/// Serves `GET /admin/agents`.
pub(super) async fn list(admin: &Arc<Admin>, query: Query) -> Result<Reply, AdminError> {
    let after = query.after.as_deref().map(|after| inbox_id(&admin.service, after)).transpose()?;
    let page = read_blocking(admin, move |admin| page(&admin.service, after, query.limit()));
    json(&page.await?)
}

/// Reads the page after an inbox, which may have been removed. Blocks.
pub(super) fn page(service: &Service, after: Option<InboxId>, limit: usize) -> Result<AgentPage, AdminError> {
    let mut page = AgentPage { agents: Vec::new(), next: None };
    for record in snapshot(service, &Detail { after, ..Detail::INBOXES })? {
        match record? {
            Record::Inbox(record) if record.inbox.owner == Owner::Agent => {
                if page.agents.len() == limit {
                    page.next = page.agents.last().map(|last| last.agent.clone());
                    break;
                }
                page.agents.push(row(service, &record));
            }
            Record::Inbox(_) | Record::Position(_) | Record::Subscription(_) | Record::Entry(_) => {}
        }
    }
    Ok(page)
}

/// Serves `GET /admin/agents/count`.
pub(super) async fn count(admin: &Arc<Admin>) -> Result<Reply, AdminError> {
    let counts = read_blocking(admin, |admin| {
        let mut counts = AgentCounts::default();
        let detail = Detail { after: None, subscriptions: true, entries: Entries::None };
        for record in snapshot(&admin.service, &detail)? {
            match record? {
                Record::Inbox(record) if record.inbox.owner == Owner::Agent => {
                    counts.agents += 1;
                    counts.listening += u64::from(admin.service.registry.has_session(record.inbox.id));
                }
                Record::Inbox(_) => counts.receipt_subscriptions += 1,
                Record::Subscription(subscription) => {
                    counts.subscriptions += 1;
                    *counts.by_protocol.entry(subscription.protocol.kind().as_str()).or_default() += 1;
                }
                Record::Position(_) | Record::Entry(_) => {}
            }
        }
        Ok(counts)
    });
    json(&counts.await?)
}

/// Serves `GET /admin/agents/ID`: the agent with up to [`MAX_LIMIT`] subscriptions.
pub(super) async fn show(admin: &Arc<Admin>, log_id: &str) -> Result<Reply, AdminError> {
    let id = agent(&admin.service, log_id).await?;
    let shown = read_blocking(admin, move |admin| {
        let (mut agent, mut rows) = (None, Vec::new());
        let detail = Detail { after: predecessor(id), subscriptions: true, entries: Entries::None };
        for record in snapshot(&admin.service, &detail)? {
            match record? {
                Record::Inbox(record) if record.inbox.id == id => agent = Some(row(&admin.service, &record)),
                Record::Subscription(subscription) if rows.len() < MAX_LIMIT => {
                    rows.push(SubscriptionRow::new(&admin.service, &subscription));
                }
                // The next inbox, or more subscriptions than are listed.
                Record::Inbox(_) | Record::Subscription(_) => break,
                Record::Position(_) | Record::Entry(_) => {}
            }
        }
        let mut shown = serde_json::to_value(agent.ok_or(NO_AGENT)?).map_err(|_| AdminError::Internal)?;
        shown["list"] = serde_json::to_value(rows).map_err(|_| AdminError::Internal)?;
        Ok(shown)
    });
    json(&shown.await?)
}

/// Serves `DELETE /admin/agents/ID`: as if the agent had deleted itself (RFC 8030 §7.3.1).
pub(super) async fn revoke(admin: &Arc<Admin>, log_id: &str) -> Result<Reply, AdminError> {
    let id = agent(&admin.service, log_id).await?;
    let removed = admin.service.remove_inbox(id).await?.ok_or(NO_AGENT)?;
    json(&RemovalCounts::from(&removed))
}

fn row(service: &Service, record: &InboxRecord) -> AgentRow {
    let InboxRecord { inbox, monitored, holds } = record;
    AgentRow {
        agent: service.log_ids.inbox(inbox.id).to_string(),
        created: inbox.created.as_millis(),
        listened: monitored.map(Timestamp::as_millis),
        listening: service.registry.has_session(inbox.id),
        subscriptions: holds.subscriptions,
        messages: holds.entries,
        bytes: holds.body_bytes,
    }
}
