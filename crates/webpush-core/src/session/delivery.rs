//! The shape that every protocol has for the driver of its connections.

use super::{Command, Input, Session, Timestamp};
use std::convert::Infallible;

/// A protocol that delivers an inbox to its agent on one connection, without the socket (sans-IO).
///
/// One driver serves all of them. It owns the socket, the clock and the store, and makes no decision of its own:
///
/// 1. Call [`next_command`](Self::next_command) until it returns `None`, and carry out each command before asking for
///    the next. Those of the session are the same in every protocol; [`ProtocolCommand::Action`]s are the
///    protocol's own. Where a command has an answer, that answer is the next input.
/// 2. Wait for bytes of the agent, for an event of the service, and until [`next_deadline`](Self::next_deadline).
/// 3. Pass it to [`handle`](Self::handle) with the present time, and begin again.
///
/// The connection ends with [`Command::Finish`], or with an action that says so. After that only
/// [`Command::Settle`] is still to be carried out.
pub trait DeliveryProtocol {
    /// An event of the connection.
    ///
    /// Those of the session are among them: an elapsed deadline is `session::Input::Deadline.into()`.
    type Input<'a>: From<Input>;

    /// A command of the protocol itself: a frame to send, or a request to the service.
    type Action;

    /// Handles one event.
    fn handle(&mut self, input: Self::Input<'_>, now: Timestamp);

    /// Returns the next command, oldest first; `None` until something happens.
    fn next_command(&mut self) -> Option<ProtocolCommand<Self::Action>>;

    /// Returns the time at which to handle [`Input::Deadline`] if nothing else happens before.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Returns the session, once the agent is known.
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

/// Server push and server-sent events.
///
/// The request begins the session, and the end of the session is that of the response.
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
