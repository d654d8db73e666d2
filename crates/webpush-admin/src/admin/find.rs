//! Which agent or subscription is meant: by its name, or by a URL that its holder has. Names are hashes, so one is found by
//! looking at all of them.

use super::Admin;
use super::refusal::Refusal;
use super::reply::{Reply, json};
use http::{HeaderMap, Uri};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use webpush_core::capability::Capability;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::Owner;
use webpush_core::protocol::autopush::names;
use webpush_core::subscription::Subscription;
use webpush_http::body::Body;
use webpush_http::resources::aliases;
use webpush_store::{Detail, Entries, InboxRecord, Record, Snapshot, StoreError};

/// More than any URL of this service has.
const URL_BYTES: usize = 1024;

pub(super) const NO_AGENT: Refusal =
    Refusal::NoSuch("There is no such agent: it was never here, has gone, or was removed.");
pub(super) const NO_SUBSCRIPTION: Refusal =
    Refusal::NoSuch("There is no such subscription: it was never here, or was removed.");

/// `POST /admin/find`: the body is a URL of this service or a uaid; says whose it is. In a body, since URLs go into logs.
pub(super) async fn find(admin: &Arc<Admin>, headers: &HeaderMap, body: &mut Body) -> Result<Reply, Refusal> {
    let text = body.read(headers, URL_BYTES).await;
    let text = text.map_err(|_| Refusal::wrong("the body is one URL of this service, or a uaid"))?;
    let text = String::from_utf8_lossy(&text);
    let (agent, subscription) = meant(admin, text.trim())?;
    if admin.service.inbox(agent).await?.is_none_or(|inbox| inbox.owner != Owner::Agent) {
        return Err(NO_AGENT);
    }
    let mut found = serde_json::json!({ "agent": admin.service.pseudonyms.inbox(agent).to_string() });
    if let Some(id) = subscription {
        if admin.service.subscription(agent, id).await?.is_none() {
            return Err(NO_SUBSCRIPTION);
        }
        found["subscription"] = admin.service.pseudonyms.subscription(id).to_string().into();
    }
    json(&found)
}

fn meant(admin: &Admin, text: &str) -> Result<(InboxId, Option<SubscriptionId>), Refusal> {
    if let Some(agent) = names::agent(text) {
        return Ok((agent, None));
    }
    let uri: Option<Uri> = text.parse().ok();
    let path = uri.as_ref().map_or("", Uri::path);
    match admin.service.keyring.open(&aliases::resolve(path).path) {
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
        Some(Capability::ReceiptSubscription(_)) => {
            Err(Refusal::wrong("that is the URL of a receipt subscription, which no agent has"))
        }
        None => Err(Refusal::wrong(
            "this service gave out no such URL, and it is neither a uaid nor a name of 16 hexadecimal digits",
        )),
    }
}

/// Does something that reads all of the store, on a thread that may take its time.
pub(super) async fn looking<T: Send + 'static>(
    admin: &Arc<Admin>,
    look: impl FnOnce(&Admin) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let place = Arc::clone(&admin.snapshots).acquire_owned().await.map_err(|_| Refusal::Failed)?;
    let admin = Arc::clone(admin);
    let looked = spawn_blocking(move || {
        let looked = look(&admin);
        drop(place);
        looked
    });
    looked.await.map_err(|_| Refusal::Failed)?
}

/// Opens a snapshot. Blocks, so it is only for what [`looking`] and its like run.
pub(super) fn snapshot(admin: &Admin, detail: &Detail) -> Result<Snapshot, StoreError> {
    Handle::current().block_on(admin.service.snapshot(detail))
}

/// All agents after one.
pub(super) fn agents(
    admin: &Admin,
    detail: Detail,
) -> Result<impl Iterator<Item = Result<InboxRecord, StoreError>>, StoreError> {
    Ok(snapshot(admin, &detail)?.filter_map(|record| match record {
        Ok(Record::Inbox(kept)) if kept.inbox.owner == Owner::Agent => Some(Ok(kept)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }))
}

/// The agent of a name.
pub(super) fn agent(admin: &Admin, name: &str) -> Result<InboxRecord, Refusal> {
    for kept in agents(admin, Detail::INBOXES)? {
        let kept = kept?;
        if admin.service.pseudonyms.inbox(kept.inbox.id).to_string() == name {
            return Ok(kept);
        }
    }
    Err(NO_AGENT)
}

/// The subscriptions of an agent.
pub(super) fn subscriptions(
    admin: &Admin,
    agent: InboxId,
) -> Result<impl Iterator<Item = Result<Subscription, StoreError>>, StoreError> {
    let before = u128::from_be_bytes(*agent.as_bytes()).checked_sub(1);
    let after = before.map(|before| InboxId::from_bytes(before.to_be_bytes()));
    let detail = Detail { after, subscriptions: true, entries: Entries::None };
    let snapshot = snapshot(admin, &detail)?;
    let is_its = move |record: &Result<Record, StoreError>| match record {
        Ok(Record::Inbox(kept)) => kept.inbox.id == agent,
        _ => true,
    };
    Ok(snapshot.take_while(is_its).filter_map(|record| match record {
        Ok(Record::Subscription(subscription)) => Some(Ok(subscription)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }))
}

/// The subscription of a name, of an agent of a name.
pub(super) fn subscription(admin: &Admin, agent_name: &str, name: &str) -> Result<Subscription, Refusal> {
    let agent = agent(admin, agent_name)?.inbox.id;
    for subscription in subscriptions(admin, agent)? {
        let subscription = subscription?;
        if admin.service.pseudonyms.subscription(subscription.id).to_string() == name {
            return Ok(subscription);
        }
    }
    Err(NO_SUBSCRIPTION)
}
