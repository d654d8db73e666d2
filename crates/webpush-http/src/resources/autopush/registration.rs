//! `register` and `unregister`: subscriptions of an autopush agent.
//!
//! The checks are those of `POST /subscribe`.

use crate::problem::ServiceError;
use crate::resources::rfc8030::subscribe::{new_subscription, subscribed};
use webpush_core::capability::Capability;
use webpush_core::id::{ChannelId, InboxId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::problem::Problem;
use webpush_core::sender::parse_key;
use webpush_core::subscription::{Protocol, SenderKey, Subscription};
use webpush_service::client_addr::ClientAddr;
use webpush_service::p256::P256;
use webpush_service::service::Service;
use webpush_store::{Applied, Durability, Op};

/// An agent that registers a channel.
pub(crate) struct Registrant<'a> {
    /// The client's address; from a trusted proxy if the connection came through one.
    pub(crate) client: &'a ClientAddr,
    /// True if the agent has presented a subscribe token, or needs none.
    pub(crate) may_subscribe: bool,
    pub(crate) agent: InboxId,
}

/// Creates a subscription, or finds the existing one of the channel and key.
///
/// Returns the path of its push URL once it is durable.
pub(crate) async fn register(
    service: &Service,
    registrant: &Registrant<'_>,
    channel: ChannelId,
    key: Option<&str>,
) -> Result<String, ServiceError> {
    let malformed = |_| Problem::OptionsMalformed {
        detail: "The key is not the base64url of an uncompressed P-256 point",
    };
    let sender = key.map(|key| parse_key(key, &P256).map_err(malformed)).transpose()?;
    let subscription = subscribe(service, registrant, Protocol::Autopush(channel), sender).await?;
    let push = Capability::Push(subscription.agent, subscription.id);
    Ok(service.path(push, subscription.key)?)
}

/// Creates a subscription with a channel, or finds that of the same channel and sender.
///
/// Returns it once it is durable.
pub(crate) async fn subscribe(
    service: &Service,
    registrant: &Registrant<'_>,
    protocol: Protocol,
    sender: Option<SenderKey>,
) -> Result<Subscription, ServiceError> {
    let subscription = new_subscription(service, registrant.agent, sender, protocol)?;
    let existing = match subscription.channel() {
        Some(channel) => service.channel(registrant.agent, channel).await?,
        None => None,
    };
    let is_same = |existing: &Subscription| {
        existing.sender == subscription.sender && existing.protocol == subscription.protocol
    };
    let existing = match existing {
        Some(existing) if is_same(&existing) => return Ok(existing),
        existing => existing,
    };
    if !registrant.may_subscribe {
        return Err(Problem::TokenRequired { wrong: false }.into());
    }
    service.rate_limits.load().charge_registration(registrant.client)?;
    let mut ops = Vec::with_capacity(4);
    let is_new = service.inbox(registrant.agent).await?.is_none();
    if is_new {
        let (id, created) = (registrant.agent, subscription.created);
        let inbox = Inbox { id, owner: Owner::Agent, created, key: subscription.key };
        ops.extend([Op::CreateInbox(inbox), Op::Touch(id, created)]);
    }
    // With another key the channel is another subscription, which the previous sender must not reach.
    if let Some(existing) = &existing {
        service.cancel_messages(existing.agent, existing.id).await?;
    }
    ops.extend(existing.map(|existing| Op::Unsubscribe(existing.agent, existing.id)));
    ops.push(Op::Subscribe(subscription.clone()));
    // It is missing if another connection of the agent has registered the channel, or removed the agent, meanwhile.
    let applied = service.commit(ops, Durability::Durable).await?.pop();
    if is_new {
        service.registry.record_inbox(registrant.agent);
    }
    subscribed(service, &subscription, &applied.unwrap_or(Applied::Missing), Problem::NotFound)?;
    Ok(subscription)
}

/// Removes the subscription of a channel with its messages, if it exists.
pub(crate) async fn unregister(
    service: &Service,
    agent: InboxId,
    channel: ChannelId,
) -> Result<(), ServiceError> {
    if let Some(existing) = service.channel(agent, channel).await? {
        service.unsubscribe(agent, existing.id).await?;
    }
    Ok(())
}
