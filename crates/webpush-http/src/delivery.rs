//! Delivery to connected agents, with one driver for all transports.
//!
//! | to find | look in |
//! |---|---|
//! | the loop, and the interface of a transport | `driver` |
//! | the state of an agent that all transports need | `agent`, `timer` |
//! | server push | [`server_push`]; one push, `server_push::push`; confirmation by PING, `server_push::confirmation` |
//! | server-sent events | [`events`] |
//! | WebSocket | [`websocket`]; its frames, `websocket::frames` |
//! | MCS, to Chromium | [`mcs`] |
//! | the stream of the last two, and their registration | `socket`, `session_handle` |
//! | the acknowledgement of receipts by `Last-Event-ID` | `receipt_ack` |

mod agent;
mod driver;
pub mod events;
pub mod mcs;
mod receipt_ack;
pub mod server_push;
mod session_handle;
mod socket;
mod timer;
pub mod websocket;

use crate::answer::{Answer, empty};
use crate::resources::cors;
use crate::resources::legacy;
use crate::server::HttpServer;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use webpush_core::capability::KeyId;
use webpush_core::problem::Problem;
use webpush_core::protocol::rfc8030::MonitorRequest;
use webpush_core::session::{End, Redelivery, Scope};
use webpush_service::client_addr::ClientAddr;
use webpush_service::service::Service;
use webpush_store::StoreError;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A request for the messages of an inbox, by server push or server-sent events.
pub struct DeliveryRequest {
    /// The part of the inbox to deliver.
    pub scope: Scope,
    /// The client that reads it.
    pub client: ClientAddr,
    /// The preferences in the headers of the request.
    pub preferences: MonitorRequest,
    /// The requested resource.
    pub resource: DeliveryResource,
    /// The origin of the request as the client sees it, perhaps through a proxy.
    ///
    /// Promised requests must have the same (RFC 9113 §8.4).
    pub origin: Option<String>,
}

/// The kind of resource that an agent requests messages from.
///
/// It decides about the response to the request and about redelivery. The messages follow the protocols of their
/// subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryResource {
    /// A subscription, a subscription set or a receipt subscription (RFC 8030 §6).
    Rfc8030,
    /// A device of the legacy API, with the key that seals its URL.
    Device(KeyId),
}

impl DeliveryRequest {
    /// Returns the time after which an unacknowledged message is sent again.
    ///
    /// A device gets it with its next request.
    fn redelivery(&self, service: &Service) -> Redelivery {
        match self.resource {
            DeliveryResource::Rfc8030 => Some(service.limits.load().redelivery_timeout),
            DeliveryResource::Device(_) => None,
        }
    }

    /// Returns the response to an agent that cannot receive pushes.
    pub(crate) fn unsupported(&self, server: &HttpServer) -> Answer {
        let events_available = self.resource == DeliveryResource::Rfc8030;
        let mut answer = server.error_style.answer(&Problem::PushUnsupported { events_available }.into());
        cors::expose(&mut answer);
        self.complete(server, answer)
    }

    /// Returns the response at the end of the session (RFC 8030 §6, §7.3).
    fn ending(&self, end: Result<End, StoreError>, server: &HttpServer) -> Answer {
        let mut answer = match end {
            Ok(End::Nothing) => empty(StatusCode::NO_CONTENT),
            Ok(End::Complete) => empty(StatusCode::OK),
            Ok(End::Gone) => server.error_style.answer(&Problem::NotFound.into()),
            Err(error) => server.error_style.answer(&error.into()),
        };
        if answer.status().is_success() {
            self.add_applied_preference(answer.headers_mut());
        }
        self.complete(server, answer)
    }

    fn complete(&self, server: &HttpServer, answer: Answer) -> Answer {
        match self.resource {
            DeliveryResource::Rfc8030 => answer,
            DeliveryResource::Device(key) => legacy::answer::ending(server, self.scope.inbox, key, answer),
        }
    }

    /// Confirms the `wait` preference, if the request had one (RFC 7240 §3).
    fn add_applied_preference(&self, headers: &mut HeaderMap) {
        if let Some(wait) = self.preferences.wait
            && let Ok(applied) = HeaderValue::try_from(format!("wait={wait}"))
        {
            headers.insert(PREFERENCE_APPLIED, applied);
        }
    }
}
