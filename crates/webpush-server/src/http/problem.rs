//! Errors on the wire: one table from what went wrong to status, name and sentence (RFC 9457).

use super::answer::Answer;
use crate::fresh::NoRandomness;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use webpush_core::problem::{Limited, Problem};
use webpush_core::sender::Claim;
use webpush_store::StoreError;

/// After how many seconds a sender should try again when the store is not available.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Why a request was not served.
#[derive(Debug)]
pub enum Failure {
    /// The remote party's fault.
    Problem(Problem),
    /// The store's.
    Store(StoreError),
    /// Ours. Holds what could not be made.
    Internal(&'static str),
}

impl Failure {
    /// A fault of this program, with what it could not make.
    #[must_use]
    pub const fn internal(what: &'static str) -> Self {
        Self::Internal(what)
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

/// One row of the table.
struct Description {
    status: StatusCode,
    name: &'static str,
    title: &'static str,
    detail: String,
}

impl Description {
    fn new(status: StatusCode, name: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, name, title, detail: detail.into() }
    }
}

impl Failure {
    /// The response that says so.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let Description { status, name, title, detail } = self.describe();
        let body = serde_json::json!({
            "type": format!("/errors#{name}"), "title": title, "status": status.as_u16(), "detail": detail,
        });
        let mut answer = Response::new(Bytes::from(body.to_string()));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::Problem(Problem::MethodNotAllowed { allow }) => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            // A bare challenge (RFC 8292 §3).
            Self::Problem(Problem::VapidRequired) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("vapid"));
            }
            Self::Problem(Problem::TooManyRequests { retry_after_seconds, .. }) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
            }
            Self::Problem(Problem::TokenRequired { wrong }) => {
                // RFC 6750 §3.1: no error code when no token came.
                let challenge = if *wrong { "Bearer error=\"invalid_token\"" } else { "Bearer" };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::Store(StoreError::Unavailable) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
            }
            Self::Problem(_) | Self::Store(StoreError::Corrupt) | Self::Internal(_) => {}
        }
        answer
    }

    /// The status and the sentence of the response.
    #[must_use]
    pub fn status_and_detail(&self) -> (StatusCode, String) {
        let Description { status, detail, .. } = self.describe();
        (status, detail)
    }

    fn describe(&self) -> Description {
        match self {
            Self::Problem(problem) => describe(problem),
            Self::Store(StoreError::Unavailable) => Description::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "The message store is not available",
                format!(
                    "Take the request as not carried out, and try again in {RETRY_AFTER_SECONDS} seconds."
                ),
            ),
            Self::Store(StoreError::Corrupt) => Description::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "store-corrupt",
                "A stored record is damaged",
                "The server's log names the file.",
            ),
            Self::Internal(what) => Description::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The server could not make something",
                format!("It could not make {what}. This is a fault of the server."),
            ),
        }
    }
}

