//! Health checks for load balancers and containers, on both listeners and without a token.
//!
//! The paths are those of Dockerflow and autopush-rs.

use crate::answer::{Answer, no_store};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use webpush_service::readiness::NotReady;
use webpush_service::service::Service;

/// The commit, if the build sets it: builds are reproducible, so it is not read from the repository.
const COMMIT: Option<&str> = option_env!("WEBPUSH_BUILD_COMMIT");

/// Agents must still reach the server, so it remains ready.
const FULL: &str =
    "the volume of the data directory is almost full: new messages, agents and subscriptions are refused";

/// The server remains ready, because it serves everything that is whole.
const DAMAGED: &str = "the store is damaged, see the log: stop the server and run webpush-server repair";

/// The server remains ready: another one would get the same load.
const LOW: &str = "memory is low (limits.memory): new messages, subscriptions and sessions are refused";

/// A health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthCheck {
    /// Liveness: the process runs.
    Live,
    /// Readiness for requests, without a test of the store.
    Balancing,
    /// Readiness, with a test of the store.
    Ready(Audience),
    /// The version.
    Version,
}

/// The form of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// With the reason, for operators.
    Admin,
    /// As autopush-rs responds.
    Public,
}

impl HealthCheck {
    /// Returns the check of a path on the admin listener.
    pub fn on_admin(path: &str) -> Option<Self> {
        match path {
            "/health" | "/healthz" => Some(Self::Live),
            "/ready" | "/readyz" | "/__heartbeat__" => Some(Self::Ready(Audience::Admin)),
            "/__lbheartbeat__" => Some(Self::Balancing),
            "/__version__" => Some(Self::Version),
            _ => None,
        }
    }

    /// Returns the check of a path on the public listener.
    pub(crate) fn on_public(path: &str) -> Option<Self> {
        match path {
            "/health" | "/__heartbeat__" => Some(Self::Ready(Audience::Public)),
            "/status" | "/__lbheartbeat__" => Some(Self::Balancing),
            "/__version__" => Some(Self::Version),
            _ => None,
        }
    }
}

/// Performs a check.
pub async fn answer(service: &Service, check: HealthCheck) -> Answer {
    let (status, body) = match check {
        HealthCheck::Live => (StatusCode::OK, json!({"status": "live"})),
        HealthCheck::Balancing if service.readiness.is_draining() => {
            report(Audience::Public, Err(NotReady::Draining))
        }
        HealthCheck::Balancing => report(Audience::Public, Ok(())),
        HealthCheck::Ready(audience) => {
            let (status, mut body) = report(audience, service.check_readiness().await);
            let warnings =
                [(service.is_full(), FULL), (service.is_damaged(), DAMAGED), (service.memory.is_low(), LOW)];
            let mut warnings: Vec<String> =
                warnings.iter().filter(|(is_due, _)| *is_due).map(|(_, text)| (*text).to_owned()).collect();
            let down = service.cells().into_iter().filter(|cell| !cell.is_up);
            warnings.extend(
                down.map(|cell| format!("cell {} is down: requests for its inboxes get 503", cell.name)),
            );
            if audience == Audience::Admin && !warnings.is_empty() {
                body["warning"] = warnings.join("; ").into();
            }
            (status, body)
        }
        HealthCheck::Version => {
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

fn report(audience: Audience, ready: Result<(), NotReady>) -> (StatusCode, Value) {
    let status = if ready.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = match (audience, ready) {
        (Audience::Admin, Ok(())) => json!({"status": "ready"}),
        (Audience::Admin, Err(why)) => json!({"status": "not ready", "reason": why.reason()}),
        (Audience::Public, ready) => {
            json!({"status": if ready.is_ok() { "OK" } else { "ERROR" }, "version": env!("CARGO_PKG_VERSION")})
        }
    };
    (status, body)
}
