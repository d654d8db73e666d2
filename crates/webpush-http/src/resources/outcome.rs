//! The outcome of routing one request.

use crate::answer::Answer;
use crate::delivery::DeliveryRequest;
use crate::delivery::events::EventRequest;
use crate::interceptor::PieceStream;
use crate::resources::autopush::opening::Opening;
use http::Response;
use webpush_service::session_registry::SessionHandle;

/// The result of a request.
pub enum RouteOutcome {
    /// A response.
    Answer(Answer),
    /// A stream of pushes, over HTTP/2.
    ServerPush(Box<DeliveryRequest>, SessionHandle),
    /// A stream of events.
    Events(Box<EventRequest>),
    /// A WebSocket.
    WebSocket(Box<Opening>),
    /// A response that an interceptor streams, over HTTP/1.1.
    Stream(Box<Response<PieceStream>>),
}
