//! A message's own URL: reading it, and acknowledging it (RFC 8030 §6.2).

use super::answer::{Answer, empty, with};
use super::problem::Failure;
use crate::fresh;
use crate::service::Service;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use webpush_core::dialect::rfc8030;
use webpush_core::id::{EntryRef, Position};
use webpush_core::inbox::Entry;
use webpush_core::outcome::Outcome;
use webpush_core::problem::Problem;
use webpush_store::{Applied, Durability, Op};

/// `GET`: the message while it lives. Knowing the URL is the right to read it (RFC 8030 §8.3).
pub(super) fn read(service: &Service, entry: &EntryRef) -> Result<Answer, Failure> {
    match service.store.entry(entry)? {
        Some(Entry::Message(message)) if !message.is_expired(fresh::now()) => {
            // The body and its type are the sender's: a browser must not take them for a page of this origin.
            let guards = [
                (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
                (CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox")),
            ];
            Ok(with(rfc8030::message_response(&message), guards))
        }
        Some(Entry::Message(_) | Entry::Receipt(_)) | None => Err(Problem::NotFound.into()),
    }
}

/// `DELETE`: the agent has it; it is never delivered again.
pub(super) async fn acknowledge(service: &Service, entry: EntryRef) -> Result<Answer, Failure> {
    if entry.position == Position::START {
        // A message with TTL 0 was never stored; having been delivered was its end.
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    match service.commit_one(Op::Settle(entry, Outcome::Delivered), Durability::Durable).await? {
        Applied::Settled(_) => Ok(empty(StatusCode::NO_CONTENT)),
        _ => Err(Problem::NotFound.into()),
    }
}
