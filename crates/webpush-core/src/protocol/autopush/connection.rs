//! The state machine of one agent's connection (sans-IO).
//!
//! ```text
//!  open ──▶ Greeting ── hello ──▶ Identifying ── Identified ──▶ Live ──┐
//!               └──────────────────────┴───────────────────────────────┴──▶ Closed
//! ```
//! The [`session`] decides which messages to deliver, and when.

use super::broadcasts::{BroadcastSubscriptions, BroadcastUpdate, Versions};
use super::names::{self, ChannelName};
use super::reply;
use super::request::{AgentRequest, ChannelParameter, DeliveryError};
use crate::capability::Keyring;
use crate::id::{InboxId, MessageId};
use crate::session::Queue;
use crate::session::keepalive::{Keepalive, KeepaliveAction};
use crate::session::{self, DeliveryProtocol, End, ProtocolCommand, Scope, Session};
use crate::time::{CompactDuration, Timestamp};
use crate::urgency::Urgency;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// The protocol state of one agent's WebSocket.
///
/// # Calling protocol
///
/// 1. Create it when the WebSocket is open, and call [`next_command`](Self::next_command) until it returns `None`,
///    carrying out each command before asking for the next. If an [`Action`] has a result, pass the result to
///    [`handle`](Self::handle) before reading another frame, so that an agent cannot queue requests.
/// 2. Wait for a frame of the agent, an event of the service, or [`next_deadline`](Self::next_deadline); pass it to
///    [`handle`](Self::handle) and go back to 1.
/// 3. After [`Action::Close`] send no more frames. Keep passing frames to [`handle`](Self::handle) until the peer has
///    closed, and carry out [`session::Command::Settle`]: acknowledgements that arrive during the close still count.
///
/// ```
/// use std::sync::Arc;
/// use webpush_core::capability::{KeyId, Keyring};
/// # use webpush_core::capability::{NONCE_BYTES, SealingCipher, TAG_BYTES};
/// use webpush_core::protocol::autopush::{
///     Action, AutopushCommand, AutopushConnection, AutopushInput, AutopushTimeouts, names,
/// };
/// use webpush_core::time::Timestamp;
///
/// # struct Cipher;
/// # impl SealingCipher for Cipher {
/// #     fn new(_: &[u8; 32]) -> Option<Self> { Some(Self) }
/// #     fn seal(&self, _: [u8; NONCE_BYTES], _: &[u8], _: &mut [u8]) -> Option<[u8; TAG_BYTES]> { None }
/// #     fn open<'t>(&self, _: [u8; NONCE_BYTES], _: &[u8], _: &'t mut [u8]) -> Option<&'t mut [u8]> { None }
/// # }
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let keyring = Keyring::new::<Cipher>(&[(KeyId(1), [7; 32])]).expect("one key");
/// let mut connection = AutopushConnection::new(&AutopushTimeouts::default(), Arc::default(), now);
///
/// connection.handle(AutopushInput::Text(r#"{"messageType":"hello"}"#, &keyring), now);
/// assert_eq!(connection.next_command(), Some(AutopushCommand::Action(Action::Identify(None))));
/// connection.handle(AutopushInput::Identified(names::new_agent([7; 16])), now);
/// assert!(matches!(connection.next_command(), Some(AutopushCommand::Action(Action::Send(_)))));
/// assert!(matches!(connection.next_command(), Some(AutopushCommand::Session(_))), "a fetch of the inbox");
/// assert_eq!(connection.next_command(), None);
/// ```
#[derive(Debug)]
pub struct AutopushConnection {
    phase: Phase,
    broadcasts: BroadcastSubscriptions,
    keepalive: Keepalive,
    acknowledgement_timeout: CompactDuration,
    /// When to close during shutdown; [`Timestamp::NEVER`] otherwise.
    close_at: Timestamp,
    actions: Queue<Action>,
}

#[derive(Debug)]
enum Phase {
    /// Waits for `hello` until a deadline.
    Greeting(Timestamp),
    /// Waits for [`AutopushInput::Identified`]. Holds the broadcasts for the reply to `hello`.
    Identifying(Box<BroadcastUpdate>),
    /// The agent is identified; messages are delivered.
    Live(Box<Session>),
    /// Nothing more is sent. Acknowledgements still settle messages.
    Closed(Option<Box<Session>>),
}

/// Timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub struct AutopushTimeouts {
    /// From the opening of the WebSocket to `hello`.
    pub hello: Duration,
    /// From the last activity to a ping.
    pub ping: Duration,
    /// From a ping to any activity.
    pub pong: Duration,
    /// From a delivery to its acknowledgement.
    ///
    /// A message that takes longer no longer counts against the window.
    pub acknowledgement: Duration,
}

