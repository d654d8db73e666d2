//! `POST` to a push resource: the path of one message, from request to answer (RFC 8030 §5).

use super::answer::{Answer, empty, no_store, value, with};
use super::body::Body;
use super::client_addr::ClientAddr;
use super::problem::Failure;
use super::receipts::{self, Receipts};
use crate::fresh;
use crate::service::Service;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, LINK, LOCATION};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use webpush_core::capability::{Capability, KeyId};
use webpush_core::id::{EntryRef, InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::message::{Draft, Message};
use webpush_core::outcome::Outcome;
use webpush_core::problem::Problem;
use webpush_core::protocol::rfc8030::{RECEIPT_REL, link};
use webpush_core::publish::{self, AcceptContext, Accepted, PublishRequest, Retention};
use webpush_core::subscription::Subscription;
use webpush_store::{Applied, Durability, Op};

/// Takes a message; answers when it is durable.
pub(super) async fn publish(
    service: &Service,
    peer: &ClientAddr,
    head: &Parts,
    body: &mut Body,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Answer, Failure> {
    let subscription = find(service, peer, agent, id).await?;
    let most = service.limits.load().max_body_bytes;
    let body = body.read(&head.headers, most).await?;
    let request = PublishRequest::parse(&head.headers, body)?;
    let published = accept(service, peer, &head.headers, &subscription, request).await?;
    answer(service, &published)
}

/// Takes a message that did not come as a request of its own, as if it had come with these headers.
pub(super) async fn deliver(
    service: &Service,
    peer: &ClientAddr,
    headers: &HeaderMap,
    body: Bytes,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<(), Failure> {
    let subscription = find(service, peer, agent, id).await?;
    let request = PublishRequest::parse(headers, body)?;
    accept(service, peer, headers, &subscription, request).await.map(drop)
}

/// A message that was taken.
pub(super) struct Published {
    /// The message, as its URL names it.
    entry: EntryRef,
    /// The sealing key of that URL.
    key: KeyId,
    /// The TTL granted.
    pub(super) ttl: Duration,
    receipts: Option<Receipts>,
}

/// The subscription, once the message is counted against its rates. That needs only the URL, so it comes before the body.
pub(super) async fn find(
    service: &Service,
    peer: &ClientAddr,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Arc<Subscription>, Failure> {
    let subscription = service.subscription(agent, id).await?.ok_or(Problem::NotFound)?;
    service.spans.found(&subscription);
    if subscription.sender.is_none() {
        service.rate_limits.load().count_message(peer, agent, id)?;
    }
    Ok(subscription)
}

/// Takes on what was asked for, in whatever protocol; returns when it is durable. Of the headers only the credentials are
/// looked at.
pub(super) async fn accept(
    service: &Service,
    peer: &ClientAddr,
    headers: &HeaderMap,
    subscription: &Subscription,
    request: PublishRequest,
) -> Result<Published, Failure> {
    let now = fresh::now();
    let sender = service.vapid.sender(headers, now)?;
    if let Some(sender) = &sender {
        service.rate_limits.load().count_sender(peer, sender.key())?;
    }
    let receipts = receipts::asked_for(service, peer, &request, now).await?;
    let Accepted { draft, retention, ttl } = {
        let context = AcceptContext {
            id: MessageId::from_bytes(fresh::random()?),
            key: service.keyring.current(),
            receipt: receipts.as_ref().map(|receipts| receipts.inbox.id),
            sender,
            max_ttl: service.limits.load().max_ttl,
            now,
        };
        publish::accept(request, subscription, context)?
    };
    if subscription.sender.is_some() {
        // Only now, or whoever knows the URL could use up the rate of the one sender it is for.
        service.rate_limits.load().count_message(peer, subscription.agent, subscription.id)?;
    }
    service.traces.accepted(&draft, subscription.protocol);
    service.spans.taken(&draft, &service.pseudonyms);
    let leaves_traces = receipts.is_some() || draft.topic.is_some();
    let key = draft.key;
    let entry = match retention {
        Retention::NowOrNever if !leaves_traces => offer(service, draft),
        Retention::NowOrNever => {
            let message = store(service, draft, receipts.as_ref()).await?;
            offer_stored(service, message).await?
        }
        Retention::Until(_) => store(service, draft, receipts.as_ref()).await?.entry_ref(),
    };
    service.metrics.messages.accepted(subscription.protocol);
    tracing::debug!(
        agent = %service.pseudonyms.inbox(entry.inbox),
        subscription = %service.pseudonyms.subscription(subscription.id),
        message_name = %service.pseudonyms.message(entry.message),
        "a message was accepted"
    );
    Ok(Published { entry, key, ttl, receipts })
}

/// Stores the message, together with the receipt subscription if it is new.
async fn store(
    service: &Service,
    draft: Draft,
    receipts: Option<&Receipts>,
) -> Result<Arc<Message>, Failure> {
    let new = receipts.filter(|receipts| receipts.is_new);
    let mut ops: Vec<_> = new.map(|receipts| Op::CreateInbox(receipts.inbox.clone())).into_iter().collect();
    ops.push(Op::Append(draft));
    match service.commit(ops, Durability::Durable).await?.pop() {
        Some(Applied::Appended(appended)) => Ok(appended.message),
        // The subscription was removed between the look-up and the commit.
        _ => {
            if let Some(receipts) = new {
                let remove = vec![Op::RemoveInbox(receipts.inbox.id)];
                service.commit_unwatched(remove, Durability::Lazy);
            }
            Err(Problem::NotFound.into())
        }
    }
}

/// TTL 0 (RFC 8030 §5.2): whoever listens gets it; if nobody does, it has expired.
fn offer(service: &Service, draft: Draft) -> EntryRef {
    let entry = OutboundEntry::Unstored(Arc::new(draft));
    let named = entry.entry_ref();
    let sessions = service.registry.offer(&entry);
    service.metrics.messages.offered(sessions);
    if sessions == 0 {
        service.traces.ended(named.message, Outcome::Expired);
        let agent = service.pseudonyms.inbox(named.inbox);
        tracing::debug!(%agent, "a message with TTL 0 found nobody listening");
    }
    named
}

/// TTL 0 with a receipt owed or a topic: the message is stored, so that its acknowledgement finds it and the one it
/// replaces goes (RFC 8030 §5.4), but it is never fetched, since it has expired. The sweep ends it soon after if no
/// acknowledgement comes.
async fn offer_stored(service: &Service, message: Arc<Message>) -> Result<EntryRef, Failure> {
    let entry = message.entry_ref();
    let sessions = service.registry.offer(&Entry::Message(message).into());
    service.metrics.messages.offered(sessions);
    if sessions == 0 {
        service.commit_one(Op::Settle(entry, Outcome::Expired), Durability::Durable).await?;
    }
    Ok(entry)
}

/// 201, or 202 when a receipt will come (RFC 8030 §5, §5.1).
pub(super) fn answer(service: &Service, published: &Published) -> Result<Answer, Failure> {
    let Published { entry, key, ttl, receipts } = published;
    let path = |capability, key| {
        service
            .keyring
            .path(&capability, key)
            .ok_or_else(|| Failure::internal("a URL: its sealing key is missing"))
    };
    let url = [&*service.origin, &path(Capability::Message(*entry), *key)?].concat();
    let status = if receipts.is_some() { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    let mut answer = with(
        empty(status),
        [(LOCATION, value(url)?), (HeaderName::from_static("ttl"), HeaderValue::from(ttl.as_secs()))],
    );
    if let Some(Receipts { inbox, .. }) = receipts {
        let path = path(Capability::ReceiptSubscription(inbox.id), inbox.key)?;
        let headers = [
            (LINK, value(link(&service.origin, &path, RECEIPT_REL))?),
            (HeaderName::from_static("preference-applied"), HeaderValue::from_static("respond-async")),
        ];
        answer = with(answer, headers);
    }
    no_store(&mut answer);
    Ok(answer)
}
