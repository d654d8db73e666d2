//! Errors of the admin API, as problem details (RFC 9457).

use crate::broadcasts::ChangeError;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use std::fmt::Display;
use std::time::Duration;
use webpush_core::protocol::autopush::broadcasts::BROADCASTS;
use webpush_http::answer::Answer;
use webpush_store::StoreError;

/// An error response.
#[derive(Debug)]
pub(super) enum AdminError {
    /// The listener requires a token.
    TokenRequired {
        /// True if the request has a token, but not a valid one.
        wrong: bool,
    },
    /// The `Host` is neither an IP address nor localhost.
    ForeignHost,
    /// The `Origin` is another site.
    ForeignOrigin,
    /// The operation requires the admin token.
    AdminTokenRequired,
    /// There is no such resource.
    NotFound,
    /// The resource has other methods.
    MethodNotAllowed {
        /// The value of `Allow`.
        allow: &'static str,
    },
    /// The request is invalid. The message has no capital letter and no full stop.
    BadRequest(String),
    /// A broadcast was not changed.
    Broadcast(ChangeError),
    /// The object does not exist. The message is a sentence.
    NoSuch(&'static str),
    /// The operation conflicts with the state of the server.
    Conflict(String),
    /// The store failed.
    Store(StoreError),
    /// Message traces are disabled.
    TracingDisabled,
    /// There is no trace of the message.
    NotTraced {
        /// How long traces are kept.
        keep: Duration,
        /// True if the message is stored; `None` if that is unknown.
        is_stored: Option<bool>,
    },
    /// Too many operations of this kind are running.
    Busy(&'static str),
    /// An internal error.
    Internal,
}

impl AdminError {
    pub(super) fn bad_request(message: impl Display) -> Self {
        Self::BadRequest(message.to_string())
    }

    pub(super) fn not_traced(keep: Duration, is_stored: Option<bool>) -> Self {
        Self::NotTraced { keep, is_stored }
    }

    /// Returns the response.
    pub(super) fn answer(&self) -> Answer {
        if let Self::Broadcast(ChangeError::NotWritten(error)) = self {
            tracing::error!(%error, "cannot write the broadcasts file");
        }
        let (status, detail) = self.status_and_detail();
        let body = serde_json::json!({
            "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(), "detail": detail,
        });
        let mut answer = Response::new(Bytes::from(body.to_string()));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::MethodNotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::TokenRequired { wrong } => {
                // No error code without a token (RFC 6750 §3.1).
                let challenge = if *wrong { "Bearer error=\"invalid_token\"" } else { "Bearer" };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::ForeignHost
            | Self::ForeignOrigin
            | Self::AdminTokenRequired
            | Self::NotFound
            | Self::BadRequest(_)
            | Self::Broadcast(_)
            | Self::NoSuch(_)
            | Self::Conflict(_)
            | Self::Store(_)
            | Self::TracingDisabled
            | Self::NotTraced { .. }
            | Self::Busy(_)
            | Self::Internal => {}
        }
        answer
    }

    fn status_and_detail(&self) -> (StatusCode, String) {
        let (status, detail) = match self {
            Self::TokenRequired { wrong: false } => (
                StatusCode::UNAUTHORIZED,
                "Send a token of the --admin-token-file as Authorization: Bearer TOKEN.",
            ),
            Self::TokenRequired { wrong: true } => {
                (StatusCode::UNAUTHORIZED, "The token is not one of this server.")
            }
            Self::ForeignHost => (
                StatusCode::FORBIDDEN,
                "Use an IP address or localhost as the host; other names require --admin-token-file.",
            ),
            Self::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "The Origin of the request is another site, which has no access to this listener.",
            ),
            Self::AdminTokenRequired => (
                StatusCode::FORBIDDEN,
                "This operation requires the admin token: send the content of the file admin-token in the data \
                 directory as Authorization: Bearer TOKEN.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "There is no such resource. Resources: / (dashboard), /admin/status, /admin/messages/ID, /admin/agents, \
                 /admin/subscriptions, /admin/backlog, /admin/backup, /admin/export, /admin/import, /admin/keys, \
                 /broadcasts, /metrics, /health and /ready.",
            ),
            Self::MethodNotAllowed { allow } => {
                return (StatusCode::METHOD_NOT_ALLOWED, format!("This resource allows {allow}."));
            }
            Self::BadRequest(message) => return (StatusCode::BAD_REQUEST, sentence(message)),
            Self::TracingDisabled => {
                (StatusCode::NOT_FOUND, "Message traces are disabled: trace.keep or trace.messages is 0.")
            }
            Self::NotTraced { keep, is_stored } => {
                return (StatusCode::NOT_FOUND, not_traced(*keep, *is_stored));
            }
            Self::Busy(message) => return (StatusCode::SERVICE_UNAVAILABLE, sentence(message)),
            Self::Broadcast(ChangeError::Full) => {
                return (
                    StatusCode::CONFLICT,
                    format!("The limit of {BROADCASTS} broadcasts is reached; delete one first."),
                );
            }
            Self::Broadcast(ChangeError::NotSet { is_configured: false }) => {
                (StatusCode::NOT_FOUND, "There is no broadcast with this name.")
            }
            Self::Broadcast(ChangeError::NotSet { is_configured: true }) => (
                StatusCode::NOT_FOUND,
                "This broadcast is set only in the configuration file; remove it there.",
            ),
            Self::Broadcast(ChangeError::NotWritten(_)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Writing to the data directory failed, so the change may be lost; the log has the reason.",
            ),
            Self::Broadcast(ChangeError::NotStored(_)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The database cannot be written, so the change may be lost; the log has the reason.",
            ),
            Self::NoSuch(message) => (StatusCode::NOT_FOUND, *message),
            Self::Conflict(message) => return (StatusCode::CONFLICT, sentence(message)),
            Self::Store(error) => return (StatusCode::SERVICE_UNAVAILABLE, sentence(&error.to_string())),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error; the log may have more."),
        };
        (status, detail.to_owned())
    }
}

fn not_traced(keep: Duration, is_stored: Option<bool>) -> String {
    let stored = match is_stored {
        Some(true) => " The message is stored and waits for its agent.",
        Some(false) => {
            " The message is not stored: it was delivered, has expired or was removed, or its TTL was 0."
        }
        None => "",
    };
    let seconds = keep.as_secs();
    format!(
        "There is no trace of this message: it was accepted more than {seconds} s ago (trace.keep) or before a restart, or \
         newer messages replaced its trace (trace.messages).{stored}"
    )
}

/// Capitalizes a message and adds a full stop.
fn sentence(message: &str) -> String {
    let mut rest = message.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).chain(['.']).collect()
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn every_error_is_problem_json_with_sentences() {
        for (error, status) in [
            (AdminError::TokenRequired { wrong: false }, 401),
            (AdminError::TokenRequired { wrong: true }, 401),
            (AdminError::ForeignHost, 403),
            (AdminError::ForeignOrigin, 403),
            (AdminError::AdminTokenRequired, 403),
            (AdminError::NotFound, 404),
            (AdminError::MethodNotAllowed { allow: "PUT" }, 405),
            (AdminError::bad_request("this is wrong"), 400),
            (AdminError::Broadcast(ChangeError::Full), 409),
            (AdminError::Broadcast(ChangeError::NotSet { is_configured: true }), 404),
            (AdminError::Broadcast(ChangeError::NotWritten(io::Error::other("x"))), 503),
            (AdminError::Broadcast(ChangeError::NotStored(StoreError::Unavailable)), 503),
            (AdminError::NoSuch("There is none."), 404),
            (AdminError::Conflict("this is taken".into()), 409),
            (AdminError::Store(StoreError::Unavailable), 503),
            (AdminError::TracingDisabled, 404),
            (AdminError::NotTraced { keep: Duration::from_secs(300), is_stored: Some(true) }, 404),
            (AdminError::Busy("this is busy"), 503),
            (AdminError::Internal, 500),
        ] {
            let answer = error.answer();
            let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!((answer.status().as_u16(), body["status"].as_u64()), (status, Some(status.into())));
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.starts_with(char::is_uppercase) && detail.ends_with('.'), "{detail}");
        }
        assert_eq!(sentence("this is wrong"), "This is wrong.");
    }
}