fn describe(problem: &Problem) -> Description {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    match problem {
        Problem::TtlMissing => Description::new(
            BAD,
            "ttl-missing",
            "The TTL header is missing",
            "Every push needs a TTL header with a number of seconds (RFC 8030 section 5.2); \
             0 means deliver now or never.",
        ),
        Problem::TtlMalformed => Description::new(
            BAD,
            "ttl-malformed",
            "The TTL header can't be read",
            "TTL must be there once and be a whole number of seconds, digits only (RFC 8030 section 5.2).",
        ),
        Problem::UrgencyMalformed => Description::new(
            BAD,
            "urgency-malformed",
            "The Urgency header can't be read",
            "Urgency must be there once and be one of very-low, low, normal and high (RFC 8030 section 5.3).",
        ),
        Problem::TopicMalformed => Description::new(
            BAD,
            "topic-malformed",
            "The Topic header can't be read",
            "Topic must be there once and have 1 to 32 characters of A-Z a-z 0-9 - _ (RFC 8030 section 5.4).",
        ),
        Problem::HeaderMalformed { name } => Description::new(
            BAD,
            "header-malformed",
            "A header can't be read",
            format!("The header {name} does not follow its grammar."),
        ),
        Problem::HeaderTooLarge { name, limit } => Description::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "header-too-large",
            "A header is too large",
            format!("The header {name} may have {limit} bytes."),
        ),
        Problem::BodyTooLarge { limit } => Description::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "The body is too large",
            format!("A body here may have {limit} bytes."),
        ),
        Problem::BodyIncomplete => Description::new(
            BAD,
            "body-incomplete",
            "The body did not arrive",
            "The body did not arrive whole, or took too long.",
        ),
        Problem::SetUnknown => Description::new(
            BAD,
            "set-unknown",
            "The subscription set is unknown",
            "The Link header names a subscription set that is not here. Leave it out to get a new one.",
        ),
        Problem::ReceiptSubscriptionUnknown => Description::new(
            BAD,
            "receipt-subscription-unknown",
            "The receipt subscription is unknown",
            "The Link header names a receipt subscription that is not here. Leave it out to get a new one.",
        ),
        Problem::OptionsMalformed { detail } => Description::new(
            BAD,
            "options-malformed",
            "The subscription options can't be used",
            format!("{detail} (RFC 8292 section 4.1)"),
        ),
        Problem::VapidRequired => Description::new(
            StatusCode::UNAUTHORIZED,
            "vapid-required",
            "The subscription is for one sender",
            "Say who sends with Authorization: vapid t=..., k=... (RFC 8292 section 3), signed with the key that the \
             subscription was made for.",
        ),
        Problem::VapidInvalid { claim, expected, found } => Description::new(
            StatusCode::FORBIDDEN,
            "vapid-invalid",
            "The sender's credentials are not valid",
            format!("{claim}: expected {expected}, found {found} (RFC 8292 section 4.2)."),
        ),
        Problem::SameKey => Description::new(
            BAD,
            "same-key",
            "The message is encrypted with the sender's own key",
            "Encrypt every message with a new key pair; the VAPID key is only for signing (RFC 8292 section 3.2).",
        ),
        Problem::TooManyRequests { of, retry_after_seconds } => Description::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "Too many requests for now",
            format!("There are too many {}. Try again in {retry_after_seconds} seconds.", of_what(*of)),
        ),
        Problem::TokenRequired { wrong } => Description::new(
            StatusCode::UNAUTHORIZED,
            "token-required",
            "Only holders of a token may subscribe here",
            if *wrong {
                "The token is not one of this server's. Its operator gives them out."
            } else {
                "Send Authorization: Bearer and a token, or put /t/ and the token in front of the path. The operator of \
                 the server gives tokens out."
            },
        ),
        Problem::NotFound => Description::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is nothing here",
            "The URL was never given out by this server, or what it named has expired or was deleted.",
        ),
        Problem::MethodNotAllowed { allow } => Description::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "The method is not for this resource",
            format!("This resource answers {allow}."),
        ),
        Problem::PushUnsupported { events_instead } => Description::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "push-unsupported",
            "Messages are delivered by HTTP/2 server push or as events",
            if *events_instead {
                "Ask over HTTP/2 with server push enabled (SETTINGS_ENABLE_PUSH 1, the default), \
                 or send Accept: text/event-stream to get them as server-sent events over any version."
            } else {
                "This client does not support HTTP/2 server push: ask over HTTP/2 with server push enabled \
                 (SETTINGS_ENABLE_PUSH 1, the default). A device gets no events."
            },
        ),
    }
}

const fn of_what(limited: Limited) -> &'static str {
    match limited {
        Limited::Subscription => "messages to this subscription",
        Limited::Agent => "messages to this user agent",
        Limited::Sender => "messages of this application server (its VAPID key)",
        Limited::Registration => "new subscriptions from this address",
        Limited::Receipts => {
            "new receipt subscriptions from this address (name one that you have with a Link header)"
        }
        Limited::SubscriptionSet => "subscriptions in this set (remove some)",
    }
}

