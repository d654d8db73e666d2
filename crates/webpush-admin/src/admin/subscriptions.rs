//! Lists, shows and revokes subscriptions. Two log IDs name each: `AGENT/SUBSCRIPTION`.

use super::Admin;
use super::error::AdminError;
use super::find::{NO_SUBSCRIPTION, agent, inbox_id, subscription, subscription_id};
use super::query::Query;
use super::removal::RemovalCounts;
use super::reply::{Reply, json};
use super::snapshots::{predecessor, read_blocking, snapshot};
use serde::Serialize;
use std::sync::Arc;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::subscription::Subscription;
use webpush_service::service::Service;
use webpush_store::{Detail, Entries, Record};

/// One subscription in a list.
#[derive(Serialize)]
pub(super) struct SubscriptionRow {
    subscription: String,
    created: u64,
    protocol: &'static str,
    /// True if only one sender may push to it.
    restricted: bool,
    sealing_key: u8,
}

/// One page of subscriptions, in the order of agents and then of subscriptions.
#[derive(Serialize)]
pub(super) struct SubscriptionPage {
    subscriptions: Vec<SubscriptionRow>,
    /// The log IDs of the last row, if more follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl SubscriptionRow {
    pub(super) fn new(service: &Service, subscription: &Subscription) -> Self {
        let Subscription { agent, id, .. } = subscription;
        let log_ids = &service.log_ids;
        Self {
            subscription: format!("{}/{}", log_ids.inbox(*agent), log_ids.subscription(*id)),
            created: subscription.created.as_millis(),
            protocol: subscription.protocol.kind().as_str(),
            restricted: subscription.sender.is_some(),
            sealing_key: subscription.key.0,
        }
    }
}

/// Serves `GET /admin/subscriptions`: the subscriptions of all agents, or of one.
pub(super) async fn list(admin: &Arc<Admin>, query: Query) -> Result<Reply, AdminError> {
    let only = match &query.agent {
        Some(log_id) => Some(agent(&admin.service, log_id).await?),
        None => None,
    };
    let after = query.after.as_deref().map(|after| cursor(&admin.service, after)).transpose()?;
    let page = read_blocking(admin, move |admin| page(&admin.service, only, after, query.limit()));
    json(&page.await?)
}

/// The last subscription of the previous page, which may have been removed.
type Cursor = (InboxId, SubscriptionId);

fn cursor(service: &Service, text: &str) -> Result<Cursor, AdminError> {
    let (agent, subscription) = text.split_once('/').ok_or_else(|| {
        AdminError::bad_request("after must be AGENT/SUBSCRIPTION: the value of next of the previous page")
    })?;
    Ok((inbox_id(service, agent)?, subscription_id(service, subscription)?))
}

/// Reads the page after a cursor, of all agents or of one. Blocks.
pub(super) fn page(
    service: &Service,
    only: Option<InboxId>,
    after: Option<Cursor>,
    limit: usize,
) -> Result<SubscriptionPage, AdminError> {
    let mut page = SubscriptionPage { subscriptions: Vec::new(), next: None };
    let first = only.or_else(|| after.map(|(agent, _)| agent));
    let detail = Detail { after: first.and_then(predecessor), subscriptions: true, entries: Entries::None };
    for record in snapshot(service, &detail)? {
        match record? {
            Record::Inbox(record) if only.is_some_and(|only| only != record.inbox.id) => break,
            Record::Subscription(subscription) if after < Some((subscription.agent, subscription.id)) => {
                if page.subscriptions.len() == limit {
                    page.next = page.subscriptions.last().map(|last| last.subscription.clone());
                    break;
                }
                page.subscriptions.push(SubscriptionRow::new(service, &subscription));
            }
            Record::Inbox(_) | Record::Subscription(_) | Record::Position(_) | Record::Entry(_) => {}
        }
    }
    Ok(page)
}

/// Serves `GET /admin/subscriptions/AGENT/ID`.
pub(super) async fn show(admin: &Arc<Admin>, agent: &str, log_id: &str) -> Result<Reply, AdminError> {
    let found = subscription(&admin.service, agent, log_id).await?;
    json(&SubscriptionRow::new(&admin.service, &found))
}

/// Serves `DELETE /admin/subscriptions/AGENT/ID`: as if its agent had unsubscribed (RFC 8030 §7.3).
pub(super) async fn revoke(admin: &Arc<Admin>, agent: &str, log_id: &str) -> Result<Reply, AdminError> {
    let found = subscription(&admin.service, agent, log_id).await?;
    let removed = admin.service.unsubscribe(found.agent, found.id).await?.ok_or(NO_SUBSCRIPTION)?;
    json(&RemovalCounts::from(&removed))
}
