//! New devices and channels.
//!
//! A device is an agent's inbox and also a subscription set of RFC 8030, so it may have both kinds of subscription.

use super::answer::about_registration;
use crate::answer::{Answer, empty, value, with};
use crate::body::Body;
use crate::problem::ServiceError;
use crate::resources::rfc8030::subscribe::{MOST_BODY_BYTES, subscribed};
use http::StatusCode;
use http::header::{CACHE_CONTROL, LINK, LOCATION};
use http::request::Parts;
use std::time::Duration;
use webpush_core::capability::Capability;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::problem::Problem;
use webpush_core::protocol::legacy::{SUBSCRIPTION_REL, cache_control};
use webpush_core::protocol::rfc8030::{SET_REL, link};
use webpush_core::sender::parse_restriction;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_service::client_addr::{Caller, ClientAddr};
use webpush_service::p256::P256;
use webpush_service::service::Service;
use webpush_store::{Durability, Op};

/// `POST /devices` creates a device. The body has no meaning.
pub async fn register(
    service: &Service,
    caller: Caller<'_>,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, ServiceError> {
    service.subscribe_tokens.load().check(caller, &head.headers)?;
    service.rate_limits.load().charge_registration(caller.client)?;
    body.read_or_shed(&head.headers, MOST_BODY_BYTES, &service.memory).await?;
    let (id, key) = (service.new_inbox_id()?, service.keyring.current());
    let inbox = Inbox { id, owner: Owner::Agent, created: service.now(), key };
    service.commit_one(Op::CreateInbox(inbox), Durability::Durable).await?;

    let location = format!("{}{}", service.origin, service.path(Capability::Device(id), key)?);
    let set = link(&service.origin, &service.path(Capability::SubscriptionSet(id), key)?, SET_REL);
    let [(_, links), lifetime] = about_registration(service, id, key, first_lifetime(service))?;
    // One header, as in 2015.
    let links = [links.as_bytes(), b", ", set.as_bytes()].concat();
    let links = value(String::from_utf8(links).unwrap_or_default())?;
    Ok(with(empty(StatusCode::CREATED), [(LOCATION, value(location)?), (LINK, links), lifetime]))
}

/// `POST` to the channels of a device creates one. The link is for the agent, `Location` for senders.
pub async fn subscribe(
    service: &Service,
    client: &ClientAddr,
    head: &Parts,
    body: &mut Body,
    device: InboxId,
) -> Result<Answer, ServiceError> {
    service.rate_limits.load().charge_registration(client)?;
    let options = body.read_or_shed(&head.headers, MOST_BODY_BYTES, &service.memory).await?;
    let sender = parse_restriction(&head.headers, &options, &P256)?;
    let device = service.inbox(device).await?.ok_or(Problem::NotFound)?;
    let (agent, id) = (device.id, SubscriptionId::from_bytes(service.random()?));
    // The URL of a channel begins with that of its device, so the same key seals it.
    let key = device.key;
    let protocol = Protocol::Legacy;
    let subscription = Subscription { agent, id, created: service.now(), key, sender, protocol };
    let applied = service.commit_one(Op::Subscribe(subscription.clone()), Durability::Durable).await?;
    subscribed(service, &subscription, &applied, Problem::NotFound)?;

    let location = format!("{}{}", service.origin, service.path(Capability::Update(agent, id), key)?);
    let channel =
        link(service.base_path(), &service.path(Capability::Channel(agent, id), key)?, SUBSCRIPTION_REL);
    let lifetime = (CACHE_CONTROL, value(cache_control(first_lifetime(service)))?);
    Ok(with(empty(StatusCode::CREATED), [(LOCATION, value(location)?), (LINK, value(channel)?), lifetime]))
}

/// Returns how long a new device is kept if it never connects.
fn first_lifetime(service: &Service) -> Duration {
    service.limits.load().idle.never_monitored.min(service.limits.load().idle.unused)
}
