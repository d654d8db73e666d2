//! `/_matrix/push/v1/notify`, where Matrix homeservers send notifications (Push Gateway API).

use crate::answer::Answer;
use crate::body::Body;
use crate::gateway::Gateway;
use crate::gateway::limiter::NotificationPermit;
use crate::gateway::outgoing::{GATEWAY_NAME, Outgoing};
use crate::gateway::target::Target;
use crate::gateway::verdict::Verdict;
use crate::problem::{ErrorKind, ErrorStyle, HttpError, ServiceError};
use crate::resources::rfc8030::publish;
use crate::resources::unifiedpush::json;
use crate::server::HttpServer;
use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{CONTENT_ENCODING, HeaderName, HeaderValue, VIA};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use std::sync::OnceLock;
use webpush_core::matrix::GATEWAY_BODY_BYTES;
use webpush_core::matrix::Notification;
use webpush_core::problem::Problem;
use webpush_core::urgency::Urgency;
use webpush_service::client_addr::ClientAddr;
use webpush_service::service::Service;

/// The path, which homeservers require.
pub(crate) const PATH: &str = "/_matrix/push/v1/notify";

/// TTL of a notification: a day, after which homeservers give up too.
const TTL_SECONDS: u32 = 86_400;

/// Forwards a notification to its devices, and reports the pushkeys that the homeserver should remove.
///
/// If a delivery fails temporarily, the response is an error, without which the homeserver would not retry. The other devices
/// then get the notification twice, which they recognize by its event. Homeservers send one request per device anyway, and
/// Sygnal responds the same.
pub(crate) async fn notify(
    server: &HttpServer,
    client: &ClientAddr,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, ServiceError> {
    let service = &*server.service;
    refuse_loops(&head.headers)?;
    let network = service.rate_limits.load().limited_network(client);
    let permit = match server.notification_bodies.admit(network) {
        Ok(permit) => permit,
        Err(exceeded) => return Ok(failed(HttpError::from(exceeded).kind(), &server.error_style)),
    };
    // The body is dropped here: while other services respond, only their messages are in memory.
    let (headers, deliveries) = {
        let body = body.read_or_shed(&head.headers, GATEWAY_BODY_BYTES, &server.service.memory).await?;
        let turn = service.work_turns.take().await;
        let mut list = deliveries(service, &body);
        // A push URL of this server may have a key that another node has added.
        let has_unknown =
            list.as_ref().is_ok_and(|(_, list)| list.iter().any(|delivery| delivery.what.is_none()));
        if has_unknown && service.find_new_keys().await? {
            list = deliveries(service, &body);
        }
        turn.end().await;
        list?
    };
    drop(permit);
    let route = OnceLock::new();
    let deliveries = deliveries.into_iter().map(async |Delivery { pushkey, what }| {
        let here = matches!(&what, Some((Target::Here(..), _)));
        let verdict = deliver(server, client, &headers, &route, what).await;
        service.metrics.gateway.count_delivery(here, verdict.outcome());
        (pushkey, verdict)
    });
    let mut rejected = Vec::new();
    for (pushkey, verdict) in join_all(deliveries).await {
        match verdict {
            Verdict::Done => {}
            Verdict::Rejected => rejected.push(pushkey),
            Verdict::TryAgain(HttpError::Service(failure)) => return Err(failure),
            Verdict::TryAgain(error @ HttpError::Gateway(_)) => {
                return Ok(failed(error.kind(), &server.error_style));
            }
        }
    }
    Ok(json(serde_json::json!({ "rejected": rejected }).to_string()))
}

/// Returns an error response: a problem with the members of Matrix errors (RFC 9457 §3.2).
pub(crate) fn failed(error: ErrorKind<'_>, style: &ErrorStyle) -> Answer {
    let (status, detail) = error.status_and_detail();
    style.answer_with(error, &[("errcode", errcode(status)), ("error", &detail)])
}

/// Refuses a request from a gateway, whose pushkey leads back to this server under another name.
fn refuse_loops(headers: &HeaderMap) -> Result<(), Problem> {
    let is_ours = |via: &HeaderValue| via.to_str().is_ok_and(|via| via.contains(GATEWAY_NAME));
    if headers.get_all(VIA).iter().any(is_ours) {
        return Err(Problem::NotificationMalformed {
            detail: "It comes from a gateway, not from a homeserver",
        });
    }
    Ok(())
}

/// Returns the headers of a message.
///
/// The body is plain JSON. UnifiedPush gateways send this encoding anyway, because some push services refuse a message
/// without one.
fn push_headers(urgency: Urgency) -> HeaderMap {
    HeaderMap::from_iter([
        (HeaderName::from_static("ttl"), HeaderValue::from(TTL_SECONDS)),
        (HeaderName::from_static("urgency"), HeaderValue::from_static(urgency.as_str())),
        (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
    ])
}

/// One device of a notification.
struct Delivery {
    pushkey: String,
    /// The target and the message; `None` if the pushkey will never work.
    what: Option<(Target, Bytes)>,
}

/// Returns the headers of a notification's messages, and the delivery to each device.
fn deliveries(service: &Service, body: &[u8]) -> Result<(HeaderMap, Vec<Delivery>), Problem> {
    let notification = Notification::parse(body)?;
    let deliveries = notification.devices().iter().map(|device| {
        let target = Target::from_pushkey(device.pushkey(), service.site(), &service.keyring);
        let what = target.map(|target| (target, notification.message(device)));
        Delivery { pushkey: device.pushkey().to_owned(), what }
    });
    Ok((push_headers(notification.urgency()), deliveries.collect()))
}

/// The route of a notification to other push services.
enum Route<'s> {
    Open(&'s Outgoing, NotificationPermit),
    Closed(HttpError),
}

impl<'s> Route<'s> {
    fn new(server: &'s HttpServer, client: &ClientAddr) -> Self {
        let service = &*server.service;
        match &server.gateway {
            Gateway::All(outgoing) => {
                match outgoing.limiter.admit(service.rate_limits.load().limited_network(client)) {
                    Ok(permit) => Self::Open(outgoing, permit),
                    Err(exceeded) => Self::Closed(exceeded.into()),
                }
            }
            // Not rejected: the pushkey is valid, and the configuration may change.
            Gateway::Own | Gateway::Off => Self::Closed(Problem::ForeignPushkey.into()),
        }
    }
}

/// Delivers one message.
///
/// The route is created for the first device that needs it: a notification for this server's devices takes no permit.
async fn deliver<'s>(
    server: &'s HttpServer,
    client: &ClientAddr,
    headers: &HeaderMap,
    route: &OnceLock<Route<'s>>,
    what: Option<(Target, Bytes)>,
) -> Verdict {
    let service = &*server.service;
    match what {
        Some((Target::Here(agent, id), message)) => {
            match publish::deliver(service, client, headers, message, agent, id).await {
                Ok(()) => Verdict::Done,
                Err(failure) => Verdict::from_failure(failure),
            }
        }
        Some((Target::Elsewhere(url), message)) => match route.get_or_init(|| Route::new(server, client)) {
            Route::Open(outgoing, permit) => {
                let counted = service.rate_limits.load().charge_elsewhere(client);
                match counted {
                    Ok(()) => Verdict::from_response(outgoing.post(permit, &url, headers, message).await),
                    Err(problem) => Verdict::TryAgain(problem.into()),
                }
            }
            Route::Closed(failure) => Verdict::TryAgain(failure.clone()),
        },
        None => Verdict::Rejected,
    }
}

/// Returns the Matrix error code (Client-Server API, "Standard error response").
///
/// 404 and 405 have that of "Unsupported endpoints".
fn errcode(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "M_BAD_JSON",
        StatusCode::FORBIDDEN => "M_FORBIDDEN",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "M_UNRECOGNIZED",
        StatusCode::PAYLOAD_TOO_LARGE => "M_TOO_LARGE",
        StatusCode::TOO_MANY_REQUESTS => "M_LIMIT_EXCEEDED",
        _ => "M_UNKNOWN",
    }
}

#[cfg(test)]
mod tests;
