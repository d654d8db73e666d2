//! Errors: the members of RFC 9457, with one sentence for whoever asked. They have no page of their own, as nobody but the
//! operator sees them.

use crate::broadcasts::Unchanged;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use std::fmt::Display;
use std::time::Duration;
use webpush_core::protocol::autopush::broadcasts::BROADCASTS;
use webpush_http::answer::Answer;
use webpush_store::StoreError;

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Only holders of a token may ask.
    TokenRequired {
        /// A token came, but not one of those.
        wrong: bool,
    },
    /// It was asked at a name that is not this machine's.
    ForeignHost,
    /// A page of another site had a browser ask.
    ForeignPage,
    /// Only whoever can read the data folder may do this.
    OwnersOnly,
    /// There is no such resource.
    NotFound,
    /// The resource is there, but not for this method.
    NotAllowed {
        /// What it is there for.
        allow: &'static str,
    },
    /// Something in the request can't be used.
    Wrong(String),
    /// A broadcast was not changed.
    Unchanged(Unchanged),
    /// What is named is not there.
    NoSuch(&'static str),
    /// It can't be done as things are.
    Conflict(String),
    /// The store does not answer.
    Store(StoreError),
    /// Nothing is kept of messages.
    NothingTraced,
    /// Nothing is known of a message.
    NotTraced(String),
    /// It has enough to do.
    Busy(&'static str),
    /// A fault of this program.
    Failed,
}

impl Refusal {
    /// With what is wrong.
    pub(super) fn wrong(what: impl Display) -> Self {
        Self::Wrong(what.to_string())
    }

    /// Nothing is kept of a message for longer than that; whether it is stored, if that can be said.
    pub(super) fn not_traced(keep: Duration, is_stored: Option<bool>) -> Self {
        let seconds = keep.as_secs();
        let stored = match is_stored {
            Some(true) => "; it is stored, and waits for its agent",
            Some(false) => "; it is not stored, so it has ended, or had a TTL of 0",
            None => "",
        };
        Self::NotTraced(format!(
            "nothing is known of its way any more: it was accepted more than {seconds} s ago (trace.keep), before this \
             process began, or so many came after it that its place was taken (trace.messages){stored}"
        ))
    }

    /// The response that says so.
    pub(super) fn answer(&self) -> Answer {
        if let Self::Unchanged(Unchanged::NotWritten(error)) = self {
            tracing::error!(%error, "the file of broadcasts can't be written");
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
            Self::NotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::TokenRequired { wrong } => {
                // RFC 6750 §3.1: no error code when no token came.
                let challenge = if *wrong { "Bearer error=\"invalid_token\"" } else { "Bearer" };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::ForeignHost
            | Self::ForeignPage
            | Self::OwnersOnly
            | Self::NotFound
            | Self::Wrong(_)
            | Self::Unchanged(_)
            | Self::NoSuch(_)
            | Self::Conflict(_)
            | Self::Store(_)
            | Self::NothingTraced
            | Self::NotTraced(_)
            | Self::Busy(_)
            | Self::Failed => {}
        }
        answer
    }

    fn status_and_detail(&self) -> (StatusCode, String) {
        let (status, detail) = match self {
            Self::TokenRequired { wrong: false } => (
                StatusCode::UNAUTHORIZED,
                "Send Authorization: Bearer and a token of the file that --admin-token-file names.",
            ),
            Self::TokenRequired { wrong: true } => {
                (StatusCode::UNAUTHORIZED, "The token is not in the file that --admin-token-file names.")
            }
            Self::ForeignHost => (
                StatusCode::FORBIDDEN,
                "Ask by address or as localhost; for another name in Host the service needs --admin-token-file.",
            ),
            Self::ForeignPage => (
                StatusCode::FORBIDDEN,
                "A page of another site may not ask here: its Origin is not this listener.",
            ),
            Self::OwnersOnly => (
                StatusCode::FORBIDDEN,
                "This is for the owner of the service: send the token of the file admin-token in its data folder as \
                 Authorization: Bearer TOKEN.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "There is no such resource; there are / (a page), /admin/status, /admin/messages/NAME, /admin/agents, \
                 /admin/subscriptions, /admin/backlog, /admin/backup, /admin/export, /admin/import, /admin/keys, \
                 /broadcasts, /metrics, /health and /ready.",
            ),
            Self::NotAllowed { allow } => {
                return (StatusCode::METHOD_NOT_ALLOWED, format!("This resource answers {allow}."));
            }
            Self::Wrong(what) => return (StatusCode::BAD_REQUEST, sentence(what)),
            Self::NothingTraced => {
                (StatusCode::NOT_FOUND, "The way of messages is not kept: trace.keep or trace.messages is 0.")
            }
            Self::NotTraced(why) => return (StatusCode::NOT_FOUND, sentence(why)),
            Self::Busy(why) => return (StatusCode::SERVICE_UNAVAILABLE, sentence(why)),
            Self::Unchanged(Unchanged::Full) => {
                return (
                    StatusCode::CONFLICT,
                    format!("There are {BROADCASTS} broadcasts, the most that can be set; delete one first."),
                );
            }
            Self::Unchanged(Unchanged::NotSet { configured: false }) => {
                (StatusCode::NOT_FOUND, "There is no broadcast of this name.")
            }
            Self::Unchanged(Unchanged::NotSet { configured: true }) => (
                StatusCode::NOT_FOUND,
                "The configuration file has this broadcast, and nothing else was set; it is removed there.",
            ),
            Self::Unchanged(Unchanged::NotWritten(_)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The data folder could not be written: take the request as not carried out; the log says why.",
            ),
            Self::NoSuch(what) => (StatusCode::NOT_FOUND, *what),
            Self::Conflict(what) => return (StatusCode::CONFLICT, sentence(what)),
            Self::Store(error) => return (StatusCode::SERVICE_UNAVAILABLE, sentence(&error.to_string())),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "This is a fault of the service."),
        };
        (status, detail.to_owned())
    }
}

/// What begins small elsewhere is a whole sentence here.
fn sentence(what: &str) -> String {
    let mut rest = what.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest).chain(['.']).collect()
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn every_refusal_is_one_sentence_of_problem_json() {
        for (refusal, status) in [
            (Refusal::TokenRequired { wrong: false }, 401),
            (Refusal::TokenRequired { wrong: true }, 401),
            (Refusal::ForeignHost, 403),
            (Refusal::ForeignPage, 403),
            (Refusal::OwnersOnly, 403),
            (Refusal::NotFound, 404),
            (Refusal::NotAllowed { allow: "PUT" }, 405),
            (Refusal::wrong("this is wrong"), 400),
            (Refusal::Unchanged(Unchanged::Full), 409),
            (Refusal::Unchanged(Unchanged::NotSet { configured: true }), 404),
            (Refusal::Unchanged(Unchanged::NotWritten(io::Error::other("x"))), 503),
            (Refusal::NoSuch("There is none."), 404),
            (Refusal::Conflict("this is taken".into()), 409),
            (Refusal::Store(StoreError::Unavailable), 503),
            (Refusal::NothingTraced, 404),
            (Refusal::not_traced(Duration::from_secs(300), Some(true)), 404),
            (Refusal::Busy("this is busy"), 503),
            (Refusal::Failed, 500),
        ] {
            let answer = refusal.answer();
            let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!((answer.status().as_u16(), body["status"].as_u64()), (status, Some(status.into())));
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
            let detail = body["detail"].as_str().unwrap();
            assert!(detail.starts_with(char::is_uppercase) && detail.ends_with('.'), "{detail}");
        }
        assert_eq!(sentence("this is wrong"), "This is wrong.");
    }
}
