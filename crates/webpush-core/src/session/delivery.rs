//! The interface between a protocol and the driver of its connections.

use super::{Command, Input, Session, Timestamp};
use std::convert::Infallible;

/// A protocol that delivers an inbox to its agent on one connection (sans-IO).
///
/// # Calling protocol
///
/// The driver owns the socket, the clock and the store:
///
/// 1. Call [`next_command`](Self::next_command) until it returns `None`, carrying out each command before asking for the
///    next. If a command has a result, pass the result to [`handle`](Self::handle) first.
/// 2. Wait for bytes of the agent, an event of the service, or [`next_deadline`](Self::next_deadline).
/// 3. Pass the event to [`handle`](Self::handle) with the current time, and go back to 1.
///
/// The connection ends with [`Command::Finish`], or with an action that closes it. Only [`Command::Settle`] may follow.
pub trait DeliveryProtocol {
    /// An event of the connection, which includes those of the session.
    type Input<'a>: From<Input>;

    /// A command of the protocol itself: a frame to send, or a request to the service.
    type Action;

    /// Handles an event.
    fn handle(&mut self, input: Self::Input<'_>, now: Timestamp);

    /// Returns the next command; `None` until the next event.
    fn next_command(&mut self) -> Option<ProtocolCommand<Self::Action>>;

    /// Returns the time at which to handle [`Input::Deadline`] unless another event comes first.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Returns the session, once the agent is identified.
    fn session(&self) -> Option<&Session>;
}

/// A command to the driver of a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum ProtocolCommand<A> {
    /// A command of the session.
    Session(Command),
    /// A command of the protocol.
    Action(A),
}

/// Server push and server-sent events: the request starts the session, and the response ends with it.
impl DeliveryProtocol for Session {
    type Input<'a> = Input;
    type Action = Infallible;

    fn handle(&mut self, input: Input, now: Timestamp) {
        Self::handle(self, input, now);
    }

    fn next_command(&mut self) -> Option<ProtocolCommand<Infallible>> {
        Self::next_command(self).map(ProtocolCommand::Session)
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        Self::next_deadline(self)
    }

    fn session(&self) -> Option<&Session> {
        Some(self)
    }
}
