//! What one device's delivery means for its homeserver: nothing, or that the pushkey is to be forgotten, or that the
//! notification is to be sent again. To be forgotten costs a person all notifications, so only what can't change by
//! waiting leads to it.

use super::error::GatewayError;
use super::limiter::NoRoom;
use super::outgoing::SendError;
use crate::gateway::GATEWAY_PATIENCE;
use crate::problem::{Failure, RequestError};
use http::StatusCode;
use webpush_core::problem::{LimitKind, Problem};
use webpush_service::metrics::GatewayOutcome;

/// The end of one device's delivery.
#[derive(Debug)]
pub enum Verdict {
    /// There is nothing more to do.
    Done,
    /// The pushkey will never work: it goes into `rejected`.
    Rejected,
    /// It may work later.
    TryAgain(RequestError),
}

impl Verdict {
    /// Returns what is counted of it.
    #[must_use]
    pub const fn outcome(&self) -> GatewayOutcome {
        match self {
            Self::Done => GatewayOutcome::Done,
            Self::Rejected => GatewayOutcome::Rejected,
            Self::TryAgain(_) => GatewayOutcome::Again,
        }
    }

    /// Of a push URL of this service.
    #[must_use]
    pub fn of_own(failure: Failure) -> Self {
        match failure {
            // The subscription is gone, or takes messages only with a key that a gateway does not have.
            Failure::Problem(Problem::NotFound | Problem::VapidRequired | Problem::VapidInvalid { .. }) => {
                Self::Rejected
            }
            // A rate that is used up; no other problem is the pushkey's fault.
            Failure::Problem(_) | Failure::Store(_) | Failure::Internal(_) => Self::TryAgain(failure.into()),
        }
    }

    /// Of a push URL of another service.
    #[must_use]
    pub fn of_other(answer: Result<StatusCode, SendError>) -> Self {
        match answer {
            Ok(status) => of_status(status),
            Err(SendError::Lasting(why)) => {
                tracing::debug!(why, "a pushkey is rejected");
                Self::Rejected
            }
            Err(SendError::Passing(why)) => {
                tracing::debug!(why, "another push service was not reached");
                Self::TryAgain(RequestError::Gateway(GatewayError::PushService))
            }
        }
    }
}

impl From<NoRoom> for RequestError {
    fn from(no_room: NoRoom) -> Self {
        match no_room {
            NoRoom::InAll => Self::Gateway(GatewayError::Busy),
            // By then none of those that wait now does.
            NoRoom::ForPeer => Problem::TooManyRequests {
                limit: LimitKind::Notifications,
                retry_after_seconds: GATEWAY_PATIENCE.as_secs(),
            }
            .into(),
        }
    }
}

fn of_status(status: StatusCode) -> Verdict {
    match status {
        status if status.is_success() => Verdict::Done,
        // The same bytes would be too large for it again, and until the homeserver gives up on this notification it would
        // send that device no other.
        StatusCode::PAYLOAD_TOO_LARGE => Verdict::Done,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Verdict::TryAgain(RequestError::Gateway(GatewayError::PushService))
        }
        status if status.is_client_error() => Verdict::Rejected,
        // A redirect may come of a proxy that is being mended, like an error of the server.
        _ => Verdict::TryAgain(RequestError::Gateway(GatewayError::PushService)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::InternalError;
    use webpush_core::sender::Claim;
    use webpush_store::StoreError;

    fn name(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Done => "done",
            Verdict::Rejected => "rejected",
            Verdict::TryAgain(_) => "again",
        }
    }

    #[test]
    fn statuses_of_other_services() {
        for (verdict, statuses) in [
            ("done", &[200, 201, 202, 204, 413][..]),
            (
                "rejected",
                &[400, 401, 402, 403, 404, 405, 406, 409, 410, 411, 412, 414, 415, 421, 422, 426, 431, 451],
            ),
            ("again", &[300, 301, 302, 303, 307, 308, 408, 425, 429, 500, 501, 502, 503, 504, 507, 599, 600]),
        ] {
            for status in statuses {
                let status = StatusCode::from_u16(*status).unwrap();
                assert_eq!(name(&Verdict::of_other(Ok(status))), verdict, "{status}");
            }
        }
        assert_eq!(name(&Verdict::of_other(Err(SendError::Lasting("")))), "rejected");
        assert_eq!(name(&Verdict::of_other(Err(SendError::Passing("")))), "again");
    }

    #[test]
    fn failures_of_our_own() {
        let claim = Problem::VapidInvalid { claim: Claim::Key, expected: "".into(), found: "".into() };
        let limited = Problem::TooManyRequests { limit: LimitKind::Subscription, retry_after_seconds: 1 };
        for (failure, verdict) in [
            (Problem::NotFound.into(), "rejected"),
            (Problem::VapidRequired.into(), "rejected"),
            (claim.into(), "rejected"),
            (limited.into(), "again"),
            (Failure::from(StoreError::Unavailable), "again"),
            (Failure::from(StoreError::Corrupt), "again"),
            (Failure::from(InternalError::MissingSealingKey), "again"),
        ] {
            assert_eq!(name(&Verdict::of_own(failure)), verdict);
        }
    }
}