impl Default for AutopushTimeouts {
    /// Returns the default timeouts.
    ///
    /// The ping interval is longer than that of KUnifiedPush, 5 minutes, whose agents are therefore not pinged.
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(30),
            ping: Duration::from_secs(360),
            pong: Duration::from_secs(60),
            acknowledgement: Duration::from_secs(60),
        }
    }
}

/// An event of a connection.
#[derive(Debug)]
pub enum AutopushInput<'a> {
    /// A text message of the agent.
    Text(&'a str, &'a Keyring),
    /// A WebSocket ping of the agent (RFC 6455 §5.5.2).
    Ping,
    /// Any other activity of the agent.
    Activity,
    /// The result of [`Action::Identify`]: a known agent or a new one.
    Identified(InboxId),
    /// The result of [`Action::Register`].
    Registered(ChannelName, Registration),
    /// The result of [`Action::Unregister`], with the status for the reply.
    Unregistered(ChannelName, u16),
    /// An event of the session, or the result of one of its commands.
    Session(session::Input),
    /// The versions of the broadcasts have changed.
    Broadcasts(Arc<Versions>),
    /// The agent has connected again on another connection.
    Superseded,
    /// The connection must be closed.
    Close(Close),
    /// The service shuts down and closes the connection at that time.
    Draining(Timestamp),
    /// The time that [`AutopushConnection::next_deadline`] returned has been reached.
    Deadline,
}

/// The result of a registration.
#[derive(Debug)]
pub enum Registration {
    /// The push URL.
    Endpoint(String),
    /// The registration was refused.
    Refused {
        /// The status for the reply.
        status: u16,
        /// The reason, in one sentence.
        reason: String,
    },
}

/// A command of the session, or an [`Action`].
///
/// [`session::Command::Finish`] is never returned: the end of the session closes the connection.
pub type AutopushCommand = ProtocolCommand<Action>;

/// A command of the connection itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a text message.
    Send(Cow<'static, str>),
    /// Send a WebSocket ping.
    Ping,
    /// Look up this agent, or create a new one if there is none, and start listening to its inbox.
    Identify(Option<InboxId>),
    /// Create the subscription with this channel ID, or return the existing one.
    Register {
        /// The agent.
        agent: InboxId,
        /// The agent's ID of the subscription.
        channel: ChannelName,
        /// The key of the only application server that may push, not validated.
        key: Option<String>,
    },
    /// Remove the subscription with this channel ID.
    Unregister {
        /// The agent.
        agent: InboxId,
        /// The agent's ID of the subscription.
        channel: ChannelName,
    },
    /// Record that the agent could not process a message.
    ReportError {
        /// The error code of the agent.
        code: u16,
        /// The message, if the agent names one.
        message: Option<MessageId>,
    },
    /// Close the connection. Only [`session::Command::Settle`] may follow.
    Close(Close),
}

/// The status code and reason of a close (RFC 6455 §7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The status code.
    pub code: u16,
    /// One sentence. Truncated if it does not fit.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// Creates a close.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// Creates a close for a policy violation (RFC 6455 §7.4.1: 1008).
    fn policy(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(1008, reason)
    }
}

impl AutopushConnection {
    /// Creates the state of a WebSocket that was opened at `now`.
    #[must_use]
    pub fn new(timeouts: &AutopushTimeouts, versions: Arc<Versions>, now: Timestamp) -> Self {
        Self {
            phase: Phase::Greeting(now.after(timeouts.hello)),
            broadcasts: BroadcastSubscriptions::new(versions),
            keepalive: Keepalive::new(timeouts.ping, timeouts.pong, now),
            acknowledgement_timeout: timeouts.acknowledgement.into(),
            close_at: Timestamp::NEVER,
            actions: Queue::default(),
        }
    }

    /// Returns the next command; `None` until the next event.
    ///
    /// Actions precede commands of the session, and follow them once the connection is closed.
    pub fn next_command(&mut self) -> Option<AutopushCommand> {
        let closed = matches!(self.phase, Phase::Closed(_));
        if closed && let Some(settle) = self.next_session_command() {
            return Some(settle);
        }
        let action = self.actions.pop_front().map(AutopushCommand::Action);
        if closed { action } else { action.or_else(|| self.next_session_command()) }
    }

    fn next_session_command(&mut self) -> Option<AutopushCommand> {
        let closed = matches!(self.phase, Phase::Closed(_));
        let (Phase::Live(session) | Phase::Closed(Some(session))) = &mut self.phase else { return None };
        loop {
            match session.next_command()? {
                session::Command::Finish(End::Gone) if !closed => {
                    let reason = "the agent was removed; send hello without uaid to create a new one";
                    self.close(Close::new(1000, reason));
                    return self.next_command();
                }
                session::Command::Finish(_) => {}
                session::Command::Fetch { .. } | session::Command::Deliver(_) if closed => {}
                command => return Some(AutopushCommand::Session(command)),
            }
        }
    }

