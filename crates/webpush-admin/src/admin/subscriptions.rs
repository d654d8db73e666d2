//! Subscriptions: which, and removing one. Each is named by its agent and itself: `AGENT/SUBSCRIPTION`.

use super::Admin;
use super::agents::Revoked;
use super::find::{NO_SUBSCRIPTION, agent, agents, looking, subscription, subscriptions};
use super::refusal::Refusal;
use super::reply::{Reply, json};
use super::resources::Query;
use serde::Serialize;
use std::sync::Arc;
use webpush_core::id::InboxId;
use webpush_core::subscription::Subscription;
use webpush_store::{Applied, Detail, Durability, Op};

/// One subscription in a list.
#[derive(Serialize)]
pub(super) struct SubscriptionRow {
    subscription: String,
    created: u64,
    protocol: &'static str,
    /// Whether only one sender may push to it.
    restricted: bool,
    sealing_key: u8,
}

#[derive(Serialize)]
struct Page {
    subscriptions: Vec<SubscriptionRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl SubscriptionRow {
    pub(super) fn of(admin: &Admin, subscription: &Subscription) -> Self {
        Self {
            subscription: name_of(admin, subscription),
            created: subscription.created.as_millis(),
            protocol: subscription.protocol.kind().as_str(),
            restricted: subscription.sender.is_some(),
            sealing_key: subscription.key.0,
        }
    }
}

fn name_of(admin: &Admin, subscription: &Subscription) -> String {
    let Subscription { agent, id, .. } = subscription;
    format!("{}/{}", admin.service.pseudonyms.inbox(*agent), admin.service.pseudonyms.subscription(*id))
}

/// `GET /admin/subscriptions`: of all agents in their order, or of one.
pub(super) async fn list(admin: &Arc<Admin>, query: Query) -> Result<Reply, Refusal> {
    let page = looking(admin, move |admin| {
        let after = query.after.as_deref().map(|after| after.split_once('/').unwrap_or((after, "")));
        // One agent, or all from that of the last subscription on.
        let from = query.agent.as_deref().or_else(|| after.map(|(agent, _)| agent));
        let first = from.map(|name| agent(admin, name)).transpose()?.map(|kept| kept.inbox.id);
        let mut pages = Pages {
            page: Page { subscriptions: Vec::new(), next: None },
            query: &query,
            is_after: after.is_none(),
        };
        if let Some(first) = first
            && pages.add(admin, first)?
        {
            return Ok(pages.page);
        }
        if query.agent.is_none() {
            for kept in agents(admin, Detail { after: first, ..Detail::INBOXES })? {
                pages.is_after = true;
                let kept = kept?;
                if kept.holds.subscriptions > 0 && pages.add(admin, kept.inbox.id)? {
                    break;
                }
            }
        }
        Ok(pages.page)
    });
    json(&page.await?)
}

struct Pages<'a> {
    page: Page,
    query: &'a Query,
    /// Whether the last one of the page before has been met.
    is_after: bool,
}

impl Pages<'_> {
    /// Adds the subscriptions of an agent; true when there is no room for all.
    fn add(&mut self, admin: &Admin, agent: InboxId) -> Result<bool, Refusal> {
        for subscription in subscriptions(admin, agent)? {
            let subscription = subscription?;
            if !self.is_after {
                self.is_after = self.query.after.as_deref() == Some(&*name_of(admin, &subscription));
            } else if self.page.subscriptions.len() == self.query.limit() {
                self.page.next = self.page.subscriptions.last().map(|last| last.subscription.clone());
                return Ok(true);
            } else {
                self.page.subscriptions.push(SubscriptionRow::of(admin, &subscription));
            }
        }
        Ok(false)
    }
}

/// `GET /admin/subscriptions/AGENT/NAME`.
pub(super) async fn show(admin: &Arc<Admin>, agent: &str, name: &str) -> Result<Reply, Refusal> {
    let (agent, name) = (agent.to_owned(), name.to_owned());
    let shown =
        looking(admin, move |admin| Ok(SubscriptionRow::of(admin, &subscription(admin, &agent, &name)?)));
    json(&shown.await?)
}

/// `DELETE /admin/subscriptions/AGENT/NAME`: as if its agent had (RFC 8030 §7.3).
pub(super) async fn revoke(admin: &Arc<Admin>, agent: &str, name: &str) -> Result<Reply, Refusal> {
    let (agent, name) = (agent.to_owned(), name.to_owned());
    let found = looking(admin, move |admin| subscription(admin, &agent, &name)).await?;
    let op = Op::Unsubscribe(found.agent, found.id);
    match admin.service.commit_one(op, Durability::Durable).await? {
        Applied::Removed(removed) => json(&Revoked::from(&removed)),
        _ => Err(NO_SUBSCRIPTION),
    }
}
