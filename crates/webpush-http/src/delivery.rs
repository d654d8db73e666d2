//! Listening agents: one driver per transport, each a loop around a [`webpush_core::session::Session`].

mod confirmation;
mod driver;
mod entry;
pub mod events;
mod receipt_ack;
pub mod server_push;
mod timer;
pub mod websocket;

use crate::answer::Answer;
use crate::resources::cors;
use crate::resources::legacy;
use crate::server::HttpServer;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use webpush_core::capability::KeyId;
use webpush_core::problem::Problem;
use webpush_core::protocol::rfc8030::MonitorRequest;
use webpush_core::session::{Redelivery, Scope};
use webpush_service::service::Service;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// An agent that listens from now on, on whatever transport it came.
pub struct Monitor {
    /// What it listens to.
    pub scope: Scope,
    /// How it asked.
    pub request: MonitorRequest,
    /// Through which URL it listens.
    pub entrance: Entrance,
    /// The origin it asked at, as it sees it, perhaps through a proxy. Promised requests carry the same (RFC 9113 §8.4).
    pub origin: Option<String>,
}

/// Through which URL an agent listens: what the answer to its request looks like, and how long messages are held for
/// lost. The messages themselves look as their own protocol has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// A subscription, a set or a receipt subscription (RFC 8030 §6).
    Rfc8030,
    /// A device (draft-thomson), whose URL is sealed with this key.
    Device(KeyId),
}

impl Monitor {
    /// After which time what was not acknowledged is sent again on the same stream. A device gets it with its next request.
    fn redelivery(&self, service: &Service) -> Redelivery {
        match self.entrance {
            Entrance::Rfc8030 => Some(service.limits.load().redelivery_timeout),
            Entrance::Device(_) => None,
        }
    }

    /// The answer to an agent that can't take pushes.
    pub(crate) fn unsupported(&self, server: &HttpServer) -> Answer {
        let events_available = self.entrance == Entrance::Rfc8030;
        let mut answer = server.error_style.answer(&Problem::PushUnsupported { events_available }.into());
        cors::expose(&mut answer);
        self.complete(server, answer)
    }

    /// The answer that ends its request, with what the protocol of its URL adds.
    fn complete(&self, server: &HttpServer, answer: Answer) -> Answer {
        match self.entrance {
            Entrance::Rfc8030 => answer,
            Entrance::Device(key) => legacy::answer::ending(server, self.scope.inbox, key, answer),
        }
    }

    /// Says that a wait was applied if one was asked for (RFC 7240 §3).
    fn add_applied_preference(&self, headers: &mut HeaderMap) {
        if let Some(wait) = self.request.wait
            && let Ok(applied) = HeaderValue::try_from(format!("wait={wait}"))
        {
            headers.insert(PREFERENCE_APPLIED, applied);
        }
    }
}
