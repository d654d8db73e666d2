//! `register` and `unregister`: subscriptions of an autopush agent. The checks are those of `POST /subscribe`.

use crate::problem::{Failure, InternalError};
use webpush_core::capability::Capability;
use webpush_core::id::{ChannelId, InboxId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::problem::{LimitKind, Problem};
use webpush_core::sender::parse_key;
use webpush_core::subscription::{Protocol, SenderKey, Subscription};
use webpush_service::client_addr::ClientAddr;
use webpush_service::service::Service;
use webpush_service::vapid::P256;
use webpush_store::{Applied, Durability, Op};

/// When to try again to register with an agent that is full: it is for the agent to make room.
const FULL_RETRY_SECONDS: u64 = 3600;

/// Who registers.
pub(super) struct Registrant<'a> {
    pub(super) peer: &'a ClientAddr,
    /// It has shown a token, or none is needed.
    pub(super) may_subscribe: bool,
    pub(super) agent: InboxId,
}

/// Makes the subscription, or finds the one of the same channel and key. Its push URL; durable by then, as is the agent.
pub(super) async fn register(
    service: &Service,
    registrant: &Registrant<'_>,
    channel: ChannelId,
    key: Option<&str>,
) -> Result<String, Failure> {
    let malformed = |_| Problem::OptionsMalformed {
        detail: "The key is not the base64url of an uncompressed P-256 point",
    };
    let sender = key.map(|key| parse_key(key, &P256).map_err(malformed)).transpose()?;
    let present = service.channel(registrant.agent, channel).await?;
    if let Some(present) = present.as_ref().filter(|present| present.sender == sender) {
        return endpoint(service, present);
    }
    if !registrant.may_subscribe {
        return Err(Problem::TokenRequired { wrong: false }.into());
    }
    service.rate_limits.load().charge_registration(registrant.peer)?;
    let subscription = subscription(service, registrant.agent, channel, sender)?;
    let mut ops = Vec::with_capacity(4);
    if service.inbox(registrant.agent).await?.is_none() {
        let (id, created) = (registrant.agent, subscription.created);
        let inbox = Inbox { id, owner: Owner::Agent, created, key: subscription.key };
        ops.extend([Op::CreateInbox(inbox), Op::Touch(id, created)]);
    }
    // With another key the channel is another subscription: messages of the old sender must not come any more.
    ops.extend(present.map(|present| Op::Unsubscribe(present.agent, present.id)));
    ops.push(Op::Subscribe(subscription.clone()));
    match service.commit(ops, Durability::Durable).await?.pop() {
        Some(Applied::Created) => endpoint(service, &subscription),
        Some(Applied::Refused) => {
            let limit = LimitKind::SubscriptionSet;
            Err(Problem::TooManyRequests { limit, retry_after_seconds: FULL_RETRY_SECONDS }.into())
        }
        // Another connection of this agent registered the channel, or removed the agent, in between.
        _ => Err(Problem::NotFound.into()),
    }
}

fn subscription(
    service: &Service,
    agent: InboxId,
    channel: ChannelId,
    sender: Option<SenderKey>,
) -> Result<Subscription, Failure> {
    Ok(Subscription {
        agent,
        id: SubscriptionId::from_bytes(service.random()?),
        created: service.now(),
        key: service.keyring.current(),
        sender,
        protocol: Protocol::Autopush(channel),
    })
}

fn endpoint(service: &Service, subscription: &Subscription) -> Result<String, Failure> {
    let push = Capability::Push(subscription.agent, subscription.id);
    let path = service.keyring.path(&push, subscription.key);
    let path = path.ok_or(Failure::Internal(InternalError::MissingSealingKey))?;
    Ok(format!("{}{path}", service.origin))
}

/// Removes the subscription of a channel with its messages, if there is one.
pub(super) async fn unregister(service: &Service, agent: InboxId, channel: ChannelId) -> Result<(), Failure> {
    if let Some(present) = service.channel(agent, channel).await? {
        service.commit_one(Op::Unsubscribe(agent, present.id), Durability::Durable).await?;
    }
    Ok(())
}
