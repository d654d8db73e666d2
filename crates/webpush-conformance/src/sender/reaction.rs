//! Responses of a push resource, and the reactions of senders to them.

use super::endpoint::{EndpointBehavior, PAUSE, RETRY_AFTER, TrialSubscription};
use crate::verdicts::Verdicts;
use bytes::Bytes;
use http::StatusCode;
use std::time::Duration;
use webpush_core::time::Timestamp;

/// Returns the status for a message, and records if the sender should not have sent it.
pub(super) fn respond(
    verdicts: &mut Verdicts,
    subscription: &mut TrialSubscription,
    body: &Bytes,
    now: Timestamp,
    exchange: &str,
) -> StatusCode {
    let earlier = subscription.refused.clone();
    let (status, id) = match subscription.behavior {
        EndpointBehavior::Accept => return accept(verdicts, subscription, body, exchange),
        EndpointBehavior::NotFound => (StatusCode::NOT_FOUND, "S8030-7.3-a"),
        EndpointBehavior::Gone => (StatusCode::GONE, "S8030-7.3-b"),
        EndpointBehavior::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "S8030-7.2-b"),
        EndpointBehavior::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "S8030-8.4-a"),
        EndpointBehavior::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "S8030-8.4-b"),
        EndpointBehavior::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, "S8030-8.4-c"),
    };
    verdicts.pass(id);
    let Some((since, refused)) = earlier else {
        subscription.refused = Some((now, body.clone()));
        return status;
    };
    let passed = since.until(now);
    let wait = match subscription.behavior {
        EndpointBehavior::TooManyRequests | EndpointBehavior::Unavailable => Some(RETRY_AFTER),
        EndpointBehavior::ServerError => Some(PAUSE),
        EndpointBehavior::Accept
        | EndpointBehavior::NotFound
        | EndpointBehavior::Gone
        | EndpointBehavior::TooLarge => None,
    };
    match wait {
        Some(wait) if passed >= wait => accept(verdicts, subscription, body, exchange),
        Some(wait) => {
            verdicts.fail(
                id,
                &format!("no request for {} s", wait.as_secs()),
                after(passed, status),
                exchange,
            );
            status
        }
        // Another message may be small enough.
        None if subscription.behavior == EndpointBehavior::TooLarge && refused != body => status,
        None => {
            verdicts.fail(id, "no further request", after(passed, status), exchange);
            status
        }
    }
}

fn accept(
    verdicts: &mut Verdicts,
    subscription: &mut TrialSubscription,
    body: &Bytes,
    exchange: &str,
) -> StatusCode {
    // Messages without a body may look the same.
    let is_repeated = !body.is_empty() && subscription.accepted.as_ref() == Some(body);
    let found = || "the same message again".to_owned();
    verdicts.check("S8030-5-c", !is_repeated, "no retry after 201", found, exchange);
    subscription.accepted = Some(body.clone());
    StatusCode::CREATED
}

fn after(passed: Duration, status: StatusCode) -> String {
    format!("a request {:.1} s after {}", passed.as_secs_f64(), status.as_u16())
}
