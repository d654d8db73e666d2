//! Errors on the wire: the members of RFC 9457 and those that autopush-rs has, in one body. What each says is in one
//! table.

mod catalogue;
mod table;

use super::answer::Answer;
use crate::fresh::NoRandomness;
use crate::metrics::Refusals;
use bytes::Bytes;
use clap::ValueEnum;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
    SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use std::sync::Arc;
use table::{Description, describe};
use webpush_core::problem::Problem;
use webpush_store::StoreError;

pub(crate) use catalogue::names;
pub(super) use catalogue::{Entry, entries};

/// After how many seconds a sender should try again when the store is not available, or the gateway has no room.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Why a request was not served.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The remote party's fault.
    Problem(Problem),
    /// The store's.
    Store(StoreError),
    /// Ours. Holds what could not be made.
    Internal(&'static str),
    /// Another push service's, that the Matrix gateway sent to.
    PushService,
    /// Nobody's: too much waits in the Matrix gateway.
    GatewayBusy,
}

/// What an operator may choose about errors, and what they need to know of the service.
#[derive(Clone, Debug)]
pub struct ErrorStyle {
    /// The public origin, which has the page that explains errors.
    pub origin: String,
    /// What invalid VAPID is answered.
    pub vapid_status: VapidErrorStatus,
    /// Where it is counted what was answered.
    pub refusals: Arc<Refusals>,
}

/// The status for a sender whose VAPID header does not hold. One that has none where it is needed is always 401.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VapidErrorStatus {
    /// 403 (RFC 8292 §4.2)
    #[default]
    Rfc,
    /// 401, as autopush-rs answers
    Autopush,
}

impl Failure {
    /// A fault of this program, with what it could not make.
    #[must_use]
    pub const fn internal(what: &'static str) -> Self {
        Self::Internal(what)
    }

    /// The response that says so.
    #[must_use]
    pub fn answer(&self, style: &ErrorStyle) -> Answer {
        self.answer_with(style, &[])
    }

    /// The same with more members, or others in the place of these (RFC 9457 §3.2).
    #[must_use]
    pub(super) fn answer_with(&self, style: &ErrorStyle, more: &[(&str, &str)]) -> Answer {
        let Description { status, errno, name, title, detail } = describe(self, style.vapid_status);
        style.refusals.count(self, name);
        let mut body = serde_json::json!({
            "type": format!("/errors#{name}"), "title": title, "status": status.as_u16(), "detail": detail,
            "code": status.as_u16(), "errno": errno, "error": status.canonical_reason(), "message": detail,
            "more_info": format!("{}/errors#{name}", style.origin),
        });
        for (name, value) in more {
            body[name] = (*value).into();
        }
        let mut answer = Response::new(Bytes::from(body.to_string()));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.add_headers(status, headers);
        answer
    }

    fn add_headers(&self, status: StatusCode, headers: &mut HeaderMap) {
        match self {
            Self::Problem(Problem::MethodNotAllowed { allow }) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            // A bare challenge (RFC 8292 §3).
            Self::Problem(Problem::VapidRequired | Problem::VapidInvalid { .. })
                if status == StatusCode::UNAUTHORIZED =>
            {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("vapid"));
            }
            Self::Problem(Problem::WebSocketVersion) => {
                // RFC 9110 §15.5.22, RFC 6455 §4.4.
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Problem(Problem::TooManyRequests { retry_after_seconds, .. }) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
            }
            Self::Problem(Problem::TokenRequired { wrong }) => {
                // RFC 6750 §3.1: no error code when no token came.
                let challenge = if *wrong { "Bearer error=\"invalid_token\"" } else { "Bearer" };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            // A subscription does not come back.
            Self::Problem(Problem::Gone) => {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=86400"));
            }
            Self::Store(StoreError::Unavailable | StoreError::Busy) | Self::GatewayBusy => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
            }
            Self::Problem(_) | Self::Store(StoreError::Corrupt) | Self::Internal(_) | Self::PushService => {}
        }
    }

    /// The status and the sentence for whom an answer would be no help, as the RFCs have it.
    #[must_use]
    pub fn tell(&self, style: &ErrorStyle) -> (StatusCode, String) {
        let Description { name, .. } = describe(self, style.vapid_status);
        style.refusals.count(self, name);
        self.status_and_detail()
    }

    /// The status and the sentence of the response, as the RFCs have it.
    #[must_use]
    pub fn status_and_detail(&self) -> (StatusCode, String) {
        let Description { status, detail, .. } = describe(self, VapidErrorStatus::Rfc);
        (status, detail)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NoRandomness> for Failure {
    fn from(_: NoRandomness) -> Self {
        Self::Internal("a random id")
    }
}

#[cfg(test)]
mod tests;
