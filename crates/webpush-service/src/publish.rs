//! The publish path of all protocols, from a parsed request to the store (RFC 8030 §5).
//!
//! [`find`] the subscription by its URL, then [`accept`] the message. Request formats and responses belong to the
//! protocols.

mod receipt_subscription;

pub use receipt_subscription::Receipts;

use crate::client_addr::ClientAddr;
use crate::error::ServiceError;
use crate::metrics::LiveResult;
use crate::rate_limits::PushStage;
use crate::service::Service;
use crate::trace::Stage;
use crate::vapid_cache::TokenAudience;
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
use webpush_core::subscription::{ProtocolKind, Subscription};
use webpush_store::{Applied, Durability, Notice, Op};

/// An accepted message.
pub struct Published {
    /// Identifies the message in its URL.
    pub entry: EntryRef,
    /// The sealing key of that URL.
    pub key: KeyId,
    /// The TTL granted.
    pub ttl: Duration,
    /// The receipt subscription, if a receipt was requested.
    pub receipts: Option<Receipts>,
}

/// Looks up the subscription of a push URL, and charges its rate limits.
///
/// Call it before the body is read, so that a refused request costs little.
///
/// # Errors
/// Fails with [`Problem::NotFound`], or with [`Problem::TooManyRequests`] (see [`PushStage`]).
pub async fn find(
    service: &Service,
    client: &ClientAddr,
    agent: InboxId,
    id: SubscriptionId,
) -> Result<Subscription, ServiceError> {
    let subscription = service.subscription(agent, id).await?.ok_or(Problem::NotFound)?;
    service.spans.record_subscription(&subscription);
    service.rate_limits.load().charge(client, PushStage::Found(&subscription))?;
    Ok(subscription)
}

/// Accepts a message, and returns once it is durable. Reads only the credentials from `headers`.
///
/// Only the messages of a Chromium subscription may be signed for another audience than this server.
///
/// # Errors
/// After a [`ServiceError`] the message was not accepted; after [`ServiceError::Store`] it may have been stored.
pub async fn accept(
    service: &Service,
    client: &ClientAddr,
    headers: &HeaderMap,
    audience: TokenAudience,
    subscription: &Subscription,
    request: PublishRequest,
) -> Result<Published, ServiceError> {
    let now = service.now();
    let leeway = service.limits.load().vapid_leeway;
    let audience = match subscription.protocol.kind() {
        ProtocolKind::Chromium => audience,
        ProtocolKind::Rfc8030 | ProtocolKind::Autopush | ProtocolKind::Legacy => TokenAudience::Own,
    };
    let sender = service.vapid.verify(headers, audience, now, leeway)?;
    if let Some(sender) = &sender {
        service.rate_limits.load().charge(client, PushStage::Authenticated(sender.key()))?;
    }
    let receipts =
        receipt_subscription::requested(service, client, &request, subscription.agent, now).await?;
    let Acceptance { draft, retention, ttl } = {
        let limits = service.limits.load();
        let context = AcceptContext {
            id: MessageId::from_bytes(service.random()?),
            key: service.keyring.current(),
            receipt: receipts.as_ref().map(|receipts| receipts.inbox.id),
            sender,
            max_ttl: limits.max_ttl,
            aesgcm_in_body: limits.aesgcm_in_body.then_some(limits.max_body_bytes),
            now,
        };
        publish::accept(request, subscription, context)?
    };
    service.rate_limits.load().charge(client, PushStage::Accepted(subscription))?;
    service.traces.begin(&draft, subscription.protocol.kind());
    service.spans.record_message(&draft, &service.log_ids);
    let must_be_stored = receipts.is_some() || draft.topic.is_some();
    let key = draft.key;
    let entry = match retention {
        Retention::NowOrNever if !must_be_stored => offer(service, draft),
        Retention::NowOrNever => {
            let message = store(service, draft, receipts.as_ref()).await?;
            offer_stored(service, message).await?
        }
        Retention::Until(_) => store(service, draft, receipts.as_ref()).await?.entry_ref(),
    };
    service.metrics.messages.count_accepted(subscription.protocol.kind());
    tracing::debug!(
        agent = %service.log_ids.inbox(entry.inbox),
        subscription = %service.log_ids.subscription(subscription.id),
        message_log_id = %service.log_ids.message(entry.message),
        "message accepted"
    );
    Ok(Published { entry, key, ttl, receipts })
}

/// Stores the message, together with a new receipt subscription.
async fn store(
    service: &Service,
    draft: Draft,
    receipts: Option<&Receipts>,
) -> Result<Arc<Message>, ServiceError> {
    let new = receipts.filter(|receipts| receipts.is_new);
    let mut ops: Vec<_> = new.map(|receipts| Op::CreateInbox(receipts.inbox.clone())).into_iter().collect();
    ops.push(Op::Append(draft));
    match service.commit(ops, Durability::Durable).await?.pop() {
        Some(Applied::Appended(appended)) => Ok(appended.message),
        Some(Applied::Duplicate(message)) => Ok(message),
        // The subscription was removed between lookup and commit.
        _ => {
            if let Some(receipts) = new {
                let remove = vec![Op::RemoveInbox(receipts.inbox.id)];
                service.commit_detached(remove, Durability::Lazy);
            }
            Err(Problem::NotFound.into())
        }
    }
}

/// Delivers a TTL 0 message to connected sessions, or drops it if there are none (RFC 8030 §5.2).
fn offer(service: &Service, draft: Draft) -> EntryRef {
    let entry = OutboundEntry::Unstored(Arc::new(draft));
    let entry_ref = entry.entry_ref();
    if offer_to_all(service, entry) == LiveResult::Nobody {
        service.traces.record_end(entry_ref.message, Outcome::Expired);
        let agent = service.log_ids.inbox(entry_ref.inbox);
        tracing::debug!(%agent, "dropped a message with TTL 0: the agent is not connected");
    }
    entry_ref
}

/// Delivers a stored TTL 0 message, or expires it if no session is connected.
///
/// A message with a receipt or topic is stored even with TTL 0, so that its acknowledgement is matched and the message
/// with the same topic is replaced (RFC 8030 §5.4). As it has expired, it is never fetched, and the sweep ends it.
async fn offer_stored(service: &Service, message: Arc<Message>) -> Result<EntryRef, ServiceError> {
    let entry = message.entry_ref();
    if offer_to_all(service, Entry::Message(message).into()) == LiveResult::Nobody {
        service.commit_one(Op::Settle(entry, Outcome::Expired), Durability::Durable).await?;
    }
    Ok(entry)
}

/// Offers a TTL 0 message to the sessions of this node and, unless the only one is here, of others.
fn offer_to_all(service: &Service, entry: OutboundEntry) -> LiveResult {
    let message = entry.entry_ref().message;
    let offered = service.registry.offer(&entry);
    let is_sent_on = !offered.is_exclusive && service.notify_other_nodes(|| Notice::Offered(entry));
    if is_sent_on {
        service.traces.record(message, Stage::Offered);
    }
    let result = match (offered.sessions, is_sent_on) {
        (1.., _) => LiveResult::Taken,
        (0, true) => LiveResult::OtherNodes,
        (0, false) => LiveResult::Nobody,
    };
    service.metrics.messages.count_live(result);
    result
}
