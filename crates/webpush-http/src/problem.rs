//! Error responses: the members of RFC 9457 and those of autopush-rs in one body.
//!
//! `table` has one row for each error.

mod catalogue;
mod table;

use crate::answer::Answer;
use crate::gateway::error::GatewayError;
use bytes::Bytes;
use clap::ValueEnum;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
    SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use table::{Description, describe};
use webpush_core::problem::Problem;
use webpush_service::metrics::Refusals;
use webpush_service::service::split_origin;
use webpush_store::StoreError;

pub use webpush_service::error::{InternalError, ServiceError};

pub(crate) use catalogue::{CatalogueEntry, entries, names};

/// `Retry-After` when the store is not available, or the gateway is busy.
const UNAVAILABLE_RETRY_SECONDS: u64 = 5;
/// A full volume takes an operator, or agents that fetch their messages.
const FULL_RETRY_SECONDS: u64 = 60;

/// An error that a response can describe.
#[derive(Clone, Copy, Debug)]
pub enum ErrorKind<'a> {
    /// An error of the service.
    Service(&'a ServiceError),
    /// An error of the Matrix gateway.
    Gateway(GatewayError),
}

/// An owned [`ErrorKind`].
#[derive(Clone, Debug)]
pub enum HttpError {
    /// An error of the service.
    Service(ServiceError),
    /// An error of the Matrix gateway.
    Gateway(GatewayError),
}

/// The form of error responses.
#[derive(Clone, Debug)]
pub struct ErrorStyle {
    /// The public origin, where the page of errors is.
    pub origin: String,
    /// The status for an invalid VAPID header.
    pub vapid_status: VapidErrorStatus,
    /// Counts error responses.
    pub refusals: Arc<Refusals>,
}

/// The status for an invalid VAPID header. A missing one is always 401.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum VapidErrorStatus {
    /// 403 (RFC 8292 §4.2)
    #[default]
    Rfc,
    /// 401, as autopush-rs responds
    Autopush,
}

impl ErrorStyle {
    /// Returns the response to a request that failed.
    #[must_use]
    pub fn answer(&self, failure: &ServiceError) -> Answer {
        self.answer_with(ErrorKind::Service(failure), &[])
    }

    /// Returns such a response with more members, which may replace others (RFC 9457 §3.2).
    #[must_use]
    pub(crate) fn answer_with(&self, error: ErrorKind<'_>, more: &[(&str, &str)]) -> Answer {
        let Description { status, errno, name, title, detail } = describe(error, self.vapid_status);
        self.record(name, error);
        let (_, base) = split_origin(&self.origin);
        let mut body = serde_json::json!({
            "type": format!("{base}/errors#{name}"), "title": title, "status": status.as_u16(), "detail": detail,
            "code": status.as_u16(), "errno": errno, "error": status.canonical_reason(), "message": detail,
            "more_info": format!("{}/errors#{name}", self.origin),
        });
        for (name, value) in more {
            body[name] = (*value).into();
        }
        let mut answer = Response::new(Bytes::from(body.to_string()));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        error.add_headers(status, headers);
        answer
    }

    /// Counts an error that is sent in a message of its protocol, and returns its status and text.
    #[must_use]
    pub fn tell(&self, failure: &ServiceError) -> (StatusCode, String) {
        let error = ErrorKind::Service(failure);
        let Description { name, .. } = describe(error, self.vapid_status);
        self.record(name, error);
        error.status_and_detail()
    }

    fn record(&self, name: &str, error: ErrorKind<'_>) {
        tracing::debug!(problem = name, "refused a request");
        self.refusals.count(name, error.problem());
    }
}

impl<'a> ErrorKind<'a> {
    /// Returns the status and the text of the response.
    #[must_use]
    pub fn status_and_detail(self) -> (StatusCode, String) {
        let Description { status, detail, .. } = describe(self, VapidErrorStatus::Rfc);
        (status, detail)
    }

    const fn problem(self) -> Option<&'a Problem> {
        match self {
            Self::Service(ServiceError::Problem(problem)) => Some(problem),
            Self::Service(_) | Self::Gateway(_) => None,
        }
    }

    fn add_headers(self, status: StatusCode, headers: &mut HeaderMap) {
        match self {
            Self::Service(ServiceError::Problem(problem)) => add_headers_of_problem(problem, status, headers),
            Self::Service(ServiceError::Store(
                StoreError::Unavailable | StoreError::Busy | StoreError::Moved | StoreError::Unreadable,
            ))
            | Self::Service(ServiceError::MemoryLow)
            | Self::Gateway(GatewayError::Busy) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(UNAVAILABLE_RETRY_SECONDS));
            }
            Self::Service(ServiceError::Store(StoreError::Full)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(FULL_RETRY_SECONDS));
            }
            Self::Service(ServiceError::Store(StoreError::Corrupt) | ServiceError::Internal(_))
            | Self::Gateway(GatewayError::PushService) => {}
        }
    }
}

fn add_headers_of_problem(problem: &Problem, status: StatusCode, headers: &mut HeaderMap) {
    match problem {
        Problem::MethodNotAllowed { allow } => {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        // A bare challenge (RFC 8292 §3).
        Problem::VapidRequired | Problem::VapidInvalid { .. } if status == StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("vapid"));
        }
        Problem::WebSocketVersion => {
            // RFC 9110 §15.5.22, RFC 6455 §4.4.
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        Problem::TooManyRequests { retry_after_seconds, .. } => {
            headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
        }
        Problem::TokenRequired { wrong } => {
            // RFC 6750 §3.1: no error code if the request had no token.
            let challenge = if *wrong { "Bearer error=\"invalid_token\"" } else { "Bearer" };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        // A removed subscription does not come back.
        Problem::Gone => {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=86400"));
        }
        _ => {}
    }
}

/// Returns the error for a method that a resource does not support.
pub(crate) fn not_allowed(allow: &'static str) -> ServiceError {
    Problem::MethodNotAllowed { allow }.into()
}

impl HttpError {
    /// Returns a reference to the error, for a response to describe.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind<'_> {
        match self {
            Self::Service(failure) => ErrorKind::Service(failure),
            Self::Gateway(error) => ErrorKind::Gateway(*error),
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(failure) => failure.fmt(f),
            Self::Gateway(error) => error.fmt(f),
        }
    }
}

impl Error for HttpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Service(failure) => failure.source(),
            Self::Gateway(error) => error.source(),
        }
    }
}

impl From<ServiceError> for HttpError {
    fn from(failure: ServiceError) -> Self {
        Self::Service(failure)
    }
}

impl From<Problem> for HttpError {
    fn from(problem: Problem) -> Self {
        Self::Service(problem.into())
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

#[cfg(test)]
mod tests;
