//! The path of one message from a parsed request to the store (RFC 8030 §5), whatever protocol it came by: [`find`] the
//! subscription by its URL, then [`accept`] the message. The protocols keep their headers and answers to themselves.

mod receipts;

pub use receipts::Receipts;

use crate::client_addr::ClientAddr;
use crate::failure::Failure;
use crate::rate_limits::PushStage;
use crate::service::Service;
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::id::{EntryRef, InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Entry, OutboundEntry};
use webpush_core::message::Outcome;
use webpush_core::message::{Draft, Message};
use webpush_core::problem::Problem;
use webpush_core::publish::{self, AcceptContext, Acceptance, PublishRequest, Retention};
use webpush_core::subscription::Subscription;
use webpush_store::{Applied, Durability, Op};

/// A message that was taken.
pub struct Published {
    /// The message, as its URL names it.
    pub entry: EntryRef,
    /// The sealing key of that URL.
    pub key: KeyId,
    /// The TTL granted.
    pub ttl: Duration,
    /// The receipt subscription that will hear of it, if one was asked for.
    pub receipts: Option<Receipts>,
}

/// Returns the subscription that a push URL names, and charges the rates that are due before the body is read.
///
/// # Errors
/// [`Problem::NotFound`], or [`Problem::TooManyRequests`] as [`PushStage`] says.
pub async fn find(
    service: &Service,
    peer: &ClientAddr,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Subscription, Failure> {
    let subscription = service.subscription(agent, id).await?.ok_or(Problem::NotFound)?;
    service.spans.record_subscription(&subscription);
    service.rate_limits.load().charge(peer, PushStage::Found(&subscription))?;
    Ok(subscription)
}

/// Takes on what was asked for, in whatever protocol; returns when it is durable. Of the headers only the credentials are
/// looked at.
///
/// # Errors
/// A [`Failure`]; the message was not accepted then, except that a store that failed may have it.
pub async fn accept(
    service: &Service,
    peer: &ClientAddr,
    headers: &HeaderMap,
    subscription: &Subscription,
    request: PublishRequest,
) -> Result<Published, Failure> {
    let now = service.now();
    let sender = service.vapid.verify(headers, now)?;
    if let Some(sender) = &sender {
        service.rate_limits.load().charge(peer, PushStage::Authenticated(sender.key()))?;
    }
    let receipts = receipts::asked_for(service, peer, &request, now).await?;
    let Acceptance { draft, retention, ttl } = {
        let context = AcceptContext {
            id: MessageId::from_bytes(service.random()?),
            key: service.keyring.current(),
            receipt: receipts.as_ref().map(|receipts| receipts.inbox.id),
            sender,
            max_ttl: service.limits.load().max_ttl,
            now,
        };
        publish::accept(request, subscription, context)?
    };
    service.rate_limits.load().charge(peer, PushStage::Accepted(subscription))?;
    service.traces.begin(&draft, subscription.protocol);
    service.spans.record_message(&draft, &service.pseudonyms);
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
    service.metrics.messages.count_accepted(subscription.protocol);
    tracing::debug!(
        agent = %service.pseudonyms.inbox(entry.inbox),
        subscription = %service.pseudonyms.subscription(subscription.id),
        message_log_id = %service.pseudonyms.message(entry.message),
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
        Some(Applied::Duplicate(message)) => Ok(message),
        // The subscription was removed between the look-up and the commit.
        _ => {
            if let Some(receipts) = new {
                let remove = vec![Op::RemoveInbox(receipts.inbox.id)];
                service.commit_detached(remove, Durability::Lazy);
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
    service.metrics.messages.count_offered(sessions);
    if sessions == 0 {
        service.traces.record_end(named.message, Outcome::Expired);
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
    service.metrics.messages.count_offered(sessions);
    if sessions == 0 {
        service.commit_one(Op::Settle(entry, Outcome::Expired), Durability::Durable).await?;
    }
    Ok(entry)
}
