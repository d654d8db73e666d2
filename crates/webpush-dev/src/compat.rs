//! The API of npm `web-push-testing`, so that its users only change a port.
//!
//! Its routes are at the origin. Statuses of pushes are those of a real service, where the original has its own.

use crate::access;
use crate::control::subscribe;
use crate::namespace::{Namespace, NamespaceScope};
use crate::push::{self, Endpoint, Request};
use crate::record::State;
use crate::service_name::ServiceName;
use crate::state::Dev;
use crate::subscription::KeysView;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use webpush_http::answer::{Answer, empty};
use webpush_http::body::Body;

/// Maximum size of a request to the API.
const MAX_BYTES: usize = 64 * 1024;
/// The prefix of push URLs.
const NOTIFY: &str = "/notify/";
const EXPIRE: &str = "/expire-subscription/";

/// A route of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompatRoute {
    Status,
    Subscribe,
    Notify,
    GetNotifications,
    Expire,
}

impl CompatRoute {
    /// Returns the route of a request; `None` if it is not of this API.
    pub(crate) fn from_request(head: &Parts) -> Option<Self> {
        if head.method != Method::POST {
            return None;
        }
        match head.uri.path() {
            "/status" => Some(Self::Status),
            // Without JSON or a form it is that of RFC 8030.
            "/subscribe" if is_json(head) || is_form(head) => Some(Self::Subscribe),
            "/get-notifications" => Some(Self::GetNotifications),
            path if path.starts_with(NOTIFY) => Some(Self::Notify),
            path if path.starts_with(EXPIRE) => Some(Self::Expire),
            _ => None,
        }
    }
}

/// Handles a request.
pub(crate) async fn serve(
    dev: &Arc<Dev>,
    request: Request<'_>,
    mut body: Body,
    route: CompatRoute,
) -> Answer {
    let head = request.head;
    if route == CompatRoute::Notify {
        return notify(dev, request, body).await;
    }
    if let Err(error) = access::check(head, &dev.names) {
        body.discard().await;
        return failure(StatusCode::FORBIDDEN, &error);
    }
    let Ok(bytes) = body.read(&head.headers, MAX_BYTES).await else {
        return failure(StatusCode::BAD_REQUEST, "the request is too long or incomplete");
    };
    match route {
        CompatRoute::Status => text("OK"),
        CompatRoute::Subscribe => subscribe_client(dev, head, &bytes).await,
        CompatRoute::GetNotifications => notifications(dev, head, &bytes),
        CompatRoute::Expire => expire(dev, head).await,
        CompatRoute::Notify => empty(StatusCode::NOT_FOUND),
    }
}

