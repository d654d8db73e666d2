//! The URL of a message: reading, acknowledging (RFC 8030 §6.2) and canceling it.

use crate::answer::{Answer, empty, with};
use crate::problem::ServiceError;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use webpush_core::id::EntryRef;
use webpush_core::inbox::Entry;
use webpush_core::message::Outcome;
use webpush_core::problem::Problem;
use webpush_core::protocol::rfc8030;
use webpush_service::service::Service;
use webpush_store::{Applied, Durability, Op, StoreError};

/// `GET` returns the message until it ends. The URL is the capability to read it (RFC 8030 §8.3).
pub(crate) async fn read(service: &Service, entry: &EntryRef) -> Result<Answer, ServiceError> {
    match service.entry(entry).await? {
        Some(Entry::Message(message)) if !message.is_expired(service.now()) => {
            Ok(guarded(rfc8030::message_response(&message)))
        }
        Some(Entry::Message(_) | Entry::Receipt(_)) | None => Err(Problem::NotFound.into()),
    }
}

/// Prevents browsers from showing a body of the sender as a page of this origin.
pub(crate) fn guarded(message: Answer) -> Answer {
    let guards = [
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox")),
    ];
    with(message, guards)
}

/// `DELETE` settles the message.
///
/// The agent acknowledges it, or the sender cancels it: the protocol of the subscription decides who knows the URL.
pub(crate) async fn delete(service: &Service, entry: EntryRef) -> Result<Answer, ServiceError> {
    if !entry.is_stored() {
        // A TTL 0 message is never stored: it ended with its delivery.
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let outcome = outcome_of_delete(service, &entry).await?;
    if outcome == Outcome::Delivered {
        service.record_acknowledged(&[entry]);
    }
    match service.commit_one(Op::Settle(entry, outcome), Durability::Durable).await? {
        Applied::Settled(_) => Ok(empty(StatusCode::NO_CONTENT)),
        _ => Err(Problem::NotFound.into()),
    }
}

async fn outcome_of_delete(service: &Service, entry: &EntryRef) -> Result<Outcome, ServiceError> {
    let message = match service.entry(entry).await {
        Ok(Some(Entry::Message(message))) => message,
        // A receipt has no subscription, and a damaged message may have been delivered before.
        Ok(Some(Entry::Receipt(_))) | Err(StoreError::Corrupt) => return Ok(Outcome::Delivered),
        Ok(None) => return Err(Problem::NotFound.into()),
        Err(error) => return Err(error.into()),
    };
    let subscription = service.subscription(message.agent, message.subscription).await?;
    Ok(subscription.ok_or(Problem::NotFound)?.protocol.outcome_of_delete())
}

#[cfg(test)]
mod tests;