/// All that [`Failure::answer`] can say, for people to read.
pub(super) fn catalogue() -> String {
    let name = http::header::LINK;
    let problems = [
        Problem::TtlMissing,
        Problem::TtlMalformed,
        Problem::UrgencyMalformed,
        Problem::TopicMalformed,
        Problem::HeaderMalformed { name: name.clone() },
        Problem::HeaderTooLarge { name, limit: webpush_core::limits::FORWARDED_HEADER_BYTES },
        Problem::BodyTooLarge { limit: webpush_core::limits::SMALLEST_BODY_LIMIT_BYTES },
        Problem::BodyIncomplete,
        Problem::SetUnknown,
        Problem::ReceiptSubscriptionUnknown,
        Problem::OptionsMalformed { detail: "They are not a JSON object with a P-256 key" },
        Problem::VapidRequired,
        Problem::VapidInvalid {
            claim: Claim::Audience,
            expected: "\"https://push.example\"".into(),
            found: "\"https://push.example/\"".into(),
        },
        Problem::SameKey,
        Problem::TooManyRequests { of: Limited::Subscription, retry_after_seconds: 1 },
        Problem::TokenRequired { wrong: false },
        Problem::NotFound,
        Problem::MethodNotAllowed { allow: "POST, OPTIONS" },
        Problem::PushUnsupported { events_instead: true },
    ];
    let faults = [
        Failure::Store(StoreError::Unavailable),
        Failure::Store(StoreError::Corrupt),
        Failure::Internal("an id"),
    ];
    let mut text =
        String::from("What the errors of this service mean (the examples in the sentences vary).\n");
    for failure in problems.into_iter().map(Failure::Problem).chain(faults) {
        let Description { status, name, title, detail } = failure.describe();
        text.push_str(&format!("\n#{name}: {title} ({})\n    {detail}\n", status.as_u16()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(failure: impl Into<Failure>) -> (u16, serde_json::Value, Answer) {
        let answer = failure.into().answer();
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap(), answer)
    }

    #[test]
    fn problems_are_problem_json_and_agree_with_the_status() {
        let (status, body, answer) = parts(Problem::TtlMissing);
        assert_eq!((status, &body["status"]), (400, &serde_json::json!(400)));
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(body["type"], "/errors#ttl-missing");
    }

    #[test]
    fn r9110_a_405_says_what_is_allowed() {
        let (status, _, answer) = parts(Problem::MethodNotAllowed { allow: "POST, OPTIONS" });
        assert_eq!((status, answer.headers()[ALLOW].to_str().unwrap()), (405, "POST, OPTIONS"));
    }

    #[test]
    fn r8030_8_4_b_a_429_says_what_and_until_when() {
        let of = Limited::Sender;
        let (status, body, answer) = parts(Problem::TooManyRequests { of, retry_after_seconds: 7 });
        assert_eq!((status, answer.headers()[RETRY_AFTER].to_str().unwrap()), (429, "7"));
        assert!(body["detail"].as_str().unwrap().contains("VAPID key"), "{body}");
    }

    #[test]
    fn r6750_3_a_401_names_the_scheme_and_whether_a_token_came() {
        for (wrong, challenge) in [(false, "Bearer"), (true, "Bearer error=\"invalid_token\"")] {
            let (status, _, answer) = parts(Problem::TokenRequired { wrong });
            assert_eq!((status, answer.headers()[WWW_AUTHENTICATE].to_str().unwrap()), (401, challenge));
        }
    }

    #[test]
    fn an_unavailable_store_is_503_with_retry_after() {
        let (status, _, answer) = parts(StoreError::Unavailable);
        assert_eq!((status, answer.headers()[RETRY_AFTER].to_str().unwrap()), (503, "5"));
    }
}