async fn subscribe_client(dev: &Arc<Dev>, head: &Parts, body: &[u8]) -> Answer {
    let Some(members) = members(head, body) else {
        return failure(StatusCode::BAD_REQUEST, "the request is not JSON");
    };
    let key = members.get("applicationServerKey").and_then(Value::as_str);
    let hash: [u8; 32] = match dev.service.random() {
        Ok(hash) => hash,
        Err(error) => return failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let namespace = Namespace::default_namespace();
    match subscribe::virtual_subscription(dev, &dev.addresses, namespace, ServiceName::Local, key, None).await
    {
        Ok(subscription) => {
            dev.client_hashes.add(hash.clone(), subscription.id.clone());
            let keys = subscription.agent.as_ref().map(|agent| KeysView::new(&agent.keys));
            let endpoint = format!("{}{NOTIFY}{hash}", dev.addresses.origin());
            json_answer(&json!({ "data": { "endpoint": endpoint, "keys": keys, "clientHash": hash } }))
        }
        Err(error) => failure(StatusCode::BAD_REQUEST, &error),
    }
}

async fn notify(dev: &Arc<Dev>, request: Request<'_>, body: Body) -> Answer {
    let path = request.head.uri.path();
    let token = subscription_of(dev, path.trim_start_matches(NOTIFY)).and_then(|subscription| {
        let (inbox, id) = subscription.target;
        let push = webpush_core::capability::Capability::Push(inbox, id);
        let path = dev.service.path(push, dev.service.keyring.current()).ok()?;
        path.rsplit('/').next().map(str::to_owned)
    });
    let url = format!("{}{path}", dev.addresses.origin());
    let Some(endpoint) = token.and_then(|token| Endpoint::local(url, &token)) else {
        return failure(StatusCode::NOT_FOUND, "there is no such subscription");
    };
    let answer = push::serve(dev, request, endpoint, body).await;
    match answer.status() {
        StatusCode::GONE => {
            let reason = "Push subscription has unsubscribed or expired.";
            with_status(StatusCode::GONE, &json!({ "reason": reason }))
        }
        status if status.is_success() => answer,
        status => {
            let problem: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            failure(status, problem["detail"].as_str().unwrap_or("the push was refused"))
        }
    }
}

fn notifications(dev: &Dev, head: &Parts, body: &[u8]) -> Answer {
    let members = members(head, body).unwrap_or_default();
    let hash = members.get("clientHash").and_then(Value::as_str).unwrap_or_default();
    let Some(subscription) = subscription_of(dev, hash) else {
        return failure(StatusCode::NOT_FOUND, "there is no such subscription");
    };
    let records = dev.records.find(0, usize::MAX, |record| {
        record.subscription.as_deref() == Some(&*subscription.id)
            && matches!(record.state, State::Accepted | State::Delivered)
    });
    let texts: Vec<_> = records.into_iter().filter_map(|record| record.content.text).collect();
    json_answer(&json!({ "data": { "messages": texts } }))
}

async fn expire(dev: &Dev, head: &Parts) -> Answer {
    match subscription_of(dev, head.uri.path().trim_start_matches(EXPIRE)) {
        None => failure(StatusCode::NOT_FOUND, "there is no such subscription"),
        Some(subscription) => match dev.expire(&subscription).await {
            Ok(()) => empty(StatusCode::OK),
            Err(error) => failure(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        },
    }
}

fn subscription_of(dev: &Dev, hash: &str) -> Option<Arc<crate::subscription::KnownSubscription>> {
    let id = dev.client_hashes.id(hash)?;
    dev.subscriptions.get(&NamespaceScope::All, &id)
}

fn is_json(head: &Parts) -> bool {
    has_type(head, "application/json")
}

fn is_form(head: &Parts) -> bool {
    has_type(head, "application/x-www-form-urlencoded")
}

fn has_type(head: &Parts, expected: &str) -> bool {
    let found = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    found.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(expected))
}

/// Returns the members of JSON or of a form; `None` if it is malformed.
fn members(head: &Parts, body: &[u8]) -> Option<serde_json::Map<String, Value>> {
    if is_form(head) {
        let text = String::from_utf8_lossy(body);
        return crate::control::query::pairs(&text)
            .map(|(name, value)| (name, value.into()))
            .collect::<serde_json::Map<_, _>>()
            .into();
    }
    serde_json::from_slice(body).ok()
}

fn text(text: &'static str) -> Answer {
    let mut answer = Response::new(Bytes::from_static(text.as_bytes()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

fn failure(status: StatusCode, message: &str) -> Answer {
    with_status(status, &json!({ "error": { "message": message } }))
}

fn json_answer(value: &Value) -> Answer {
    with_status(StatusCode::OK, value)
}

fn with_status(status: StatusCode, value: &Value) -> Answer {
    let mut answer = Response::new(Bytes::from(value.to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request as HttpRequest;

    #[test]
    fn subscribing_with_a_body_is_told_from_that_of_rfc_8030() {
        let route = |method: &str, path: &str, media_type: &str| {
            let request = HttpRequest::builder().method(method).uri(path).header(CONTENT_TYPE, media_type);
            CompatRoute::from_request(&request.body(()).unwrap().into_parts().0)
        };
        assert_eq!(
            route("POST", "/subscribe", "application/json; charset=utf-8"),
            Some(CompatRoute::Subscribe)
        );
        assert_eq!(
            route("POST", "/subscribe", "application/x-www-form-urlencoded"),
            Some(CompatRoute::Subscribe)
        );
        assert_eq!(route("POST", "/subscribe", "application/webpush-options+json"), None);
        assert_eq!(route("POST", "/notify/abc", ""), Some(CompatRoute::Notify));
        assert_eq!(route("GET", "/status", ""), None);
    }
}
