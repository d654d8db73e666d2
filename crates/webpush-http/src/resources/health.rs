//! Whether the service is there and can work, for load balancers and containers: on both listeners, without a token. The
//! paths are those of Dockerflow and of autopush-rs, whose answer stays 200 when its database is gone.

use crate::answer::{Answer, no_store};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use webpush_service::readiness::NotReady;
use webpush_service::service::Service;

/// Which commit was built, if whoever built it says so: the same sources make the same program.
const COMMIT: Option<&str> = option_env!("WEBPUSH_BUILD_COMMIT");

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is the process there?
    Live,
    /// Should it get requests, as far as that is known without looking?
    Balancing,
    /// Can it work?
    Ready(Words),
    /// Which version is it?
    Version,
}

/// How an answer is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// With the reason, for the operator.
    Admin,
    /// As autopush-rs does, for everybody.
    Public,
}

impl Question {
    /// By a path on the admin listener.
    pub fn on_admin(path: &str) -> Option<Self> {
        match path {
            "/health" | "/healthz" => Some(Self::Live),
            "/ready" | "/readyz" | "/__heartbeat__" => Some(Self::Ready(Words::Admin)),
            "/__lbheartbeat__" => Some(Self::Balancing),
            "/__version__" => Some(Self::Version),
            _ => None,
        }
    }

    /// By a path on the public listener, where autopush-rs has it.
    pub(crate) fn on_public(path: &str) -> Option<Self> {
        match path {
            "/health" | "/__heartbeat__" => Some(Self::Ready(Words::Public)),
            "/status" | "/__lbheartbeat__" => Some(Self::Balancing),
            "/__version__" => Some(Self::Version),
            _ => None,
        }
    }
}

/// Answers a question.
pub async fn answer(service: &Service, question: Question) -> Answer {
    let (status, body) = match question {
        Question::Live => (StatusCode::OK, json!({"status": "live"})),
        Question::Balancing if service.readiness.is_draining() => of(Words::Public, Err(NotReady::Draining)),
        Question::Balancing => of(Words::Public, Ok(())),
        Question::Ready(words) => of(words, service.check_readiness().await),
        Question::Version => {
            let (name, version) = ("webpush-server", env!("CARGO_PKG_VERSION"));
            let mut body = json!({"name": name, "version": version, "source": env!("CARGO_PKG_REPOSITORY")});
            if let Some(commit) = COMMIT {
                body["commit"] = commit.into();
            }
            (StatusCode::OK, body)
        }
    };
    let mut answer = Response::new(Bytes::from(body.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    no_store(&mut answer);
    answer
}

fn of(words: Words, ready: Result<(), NotReady>) -> (StatusCode, Value) {
    let status = if ready.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = match (words, ready) {
        (Words::Admin, Ok(())) => json!({"status": "ready"}),
        (Words::Admin, Err(why)) => json!({"status": "not ready", "reason": why.reason()}),
        (Words::Public, ready) => {
            json!({"status": if ready.is_ok() { "OK" } else { "ERROR" }, "version": env!("CARGO_PKG_VERSION")})
        }
    };
    (status, body)
}
