//! The control API, below `/dev` of this server's origin.

mod error;
mod events;
mod faults;
mod messages;
mod pages;
pub(crate) mod query;
pub(crate) mod subscribe;
mod subscriptions;

use crate::access::{self, authority};
use crate::duration;
use crate::namespace::{Namespace, NamespaceScope};
use crate::ready::Addresses;
use crate::state::Dev;
use bytes::Bytes;
use error::ControlError;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use webpush_core::problem::Problem;
use webpush_http::answer::{Answer, empty};
use webpush_http::body::Body;
use webpush_http::interceptor::Interception;

/// Maximum size of a request body.
const MAX_BYTES: usize = 64 * 1024;

/// Returns the path below the API of a request that is for it.
pub(crate) fn path(head: &Parts) -> Option<&str> {
    let path = head.uri.path().strip_prefix("/dev")?;
    (path.is_empty() || path.starts_with('/')).then_some(path)
}

/// Handles a request to the API.
pub(crate) async fn serve(dev: &Arc<Dev>, head: &Parts, mut body: Body, path: &str) -> Interception {
    let mut outcome = match dispatch(dev, head, &mut body, path).await {
        Ok(outcome) => outcome,
        Err(error) => {
            body.discard().await;
            Interception::Answer(error.answer())
        }
    };
    if let Interception::Answer(answer) = &mut outcome {
        let headers = answer.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    }
    outcome
}

async fn dispatch(
    dev: &Arc<Dev>,
    head: &Parts,
    body: &mut Body,
    path: &str,
) -> Result<Interception, ControlError> {
    access::check(head, &dev.names).map_err(ControlError::Forbidden)?;
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (scope, segments) = match &segments[..] {
        ["ns", name, rest @ ..] => {
            (NamespaceScope::One(Namespace::parse(name).map_err(ControlError::BadRequest)?), rest)
        }
        all => (NamespaceScope::All, all),
    };
    let method = if head.method == Method::HEAD { Method::GET } else { head.method.clone() };
    let allow = methods(segments).ok_or(ControlError::NotFound)?;
    if !allow.split(", ").any(|allowed| allowed == method.as_str()) {
        return Err(ControlError::MethodNotAllowed(allow));
    }
    let query = query::Parameters::parse(head.uri.query().unwrap_or_default());
    if segments == ["events"] {
        return events::stream(dev, scope);
    }
    answer(dev, head, body, &scope, &method, segments, &query).await.map(Interception::Answer)
}

/// Returns the methods of a resource.
fn methods(segments: &[&str]) -> Option<&'static str> {
    Some(match segments {
        []
        | ["ready" | "env" | "openapi.json" | "inspector.js" | "events" | "proxy"]
        | ["messages", _]
        | ["messages", _, "body"] => "GET",
        ["subscriptions"] => "GET, POST",
        ["clock"] => "GET, POST, DELETE",
        ["subscriptions", _] => "GET, PATCH, DELETE",
        ["subscriptions", _, "rotate"] | ["reset"] => "POST",
        ["messages"] => "GET, DELETE",
        ["faults"] => "GET, POST, DELETE",
        ["faults", _] => "DELETE",
        _ => return None,
    })
}

async fn answer(
    dev: &Arc<Dev>,
    head: &Parts,
    body: &mut Body,
    scope: &NamespaceScope,
    method: &Method,
    segments: &[&str],
    query: &query::Parameters,
) -> Result<Answer, ControlError> {
    match (segments, method.as_str()) {
        ([], _) => Ok(pages::inspector()),
        (["inspector.js"], _) => Ok(pages::script()),
        (["openapi.json"], _) => Ok(pages::openapi()),
        (["ready"], _) => {
            let line = seen_from(dev, head).ready_line().map_err(|_| ControlError::Internal)?;
            Ok(typed("application/json", Bytes::from(line)))
        }
        (["env"], _) => Ok(typed("text/plain; charset=utf-8", Bytes::from(seen_from(dev, head).exports()))),
        (["subscriptions"], "GET") => subscriptions::list(dev, scope),
        (["subscriptions"], _) => {
            subscriptions::create(dev, scope, &seen_from(dev, head), read(head, body).await?).await
        }
        (["subscriptions", id], "GET") => subscriptions::show(dev, scope, id),
        (["subscriptions", id], "PATCH") => {
            subscriptions::change(dev, scope, id, read(head, body).await?).await
        }
        (["subscriptions", id], _) => subscriptions::expire(dev, scope, id).await,
        (["subscriptions", id, _], _) => subscriptions::rotate(dev, scope, &seen_from(dev, head), id).await,
        (["messages"], "GET") => messages::list(dev, scope, query).await,
        (["messages"], _) => {
            dev.records.clear(scope);
            Ok(empty(StatusCode::NO_CONTENT))
        }
        (["messages", id], _) => messages::show(dev, scope, id),
        (["messages", id, _], _) => messages::body(dev, scope, id),
        (["faults"], "GET") => faults::list(dev, scope),
        (["faults"], "POST") => faults::add(dev, scope, read(head, body).await?),
        (["faults"], _) => {
            dev.faults.remove(scope, None);
            Ok(empty(StatusCode::NO_CONTENT))
        }
        (["faults", id], _) if dev.faults.remove(scope, Some(id)) => Ok(empty(StatusCode::NO_CONTENT)),
        (["clock"], "GET") => clock(dev),
        (["clock"], "POST") => advance(dev, &read(head, body).await?).await,
        (["clock"], _) => {
            dev.reset_clock();
            clock(dev)
        }
        (["proxy"], _) => {
            reply(&json!({ "forwarded": dev.proxy.forwarded(), "refused": dev.proxy.refused() }))
        }
        (["reset"], _) => {
            dev.reset(scope).await.map_err(ControlError::Store)?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        _ => Err(ControlError::NotFound),
    }
}

/// Returns the addresses by which the client of a request reaches this server.
fn seen_from(dev: &Dev, head: &Parts) -> Addresses {
    let authority = authority(head);
    dev.addresses.seen_from(authority.as_ref().map_or("", |authority| authority.host()), &dev.names)
}

/// The request to advance the clock.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: String,
}

async fn advance(dev: &Dev, request: &Advance) -> Result<Answer, ControlError> {
    let by = duration::parse(&request.advance).map_err(ControlError::BadRequest)?;
    dev.advance(by).await.map_err(ControlError::Store)?;
    clock(dev)
}

fn clock(dev: &Dev) -> Result<Answer, ControlError> {
    reply(&json!({ "now": dev.service.now().rfc3339(), "advanced": duration::format(dev.clock.advanced()) }))
}

/// Reads JSON. An empty body is an empty object.
async fn read<T: DeserializeOwned>(head: &Parts, body: &mut Body) -> Result<T, ControlError> {
    let bytes = body.read(&head.headers, MAX_BYTES).await.map_err(|problem| match problem {
        Problem::BodyTooLarge { .. } => ControlError::TooLarge,
        _ => ControlError::BadRequest("the request body did not arrive in time".to_owned()),
    })?;
    let bytes = if bytes.is_empty() { &b"{}"[..] } else { &bytes };
    serde_json::from_slice(bytes).map_err(|error| ControlError::BadRequest(error.to_string()))
}

fn reply(value: &impl Serialize) -> Result<Answer, ControlError> {
    let json = serde_json::to_vec(value).map_err(|_| ControlError::Internal)?;
    Ok(typed("application/json", Bytes::from(json)))
}

fn typed(media_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

fn with_allow(mut answer: Answer, methods: &'static str) -> Answer {
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
    answer
}
