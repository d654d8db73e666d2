//! Errors of the control API.

use super::{typed, with_allow};
use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use webpush_http::answer::Answer;
use webpush_store::StoreError;

/// A request that failed.
#[derive(Debug)]
pub(crate) enum ControlError {
    BadRequest(String),
    Forbidden(String),
    NotFound,
    MethodNotAllowed(&'static str),
    Conflict(&'static str),
    TooLarge,
    Store(StoreError),
    Internal,
}

impl ControlError {
    /// Returns the response.
    pub(crate) fn answer(self) -> Answer {
        let (status, text) = match self {
            Self::BadRequest(text) => (StatusCode::BAD_REQUEST, text),
            Self::Forbidden(text) => (StatusCode::FORBIDDEN, text),
            Self::NotFound => {
                (StatusCode::NOT_FOUND, "there is no such resource in this namespace".to_owned())
            }
            Self::MethodNotAllowed(allow) => {
                return with_allow(
                    error(StatusCode::METHOD_NOT_ALLOWED, &format!("the methods are {allow}")),
                    allow,
                );
            }
            Self::Conflict(text) => (StatusCode::CONFLICT, text.to_owned()),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the request body exceeds 64 KiB".to_owned()),
            Self::Store(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "an internal error".to_owned()),
        };
        error(status, &text)
    }
}

fn error(status: StatusCode, text: &str) -> Answer {
    let mut answer = typed("application/json", Bytes::from(json!({ "error": text }).to_string()));
    *answer.status_mut() = status;
    answer
}
