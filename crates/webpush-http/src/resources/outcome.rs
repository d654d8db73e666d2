//! The outcome of routing one request.

use crate::answer::Answer;
use crate::delivery::Monitor;
use crate::delivery::events::Asked;
use crate::resources::autopush::opening::Opening;

/// What a request leads to.
pub enum RouteOutcome {
    /// A response.
    Answer(Answer),
    /// A stream of pushes, for a transport that has them.
    Monitor(Box<Monitor>),
    /// A stream of events.
    Events(Box<Asked>),
    /// A WebSocket.
    WebSocket(Box<Opening>),
}
