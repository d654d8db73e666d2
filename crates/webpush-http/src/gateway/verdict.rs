//! The result of a delivery, for the homeserver.
//!
//! A rejected pushkey costs its user all notifications, so only permanent failures reject it.

use super::error::GatewayError;
use super::error::SendError;
use crate::problem::{HttpError, ServiceError};
use http::StatusCode;
use webpush_core::problem::Problem;
use webpush_service::metrics::GatewayOutcome;

/// The result of the delivery to one device.
#[derive(Debug)]
pub enum Verdict {
    /// No retry is needed.
    Done,
    /// The pushkey will never work, and is reported in `rejected`.
    Rejected,
    /// It may work later.
    TryAgain(HttpError),
}

impl Verdict {
    /// Returns the outcome to count.
    #[must_use]
    pub const fn outcome(&self) -> GatewayOutcome {
        match self {
            Self::Done => GatewayOutcome::Done,
            Self::Rejected => GatewayOutcome::Rejected,
            Self::TryAgain(_) => GatewayOutcome::Again,
        }
    }

    /// Creates the verdict of a push URL of this server.
    #[must_use]
    pub fn from_failure(failure: ServiceError) -> Self {
        match failure {
            // The subscription is gone, or restricted to a key that a gateway does not have.
            ServiceError::Problem(
                Problem::NotFound | Problem::VapidRequired | Problem::VapidInvalid { .. },
            ) => Self::Rejected,
            // An exceeded rate limit; no other problem is a fault of the pushkey.
            ServiceError::Problem(_)
            | ServiceError::Store(_)
            | ServiceError::MemoryLow
            | ServiceError::Internal(_) => Self::TryAgain(failure.into()),
        }
    }

    /// Creates the verdict of a push URL of another service.
    #[must_use]
    pub fn from_response(answer: Result<StatusCode, SendError>) -> Self {
        match answer {
            Ok(status) => from_status(status),
            Err(SendError::Permanent(why)) => {
                tracing::debug!(why, "rejected a pushkey");
                Self::Rejected
            }
            Err(SendError::Temporary(why)) => {
                tracing::debug!(why, "cannot reach another push service");
                Self::TryAgain(HttpError::Gateway(GatewayError::PushService))
            }
        }
    }
}

fn from_status(status: StatusCode) -> Verdict {
    match status {
        status if status.is_success() => Verdict::Done,
        // A retry would be too large again, and the homeserver would send this device no other notification until it gives up on
        // this one.
        StatusCode::PAYLOAD_TOO_LARGE => Verdict::Done,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Verdict::TryAgain(HttpError::Gateway(GatewayError::PushService))
        }
        status if status.is_client_error() => Verdict::Rejected,
        // A redirect may come from a proxy under maintenance, like a server error.
        _ => Verdict::TryAgain(HttpError::Gateway(GatewayError::PushService)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::InternalError;
    use webpush_core::problem::LimitKind;
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
                assert_eq!(name(&Verdict::from_response(Ok(status))), verdict, "{status}");
            }
        }
        assert_eq!(name(&Verdict::from_response(Err(SendError::Permanent("")))), "rejected");
        assert_eq!(name(&Verdict::from_response(Err(SendError::Temporary("")))), "again");
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
            (ServiceError::from(StoreError::Unavailable), "again"),
            (ServiceError::from(StoreError::Full), "again"),
            (ServiceError::from(StoreError::Corrupt), "again"),
            (ServiceError::from(StoreError::Unreadable), "again"),
            (ServiceError::from(InternalError::MissingSealingKey), "again"),
        ] {
            assert_eq!(name(&Verdict::from_failure(failure)), verdict);
        }
    }
}
