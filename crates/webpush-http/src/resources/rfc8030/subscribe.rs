//! `POST /subscribe`: a new subscription (RFC 8030 §4) in a new or an existing set (§4.1).

use crate::answer::{Answer, empty, no_store, value, with};
use crate::body::Body;
use crate::problem::ServiceError;
use http::StatusCode;
use http::header::{LINK, LOCATION};
use http::request::Parts;
use webpush_core::capability::{Capability, KeyId};
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::problem::{LimitKind, Problem};
use webpush_core::protocol::rfc8030::{PUSH_REL, SET_REL, link, set_link};
use webpush_core::sender::parse_restriction;
use webpush_core::subscription::{Protocol, SenderKey, Subscription};
use webpush_service::client_addr::Caller;
use webpush_service::p256::P256;
use webpush_service::service::Service;
use webpush_store::{Applied, Durability, Op};

/// Maximum size of a body. RFC 8030 has no body, and RFC 8292 §4.1 has one short member.
pub(crate) const MOST_BODY_BYTES: usize = 4096;
/// `Retry-After` of a full set: the agent has to remove subscriptions first.
const SET_RETRY_SECONDS: u64 = 3600;

/// Creates a subscription, and responds once it is durable.
pub(crate) async fn subscribe(
    service: &Service,
    caller: Caller<'_>,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, ServiceError> {
    service.subscribe_tokens.load().check(caller, &head.headers)?;
    service.rate_limits.load().charge_registration(caller.client)?;
    let named = set_link(&head.headers)?;
    let options = body.read_or_shed(&head.headers, MOST_BODY_BYTES, &service.memory).await?;
    let sender = parse_restriction(&head.headers, &options, &P256)?;
    let set = match named {
        Some(link) => Some(existing_set(service, &link).await?),
        None => None,
    };
    create(service, set, sender).await
}

/// Creates a subscription of a new agent for the server itself, without checks.
pub async fn for_ourselves(service: &Service) -> Result<Answer, ServiceError> {
    create(service, None, None).await
}

/// Creates a subscription in a set, or in a new one.
async fn create(
    service: &Service,
    set: Option<Inbox>,
    sender: Option<SenderKey>,
) -> Result<Answer, ServiceError> {
    let mut ops = Vec::with_capacity(2);
    let agent = match set {
        Some(set) => set,
        None => {
            let id = service.new_inbox_id()?;
            let inbox =
                Inbox { id, owner: Owner::Agent, created: service.now(), key: service.keyring.current() };
            ops.push(Op::CreateInbox(inbox.clone()));
            inbox
        }
    };
    let subscription = new_subscription(service, agent.id, sender, Protocol::Rfc8030)?;
    ops.push(Op::Subscribe(subscription.clone()));
    // It is missing if the set was removed between the lookup and the commit.
    let applied = service.commit(ops, Durability::Durable).await?.pop();
    subscribed(service, &subscription, &applied.unwrap_or(Applied::Missing), Problem::SetUnknown)?;
    created(service, &subscription, agent.key)
}

/// Creates a subscription with a random ID, sealed with the current key.
pub(crate) fn new_subscription(
    service: &Service,
    agent: InboxId,
    sender: Option<SenderKey>,
    protocol: Protocol,
) -> Result<Subscription, ServiceError> {
    let id = SubscriptionId::from_bytes(service.random()?);
    let (created, key) = (service.now(), service.keyring.current());
    Ok(Subscription { agent, id, created, key, sender, protocol })
}

/// Checks the result of a subscribe operation, and logs it.
///
/// # Errors
///
/// [`Problem::TooManyRequests`] if the set is full; `missing` if the agent is gone.
pub(crate) fn subscribed(
    service: &Service,
    subscription: &Subscription,
    applied: &Applied,
    missing: Problem,
) -> Result<(), Problem> {
    match applied {
        Applied::Created => {
            tracing::debug!(
                agent = %service.log_ids.inbox(subscription.agent),
                subscription = %service.log_ids.subscription(subscription.id),
                protocol = subscription.protocol.kind().as_str(),
                "an agent has subscribed"
            );
            Ok(())
        }
        Applied::Refused => {
            let limit = LimitKind::SubscriptionSet;
            Err(Problem::TooManyRequests { limit, retry_after_seconds: SET_RETRY_SECONDS })
        }
        _ => Err(missing),
    }
}

async fn existing_set(service: &Service, link: &webpush_core::header::Link) -> Result<Inbox, ServiceError> {
    let opened = match link.path_on(service.site()) {
        Some(path) => service.open_below(path).await?,
        None => None,
    };
    let Some(Capability::SubscriptionSet(id)) = opened else { return Err(Problem::SetUnknown.into()) };
    let inbox = service.inbox(id).await?.filter(|inbox| inbox.owner == Owner::Agent);
    inbox.ok_or_else(|| Problem::SetUnknown.into())
}

fn created(service: &Service, subscription: &Subscription, set_key: KeyId) -> Result<Answer, ServiceError> {
    let Subscription { agent, id, key, .. } = *subscription;
    let location = format!("{}{}", service.origin, service.path(Capability::Subscription(agent, id), key)?);
    let push = link(&service.origin, &service.path(Capability::Push(agent, id), key)?, PUSH_REL);
    let set = link(&service.origin, &service.path(Capability::SubscriptionSet(agent), set_key)?, SET_REL);
    let headers = [(LOCATION, value(location)?), (LINK, value(push)?), (LINK, value(set)?)];
    let mut answer = with(empty(StatusCode::CREATED), headers);
    no_store(&mut answer);
    Ok(answer)
}
