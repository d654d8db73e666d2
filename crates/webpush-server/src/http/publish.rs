//! `POST` to a push resource: the path of one message, from request to answer (RFC 8030 §5).

use super::body::Body;
use super::peer::Peer;
use super::problem::Failure;
use super::route::{empty, with};
use super::{Answer, no_store, value};
use crate::fresh;
use crate::service::Service;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::request::Parts;
use std::sync::Arc;
use webpush_core::capability::Capability;
use webpush_core::id::{InboxId, MessageId, SubscriptionId};
use webpush_core::message::Message;
use webpush_core::problem::Problem;
use webpush_core::publish::{Accepted, PublishRequest, Retention, Ruling, judge};
use webpush_store::{Applied, Durability, Op};

/// Takes a message; answers when it is durable.
pub(super) async fn publish(
    service: &Service,
    peer: &Peer,
    head: &Parts,
    body: &mut Body,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Answer, Failure> {
    let subscription = service.store.subscription(agent, id)?.ok_or(Problem::NotFound)?;
    service.rate_limits.count_message(peer, agent, id)?;
    let body = body.read(&head.headers, service.limits.max_body_bytes).await?;
    let request = PublishRequest::parse(&head.headers, body)?;
    let ruling = Ruling {
        id: MessageId::from_bytes(fresh::random()?),
        key: service.keyring.current(),
        receipt: None,
        limits: &service.limits,
        now: fresh::now(),
    };
    let Accepted { message, retention, ttl } = judge(request, &subscription, ruling);
    let message = match retention {
        Retention::NowOrNever => offer(service, message),
        Retention::Until(_) => store(service, message).await?,
    };
    let url = service.url(&Capability::Message(message.entry_ref()), message.key);
    let url = url.ok_or_else(|| Failure::internal("a message URL"))?;
    let granted = (HeaderName::from_static("ttl"), HeaderValue::from(ttl.as_secs()));
    let mut answer = with(empty(StatusCode::CREATED), [(LOCATION, value(url)?), granted]);
    no_store(&mut answer);
    Ok(answer)
}

async fn store(service: &Service, message: Message) -> Result<Arc<Message>, Failure> {
    match service.commit_one(Op::Append(message), Durability::Durable).await? {
        Applied::Appended(appended) => Ok(appended.message),
        // The subscription was removed between the look-up and the commit.
        Applied::Missing | Applied::Created | Applied::Settled(_) | Applied::Removed(_) => {
            Err(Problem::NotFound.into())
        }
    }
}

/// TTL 0 (RFC 8030 §5.2): whoever listens gets it; if nobody does, it has expired.
fn offer(service: &Service, message: Message) -> Arc<Message> {
    let message = Arc::new(message);
    if service.registry.offer(&message) == 0 {
        tracing::debug!("a message with TTL 0 found nobody listening");
    }
    message
}
