//! `/_matrix/push/v1/notify`: where Matrix homeservers send notifications (Push Gateway API).

use crate::answer::Answer;
use crate::body::Body;
use crate::gateway::Gateway;
use crate::gateway::limiter::DeliveryPermit;
use crate::gateway::outgoing::{GATEWAY_NAME, Outgoing};
use crate::gateway::target::Target;
use crate::gateway::verdict::Verdict;
use crate::problem::{ErrorKind, ErrorStyle, Failure, RequestError};
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

/// The path, which homeservers insist on.
pub(crate) const PATH: &str = "/_matrix/push/v1/notify";

/// How long a notification is worth keeping: a day, after which homeservers give it up as well.
const TTL_SECONDS: u32 = 86_400;

/// Hands a notification on to every device that it is for, and says which of them the homeserver is to forget.
///
/// If one could not have it for now the answer is an error, since a homeserver sends again only then («should retry»).
/// Those that had it get it twice, which shows nobody anything new, for they know it by its event; not to get it would be
/// a loss. Homeservers make a request for each pusher anyhow. Sygnal answers the same.
pub(crate) async fn notify(
    server: &HttpServer,
    peer: &ClientAddr,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, Failure> {
    let service = &*server.service;
    refuse_loops(&head.headers)?;
    // The body goes with this line: others may take their time, and what is kept for so long is what they are sent.
    let (headers, errands) = errands(service, &body.read(&head.headers, GATEWAY_BODY_BYTES).await?)?;
    let way = OnceLock::new();
    let deliveries = errands.into_iter().map(async |Delivery { pushkey, what }| {
        let here = matches!(&what, Some((Target::Here(..), _)));
        let verdict = deliver(server, peer, &headers, &way, what).await;
        service.metrics.gateway.count_delivery(here, verdict.outcome());
        (pushkey, verdict)
    });
    let mut rejected = Vec::new();
    for (pushkey, verdict) in join_all(deliveries).await {
        match verdict {
            Verdict::Done => {}
            Verdict::Rejected => rejected.push(pushkey),
            Verdict::TryAgain(RequestError::Failure(failure)) => return Err(failure),
            Verdict::TryAgain(error @ RequestError::Gateway(_)) => {
                return Ok(failed(error.kind(), &server.error_style));
            }
        }
    }
    Ok(json(serde_json::json!({ "rejected": rejected }).to_string()))
}

/// The answer to a homeserver that something went wrong: a problem, with the members that Matrix has for errors beside
/// its own (RFC 9457 §3.2).
pub(crate) fn failed(error: ErrorKind<'_>, style: &ErrorStyle) -> Answer {
    let (status, detail) = error.status_and_detail();
    style.answer_with(error, &[("errcode", errcode(status)), ("error", &detail)])
}

/// A request with our own name in it is on its way round: a pushkey that leads back here under another name.
fn refuse_loops(headers: &HeaderMap) -> Result<(), Problem> {
    let is_ours = |via: &HeaderValue| via.to_str().is_ok_and(|via| via.contains(GATEWAY_NAME));
    if headers.get_all(VIA).iter().any(is_ours) {
        return Err(Problem::NotificationMalformed {
            detail: "It comes from a gateway, not from a homeserver",
        });
    }
    Ok(())
}

/// The body is plain JSON. That it says otherwise is the custom of UnifiedPush gateways: push services exist that take
/// nothing without an encoding, and what clients read is this.
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
    /// Where to, and the message; `None` if the pushkey will never work.
    what: Option<(Target, Bytes)>,
}

/// All that is to be done for a notification, and the headers of its messages.
fn errands(service: &Service, body: &[u8]) -> Result<(HeaderMap, Vec<Delivery>), Problem> {
    let notification = Notification::parse(body)?;
    let errands = notification.devices().iter().map(|device| {
        let target = Target::of(device.pushkey(), &service.origin, &service.keyring);
        let what = target.map(|target| (target, notification.message(device)));
        Delivery { pushkey: device.pushkey().to_owned(), what }
    });
    Ok((push_headers(notification.urgency()), errands.collect()))
}

/// How a notification gets to other push services.
enum Route<'s> {
    Open(&'s Outgoing, DeliveryPermit),
    Closed(RequestError),
}

impl<'s> Route<'s> {
    fn of(server: &'s HttpServer, peer: &ClientAddr) -> Self {
        let service = &*server.service;
        match &server.gateway {
            Gateway::All(outgoing) => {
                match outgoing.room.admit(service.rate_limits.load().limited_network(peer)) {
                    Ok(seat) => Self::Open(outgoing, seat),
                    Err(no_room) => Self::Closed(no_room.into()),
                }
            }
            // Not rejected: the pushkey is good, and the operator may change their mind.
            Gateway::Own | Gateway::Off => Self::Closed(Problem::ForeignPushkey.into()),
        }
    }
}

/// The way is found when the first device needs one: a notification for devices of this service alone takes no room.
async fn deliver<'s>(
    server: &'s HttpServer,
    peer: &ClientAddr,
    headers: &HeaderMap,
    way: &OnceLock<Route<'s>>,
    what: Option<(Target, Bytes)>,
) -> Verdict {
    let service = &*server.service;
    match what {
        Some((Target::Here(agent, id), message)) => {
            match publish::deliver(service, peer, headers, message, agent, id).await {
                Ok(()) => Verdict::Done,
                Err(failure) => Verdict::of_own(failure),
            }
        }
        Some((Target::Elsewhere(url), message)) => match way.get_or_init(|| Route::of(server, peer)) {
            Route::Open(outgoing, seat) => {
                let counted = service.rate_limits.load().charge_elsewhere(peer);
                match counted {
                    Ok(()) => Verdict::of_other(outgoing.post(seat, &url, headers, message).await),
                    Err(problem) => Verdict::TryAgain(problem.into()),
                }
            }
            Route::Closed(failure) => Verdict::TryAgain(failure.clone()),
        },
        None => Verdict::Rejected,
    }
}

/// The error codes of Matrix (Client-Server API, «Standard error response»); 404 and 405 are those of its «Unsupported
/// endpoints».
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