    /// Returns the time at which to handle [`AutopushInput::Deadline`] unless another event comes first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let phase_deadline = match &self.phase {
            Phase::Greeting(deadline) => Some(*deadline),
            Phase::Identifying(_) => None,
            Phase::Live(session) => session.next_deadline(),
            Phase::Closed(_) => return None,
        };
        phase_deadline.into_iter().chain([self.close_at, self.keepalive.next_deadline()]).min()
    }

    /// Returns the scope of the session, once the agent is identified.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.session().map(Session::scope)
    }

    /// Returns the session, once the agent is identified.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Live(session) | Phase::Closed(Some(session)) => Some(session),
            Phase::Greeting(_) | Phase::Identifying(_) | Phase::Closed(None) => None,
        }
    }

    /// Handles an event.
    pub fn handle(&mut self, input: AutopushInput<'_>, now: Timestamp) {
        match input {
            AutopushInput::Text(text, keyring) => self.handle_text(text, keyring, now),
            AutopushInput::Ping => self.keepalive.on_ping(now),
            AutopushInput::Activity => self.keepalive.on_activity(now),
            AutopushInput::Identified(agent) => self.start_session(agent),
            AutopushInput::Registered(channel, registration) => self.send(match registration {
                Registration::Endpoint(endpoint) => reply::registered(&channel.text, &endpoint),
                Registration::Refused { status, reason } => {
                    reply::not_registered(&channel.text, status, &reason)
                }
            }),
            AutopushInput::Unregistered(channel, status) => {
                self.send(reply::unregistered(&channel.text, status))
            }
            AutopushInput::Session(input) => self.handle_session_input(input, now),
            AutopushInput::Broadcasts(versions) => {
                let update = self.broadcasts.update(versions);
                self.send_broadcasts(&update);
            }
            AutopushInput::Superseded => {
                self.close(Close::new(1000, "replaced by a newer connection of the agent"))
            }
            AutopushInput::Close(close) => self.close(close),
            AutopushInput::Draining(at) => self.close_at = at,
            AutopushInput::Deadline => self.handle_deadline(now),
        }
    }

    fn handle_text(&mut self, text: &str, keyring: &Keyring, now: Timestamp) {
        self.keepalive.on_activity(now);
        let request = match AgentRequest::parse(text) {
            Ok(request) => request,
            Err(error) => return self.close(Close::new(1007, error.to_string())),
        };
        match (&self.phase, request) {
            (_, AgentRequest::Other) => {}
            (Phase::Live(_), AgentRequest::Nack(error)) => self.report_error(error, keyring),
            (_, AgentRequest::Nack(_)) => {}
            (_, AgentRequest::Ping) => {
                self.keepalive.on_ping(now);
                self.send(reply::PONG);
            }
            (Phase::Greeting(_), AgentRequest::Hello { agent, broadcasts }) => {
                self.phase = Phase::Identifying(Box::new(self.broadcasts.follow(broadcasts)));
                self.actions.push_back(Action::Identify(agent));
            }
            (Phase::Greeting(_), _) => self.close(Close::policy("hello must be the first message")),
            (Phase::Live(_), AgentRequest::Hello { .. }) => {
                self.close(Close::policy("hello was already sent"))
            }
            (Phase::Live(session), request) => {
                let agent = session.scope().inbox;
                self.handle_request(agent, request, keyring, now);
            }
            (Phase::Closed(Some(_)), AgentRequest::Ack { versions, .. }) => {
                self.acknowledge(&versions, keyring, now);
            }
            (Phase::Identifying(_) | Phase::Closed(_), _) => {}
        }
    }

    fn handle_request(&mut self, agent: InboxId, request: AgentRequest, keyring: &Keyring, now: Timestamp) {
        match request {
            AgentRequest::Register { channel: ChannelParameter::Valid(channel), key } => {
                self.actions.push_back(Action::Register { agent, channel, key });
            }
            AgentRequest::Register { channel: ChannelParameter::Invalid(text), .. } => {
                self.send(reply::not_registered(&text, 400, "channelID must be a UUID"));
            }
            AgentRequest::Unregister { channel: ChannelParameter::Valid(channel) } => {
                self.actions.push_back(Action::Unregister { agent, channel });
            }
            // No subscription can have an invalid channel ID, so there is nothing to remove.
            AgentRequest::Unregister { channel: ChannelParameter::Invalid(text) } => {
                self.send(reply::unregistered(&text, 200));
            }
            AgentRequest::Ack { versions, errors } => {
                errors.into_iter().for_each(|error| self.report_error(error, keyring));
                self.acknowledge(&versions, keyring, now);
            }
            AgentRequest::BroadcastSubscribe(versions) => {
                let update = self.broadcasts.follow(versions);
                self.send_broadcasts(&update);
            }
            AgentRequest::Urgency(Some(min_urgency)) => {
                self.send(reply::urgency(200));
                self.handle_session_input(session::Input::MinUrgency(min_urgency), now);
            }
            AgentRequest::Urgency(None) => self.send(reply::urgency(400)),
            AgentRequest::Hello { .. } | AgentRequest::Ping | AgentRequest::Nack(_) | AgentRequest::Other => {
            }
        }
    }

    /// Settles messages in any order. Unknown versions are ignored.
    fn acknowledge(&mut self, versions: &[String], keyring: &Keyring, now: Timestamp) {
        let entries = versions.iter().filter_map(|version| names::message(version, keyring)).collect();
        self.handle_session_input(session::Input::Acknowledged(entries), now);
    }

    fn report_error(&mut self, DeliveryError { code, version }: DeliveryError, keyring: &Keyring) {
        let entry = version.and_then(|version| names::message(&version, keyring));
        self.actions.push_back(Action::ReportError { code, message: entry.map(|entry| entry.message) });
    }

    /// Replies to `hello` and starts the session. The reply precedes the first message.
    fn start_session(&mut self, agent: InboxId) {
        let Phase::Identifying(update) = &self.phase else { return };
        let hello = reply::hello(agent, update);
        let scope = Scope { inbox: agent, subscription: None, min_urgency: Urgency::VeryLow };
        self.phase = Phase::Live(Box::new(Session::windowed(scope, self.acknowledgement_timeout.into())));
        self.send(hello);
    }

    fn handle_session_input(&mut self, input: session::Input, now: Timestamp) {
        if let Phase::Live(session) | Phase::Closed(Some(session)) = &mut self.phase {
            session.handle(input, now);
        }
    }

    fn send_broadcasts(&mut self, update: &BroadcastUpdate) {
        if !update.is_empty() && matches!(self.phase, Phase::Live(_)) {
            self.send(reply::broadcast(update));
        }
    }

    fn handle_deadline(&mut self, now: Timestamp) {
        match &self.phase {
            Phase::Greeting(deadline) if *deadline <= now => {
                return self.close(Close::policy("hello was not received in time"));
            }
            Phase::Live(_) => self.handle_session_input(session::Input::Deadline, now),
            _ => {}
        }
        if self.close_at <= now {
            return self.close(Close::new(1001, "the server is shutting down; reconnect"));
        }
        match self.keepalive.check(now) {
            KeepaliveAction::Wait => {}
            KeepaliveAction::Ping if matches!(self.phase, Phase::Closed(_)) => {}
            KeepaliveAction::Ping => self.actions.push_back(Action::Ping),
            KeepaliveAction::Close => self.close(Close::policy("the ping was not answered in time")),
        }
    }

    fn send(&mut self, text: impl Into<Cow<'static, str>>) {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.actions.push_back(Action::Send(text.into()));
        }
    }

    /// Closes the connection and drops pending actions except replies. Settling continues.
    fn close(&mut self, close: Close) {
        let session = match std::mem::replace(&mut self.phase, Phase::Closed(None)) {
            Phase::Live(session) => Some(session),
            Phase::Greeting(_) | Phase::Identifying(_) => None,
            closed @ Phase::Closed(_) => {
                self.phase = closed;
                return;
            }
        };
        self.phase = Phase::Closed(session);
        self.actions.retain(|action| matches!(action, Action::Send(_)));
        self.actions.push_back(Action::Close(close));
    }
}

impl From<session::Input> for AutopushInput<'_> {
    fn from(input: session::Input) -> Self {
        match input {
            session::Input::Deadline => Self::Deadline,
            session::Input::Superseded => Self::Superseded,
            input => Self::Session(input),
        }
    }
}

impl DeliveryProtocol for AutopushConnection {
    type Input<'a> = AutopushInput<'a>;
    type Action = Action;

    fn handle(&mut self, input: AutopushInput<'_>, now: Timestamp) {
        Self::handle(self, input, now);
    }

    fn next_command(&mut self) -> Option<AutopushCommand> {
        Self::next_command(self)
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        Self::next_deadline(self)
    }

    fn session(&self) -> Option<&Session> {
        Self::session(self)
    }
}

#[cfg(test)]
mod tests;
