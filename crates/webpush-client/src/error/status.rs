//! Responses with an unexpected status code.

use super::Fault;
use crate::full_response::FullResponse;
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde::Deserialize;
use std::fmt;

/// Maximum length of a server's explanation in a message.
const MAX_DETAIL_CHARACTERS: usize = 300;

/// A server rejected a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusError {
    /// The origin of the server.
    pub origin: String,
    /// The rejected request.
    pub operation: Operation,
    /// The status code.
    pub status: StatusCode,
    /// The explanation in the problem document (RFC 9457), without control characters.
    pub detail: Option<String>,
    /// When to retry, in seconds (`Retry-After`).
    pub retry_after: Option<u32>,
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Creating a subscription (RFC 8030 §4).
    Subscribe,
    /// Deleting a subscription (RFC 8030 §7.3).
    Unsubscribe,
    /// Receiving messages (RFC 8030 §6).
    Listen,
    /// Receiving a promised message.
    Receive,
    /// Acknowledging a message (RFC 8030 §6.2).
    Acknowledge,
    /// Sending a message (RFC 8030 §5).
    Send,
}

/// The human-readable members of a problem document (RFC 9457 §3.1).
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

impl StatusError {
    /// Creates the error from a response.
    #[must_use]
    pub fn new(origin: &str, operation: Operation, answer: &FullResponse) -> Self {
        let retry_after = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Self {
            origin: origin.to_owned(),
            operation,
            status: answer.status,
            detail: detail(&answer.body),
            retry_after: retry_after.and_then(|value| value.parse().ok()),
        }
    }

    /// Returns the class of the error.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self.status {
            // The URL is not that of a push service.
            StatusCode::NOT_FOUND if self.operation == Operation::Subscribe => Fault::Refused,
            StatusCode::NOT_FOUND | StatusCode::GONE => Fault::Gone,
            // Server errors that are not temporary.
            StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => Fault::Refused,
            StatusCode::TOO_MANY_REQUESTS => Fault::Unavailable,
            status if status.is_server_error() => Fault::Unavailable,
            _ => Fault::Refused,
        }
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, operation, status, detail, retry_after } = self;
        write!(f, "{origin} refused {operation}: {status}")?;
        if let Some(detail) = detail {
            write!(f, ": {detail}")?;
        }
        if let Some(seconds) = retry_after {
            write!(f, " (try again in {seconds} s)")?;
        }
        if (*status, *operation) == (StatusCode::NOT_FOUND, Operation::Subscribe) {
            f.write_str("; is it the URL of a push service (RFC 8030)?")?;
        }
        Ok(())
    }
}

impl std::error::Error for StatusError {}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subscribe => "to create a subscription",
            Self::Unsubscribe => "to delete the subscription",
            Self::Listen => "to deliver messages",
            Self::Receive => "to send a message that it had promised",
            Self::Acknowledge => "the acknowledgement",
            Self::Send => "the message",
        })
    }
}

fn detail(body: &[u8]) -> Option<String> {
    let problem: Problem = serde_json::from_slice(body).ok()?;
    let text = problem.detail.or(problem.title)?;
    // The message may continue after it.
    let text = text.trim_end_matches('.');
    // Control characters could manipulate a terminal.
    Some(text.chars().filter(|character| !character.is_control()).take(MAX_DETAIL_CHARACTERS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn answer(status: u16, body: &'static str) -> FullResponse {
        FullResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.as_bytes().into(),
        }
    }

    fn error(status: u16, body: &'static str) -> StatusError {
        StatusError::new("https://push.example", Operation::Send, &answer(status, body))
    }

    #[test]
    fn messages_contain_the_explanation_of_the_server() {
        let bare = "https://push.example refused the message: 400 Bad Request";
        for (body, expected) in [
            ("", bare.to_owned()),
            ("<html>", bare.to_owned()),
            (r#"{"status":400}"#, bare.to_owned()),
            (r#"{"title":"No TTL"}"#, format!("{bare}: No TTL")),
            (r#"{"title":"No TTL","detail":"Send \u001b[1mTTL."}"#, format!("{bare}: Send [1mTTL")),
        ] {
            assert_eq!(error(400, body).to_string(), expected);
        }
        let mut busy = answer(429, "");
        busy.headers.insert(RETRY_AFTER, 7.into());
        let busy = StatusError::new("http://x", Operation::Send, &busy);
        assert!(busy.to_string().ends_with("429 Too Many Requests (try again in 7 s)"), "{busy}");
    }

    #[test]
    fn status_codes_are_classified() {
        for (status, fault) in [
            (404, Fault::Gone),
            (410, Fault::Gone),
            (400, Fault::Refused),
            (401, Fault::Refused),
            (413, Fault::Refused),
            (501, Fault::Refused),
            (505, Fault::Refused),
            (429, Fault::Unavailable),
            (500, Fault::Unavailable),
            (503, Fault::Unavailable),
        ] {
            assert_eq!(error(status, "").fault(), fault, "{status}");
        }
        let subscribe = StatusError { operation: Operation::Subscribe, ..error(404, "") };
        assert_eq!(subscribe.fault(), Fault::Refused);
        assert!(subscribe.to_string().ends_with("is it the URL of a push service (RFC 8030)?"));
    }
}
