//! Agents: how many, which, and removing one. What is shown lets nobody send to one or receive as it.

use super::Admin;
use super::find::{NO_AGENT, agent, agents, looking, snapshot, subscriptions};
use super::refusal::Refusal;
use super::reply::{Reply, json};
use super::resources::{MOST_LISTED, Query};
use super::subscriptions::SubscriptionRow;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use webpush_core::inbox::Owner;
use webpush_core::time::Timestamp;
use webpush_store::{Applied, Detail, Durability, Entries, InboxRecord, Op, Record, Removed};

/// One agent in a list. Times are milliseconds since 1970.
#[derive(Serialize)]
struct AgentRow {
    agent: String,
    created: u64,
    /// The beginning of the hour in which it last began to listen, if it ever did.
    listened: Option<u64>,
    listening: bool,
    subscriptions: u64,
    messages: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Page {
    agents: Vec<AgentRow>,
    /// To ask for what comes then.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Default, Serialize)]
struct Counted {
    agents: u64,
    listening: u64,
    subscriptions: u64,
    by_protocol: BTreeMap<&'static str, u64>,
    receipt_subscriptions: u64,
}

/// What came of a removal.
#[derive(Serialize)]
pub(super) struct Revoked {
    pub(super) messages: usize,
    pub(super) receipts: usize,
}

/// `GET /admin/agents`.
pub(super) async fn list(admin: &Arc<Admin>, query: Query) -> Result<Reply, Refusal> {
    let page = looking(admin, move |admin| {
        let mut page = Page { agents: Vec::new(), next: None };
        let mut is_after = query.after.is_none();
        for kept in agents(admin, Detail::INBOXES)? {
            let kept = kept?;
            if !is_after {
                is_after = query.after.as_deref()
                    == Some(&*admin.service.pseudonyms.inbox(kept.inbox.id).to_string());
            } else if page.agents.len() == query.limit() {
                page.next = page.agents.last().map(|last| last.agent.clone());
                break;
            } else {
                page.agents.push(row(admin, &kept));
            }
        }
        if is_after { Ok(page) } else { Err(NO_AGENT) }
    });
    json(&page.await?)
}

/// `GET /admin/agents/count`.
pub(super) async fn count(admin: &Arc<Admin>) -> Result<Reply, Refusal> {
    let counted = looking(admin, |admin| {
        let mut counted = Counted::default();
        let detail = Detail { after: None, subscriptions: true, entries: Entries::None };
        for record in snapshot(admin, &detail)? {
            match record? {
                Record::Inbox(kept) if kept.inbox.owner == Owner::Agent => {
                    counted.agents += 1;
                    counted.listening += u64::from(admin.service.registry.is_listened_to(kept.inbox.id));
                }
                Record::Inbox(_) => counted.receipt_subscriptions += 1,
                Record::Subscription(subscription) => {
                    counted.subscriptions += 1;
                    *counted.by_protocol.entry(subscription.protocol.kind().as_str()).or_default() += 1;
                }
                Record::Position(_) | Record::Entry(_) => {}
            }
        }
        Ok(counted)
    });
    json(&counted.await?)
}

/// `GET /admin/agents/NAME`: with its subscriptions, as many as a list may have.
pub(super) async fn show(admin: &Arc<Admin>, name: &str) -> Result<Reply, Refusal> {
    let name = name.to_owned();
    let shown = looking(admin, move |admin| {
        let kept = agent(admin, &name)?;
        let mut rows = Vec::new();
        for subscription in subscriptions(admin, kept.inbox.id)?.take(MOST_LISTED) {
            rows.push(SubscriptionRow::of(admin, &subscription?));
        }
        let mut shown = serde_json::to_value(row(admin, &kept)).map_err(|_| Refusal::Failed)?;
        shown["list"] = serde_json::to_value(rows).map_err(|_| Refusal::Failed)?;
        Ok(shown)
    });
    json(&shown.await?)
}

/// `DELETE /admin/agents/NAME`: as if the agent had deleted itself (RFC 8030 §7.3.1).
pub(super) async fn revoke(admin: &Arc<Admin>, name: &str) -> Result<Reply, Refusal> {
    let name = name.to_owned();
    let id = looking(admin, move |admin| Ok(agent(admin, &name)?.inbox.id)).await?;
    match admin.service.commit_one(Op::RemoveInbox(id), Durability::Durable).await? {
        Applied::Removed(removed) => json(&Revoked::from(&removed)),
        _ => Err(NO_AGENT),
    }
}

impl From<&Removed> for Revoked {
    fn from(removed: &Removed) -> Self {
        Self { messages: removed.messages, receipts: removed.receipts.len() }
    }
}

fn row(admin: &Admin, kept: &InboxRecord) -> AgentRow {
    AgentRow {
        agent: admin.service.pseudonyms.inbox(kept.inbox.id).to_string(),
        created: kept.inbox.created.as_millis(),
        listened: kept.monitored.map(Timestamp::as_millis),
        listening: admin.service.registry.is_listened_to(kept.inbox.id),
        subscriptions: kept.holds.subscriptions,
        messages: kept.holds.entries,
        bytes: kept.holds.body_bytes,
    }
}
