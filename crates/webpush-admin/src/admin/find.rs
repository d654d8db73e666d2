//! Looks up agents and subscriptions by log ID, URL or uaid.

use super::Admin;
use super::auth::Access;
use super::error::AdminError;
use super::reply::{Reply, json};
use http::{HeaderMap, Uri};
use std::sync::Arc;
use webpush_core::capability::Capability;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::Owner;
use webpush_core::protocol::autopush::names;
use webpush_core::subscription::Subscription;
use webpush_http::body::Body;
use webpush_http::resources::aliases;
use webpush_service::log_ids::LogId;
use webpush_service::service::Service;

/// Maximum length of the request body, more than that of any URL of this server.
const MAX_BODY_BYTES: usize = 1024;

pub(super) const NO_AGENT: AdminError =
    AdminError::NoSuch("There is no such agent: it never existed, or was removed.");
const NO_LOG_ID: AdminError =
    AdminError::NoSuch("There is no agent with this log ID. To look up a uaid, send the admin token.");
pub(super) const NO_SUBSCRIPTION: AdminError =
    AdminError::NoSuch("There is no such subscription: it never existed, or was removed.");

/// Serves `POST /admin/find`: returns the log IDs of an agent or a subscription.
///
/// The body is a URL of this server, a uaid, or the log ID of an agent; proxies would log it in a path. Without the
/// admin token, only a log ID is looked up.
pub(super) async fn find(
    admin: &Arc<Admin>,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Reply, AdminError> {
    let text = body.read(headers, MAX_BODY_BYTES).await;
    let text = text
        .map_err(|_| AdminError::bad_request("the body must be a URL of this server, a uaid or a log ID"))?;
    let text = String::from_utf8_lossy(&text);
    let (service, text) = (&admin.service, text.trim());
    // Log IDs and uaids both have 32 digits, so a text that is not the log ID of an agent may still be a uaid.
    match agent(service, text).await {
        Ok(agent) => {
            return json(&serde_json::json!({ "agent": service.log_ids.inbox(agent).to_string() }));
        }
        Err(AdminError::NoSuch(_)) if admin.auth.check(headers, Access::Admin).is_err() => {
            return Err(NO_LOG_ID);
        }
        Err(AdminError::NoSuch(_) | AdminError::BadRequest(_)) => {}
        Err(error) => return Err(error),
    }
    admin.auth.check(headers, Access::Admin)?;
    let (agent, subscription) = resolve(admin, text)?;
    if service.inbox(agent).await?.is_none_or(|inbox| inbox.owner != Owner::Agent) {
        return Err(NO_AGENT);
    }
    let mut found = serde_json::json!({ "agent": service.log_ids.inbox(agent).to_string() });
    if let Some(id) = subscription {
        if service.subscription(agent, id).await?.is_none() {
            return Err(NO_SUBSCRIPTION);
        }
        found["subscription"] = service.log_ids.subscription(id).to_string().into();
    }
    json(&found)
}

fn resolve(admin: &Admin, text: &str) -> Result<(InboxId, Option<SubscriptionId>), AdminError> {
    if let Some(agent) = names::agent(text) {
        return Ok((agent, None));
    }
    let uri: Option<Uri> = text.parse().ok();
    let path = uri.as_ref().map_or("", Uri::path);
    match admin.service.keyring.open_below(&aliases::resolve(path).path) {
        Some(
            Capability::Subscription(agent, id)
            | Capability::Push(agent, id)
            | Capability::Channel(agent, id)
            | Capability::Update(agent, id),
        ) => Ok((agent, Some(id))),
        Some(
            Capability::SubscriptionSet(agent) | Capability::Device(agent) | Capability::Channels(agent),
        ) => Ok((agent, None)),
        Some(Capability::Message(entry)) => Ok((entry.inbox, None)),
        Some(Capability::ReceiptSubscription(_)) => Err(AdminError::bad_request(
            "this is the URL of a receipt subscription, which does not belong to an agent",
        )),
        None => Err(AdminError::bad_request(
            "this is neither a URL of this server, nor a uaid, nor a log ID (32 hexadecimal digits)",
        )),
    }
}

/// Converts a log ID to the ID of an inbox, which may not exist.
pub(super) fn inbox_id(service: &Service, log_id: &str) -> Result<InboxId, AdminError> {
    let log_id: LogId = log_id.parse().map_err(AdminError::bad_request)?;
    Ok(service.log_ids.inbox_id(log_id))
}

/// Converts a log ID to the ID of a subscription, which may not exist.
pub(super) fn subscription_id(service: &Service, log_id: &str) -> Result<SubscriptionId, AdminError> {
    let log_id: LogId = log_id.parse().map_err(AdminError::bad_request)?;
    Ok(service.log_ids.subscription_id(log_id))
}

/// Looks up an agent by its log ID.
pub(super) async fn agent(service: &Service, log_id: &str) -> Result<InboxId, AdminError> {
    let id = inbox_id(service, log_id)?;
    match service.inbox(id).await? {
        Some(inbox) if inbox.owner == Owner::Agent => Ok(id),
        _ => Err(NO_AGENT),
    }
}

/// Looks up a subscription by the log IDs of its agent and of itself.
pub(super) async fn subscription(
    service: &Service,
    agent_log_id: &str,
    log_id: &str,
) -> Result<Subscription, AdminError> {
    let id = subscription_id(service, log_id)?;
    let agent = agent(service, agent_log_id).await?;
    service.subscription(agent, id).await?.ok_or(NO_SUBSCRIPTION)
}

#[cfg(test)]
mod tests;
