//! One agent's connection from its opening to its close, without a socket and a clock (sans-IO).
//!
//! ```text
//!  opened ──▶ Greeting ── hello ──▶ Identifying ── who it is ──▶ Live ──┐
//!                 └──────────────────────┴──────────────────────────────┴──▶ Closed
//! ```
//! [`session`] decides which messages go to the agent and when.

use super::broadcasts::{BroadcastSubscriptions, BroadcastUpdate, Versions};
use super::names::{self, ChannelName};
use super::reply;
use super::request::{Complaint, Name, Request};
use crate::capability::Keyring;
use crate::id::{InboxId, MessageId};
use crate::session::Queue;
use crate::session::keepalive::{Keepalive, KeepaliveAction};
use crate::session::{self, DeliveryProtocol, End, ProtocolCommand, Scope, Session};
use crate::time::{Span, Timestamp};
use crate::urgency::Urgency;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// The protocol state of one agent's WebSocket.
///
/// # Calling protocol
///
/// 1. Create it when the WebSocket is open, and call [`next_command`](Self::next_command) until it returns `None`,
///    carrying out each command before asking for the next. Where an [`Action`] has an answer, pass the answer to
///    [`handle`](Self::handle) before any frame is read: so an agent that asks for much is held back by its socket.
/// 2. Wait for a frame of the agent, an event of the service, or [`next_deadline`](Self::next_deadline); pass it to
///    [`handle`](Self::handle) and go back to 1.
/// 3. After [`Action::Close`] no more frames are sent. Pass frames that arrive until the peer has closed, and carry out
///    [`session::Command::Settle`]: acknowledgements on the way out still count.
///
/// ```
/// use std::sync::Arc;
/// use webpush_core::capability::{KeyId, Keyring};
/// # use webpush_core::capability::{NONCE_BYTES, SealingCipher, TAG_BYTES};
/// use webpush_core::protocol::autopush::{Action, AutopushConnection, AutopushTimeouts, Command, Input, names};
/// use webpush_core::time::Timestamp;
///
/// # struct Cipher;
/// # impl SealingCipher for Cipher {
/// #     fn new(_: &[u8; 32]) -> Option<Self> { Some(Self) }
/// #     fn seal(&self, _: [u8; NONCE_BYTES], _: &[u8], _: &mut [u8]) -> Option<[u8; TAG_BYTES]> { None }
/// #     fn open<'t>(&self, _: [u8; NONCE_BYTES], _: &[u8], _: &'t mut [u8]) -> Option<&'t mut [u8]> { None }
/// # }
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let keyring = Keyring::new::<Cipher>(&[(KeyId(1), [7; 32])]).expect("there is a key");
/// let mut connection = AutopushConnection::new(&AutopushTimeouts::default(), Arc::default(), now);
///
/// connection.handle(Input::Text(r#"{"messageType":"hello"}"#, &keyring), now);
/// assert_eq!(connection.next_command(), Some(Command::Action(Action::Identify(None))));
/// connection.handle(Input::Identified(names::new_agent([7; 16])), now);
/// assert!(matches!(connection.next_command(), Some(Command::Action(Action::Send(_)))));
/// assert!(matches!(connection.next_command(), Some(Command::Session(_))), "a fetch of the inbox");
/// assert_eq!(connection.next_command(), None);
/// ```
#[derive(Debug)]
pub struct AutopushConnection {
    phase: Phase,
    followed: BroadcastSubscriptions,
    keepalive: Keepalive,
    /// Bounds the wait for each acknowledgement.
    acknowledgement: Span,
    /// When to close: never, until the service stops.
    leaving: Timestamp,
    actions: Queue<Action>,
}

#[derive(Debug)]
enum Phase {
    /// Waits for hello, until then.
    Greeting(Timestamp),
    /// Waits to be told who it is.
    Identifying(Box<BroadcastUpdate>),
    /// The agent is known and listens.
    Live(Box<Session>),
    /// Nothing more is said; what was acknowledged on the way out still counts.
    Closed(Option<Box<Session>>),
}

/// Timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub struct AutopushTimeouts {
    /// From the opening of the WebSocket to the agent's hello.
    pub hello: Duration,
    /// The silence after which the agent is pinged.
    pub ping: Duration,
    /// From a ping to any sign of life.
    pub pong: Duration,
    /// From a delivery to its acknowledgement.
    ///
    /// A message that takes longer does not count against the window any more.
    pub acknowledgement: Duration,
}

impl Default for AutopushTimeouts {
    /// Returns the timeouts of a service that was not told otherwise.
    ///
    /// The ping comes a little later than KUnifiedPush's own, which it sends every 5 minutes: then it is left alone.
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(30),
            ping: Duration::from_secs(360),
            pong: Duration::from_secs(60),
            acknowledgement: Duration::from_secs(60),
        }
    }
}

/// What happens to a connection.
#[derive(Debug)]
pub enum Input<'a> {
    /// A text message of the agent.
    Text(&'a str, &'a Keyring),
    /// A WebSocket ping of the agent (RFC 6455 §5.5.2).
    Pinged,
    /// Another sign of life.
    Heard,
    /// The answer to [`Action::Identify`]: the agent as it is known, or a new one.
    Identified(InboxId),
    /// The answer to [`Action::Register`].
    Registered(ChannelName, Registration),
    /// The answer to [`Action::Unregister`], with the status to say.
    Unregistered(ChannelName, u16),
    /// An event of the session, or the answer to one of its commands.
    Session(session::Input),
    /// The broadcasts have these versions now.
    Broadcasts(Arc<Versions>),
    /// The agent has said hello on another connection.
    Superseded,
    /// The connection is to be closed for this.
    Refused(Close),
    /// The service stops: the connection is closed at that time.
    Draining(Timestamp),
    /// The time given by [`AutopushConnection::next_deadline`] has come.
    Deadline,
}

/// What became of a registration.
#[derive(Debug)]
pub enum Registration {
    /// The push URL.
    Endpoint(String),
    /// It was refused.
    Refused {
        /// The status to say.
        status: u16,
        /// Why, in one sentence.
        why: String,
    },
}

/// A command of the session, or an [`Action`].
///
/// [`session::Command::Finish`] never comes: when the session ends, the connection is closed.
pub type Command = ProtocolCommand<Action>;

/// A command of the connection itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a text message.
    Send(Cow<'static, str>),
    /// Send a WebSocket ping.
    Ping,
    /// Find out whether this agent is known, and begin to listen for it or for a new one.
    Identify(Option<InboxId>),
    /// Make a subscription of that name, or find the one that is there.
    Register {
        /// The agent.
        agent: InboxId,
        /// What it calls the subscription.
        channel: ChannelName,
        /// The key of the only application server that may push, as it was written.
        key: Option<String>,
    },
    /// Remove the subscription of that name.
    Unregister {
        /// The agent.
        agent: InboxId,
        /// What it calls the subscription.
        channel: ChannelName,
    },
    /// Note that the agent could not use a message.
    Complaint {
        /// The reason.
        code: u16,
        /// The message, if it says which.
        message: Option<MessageId>,
    },
    /// Close the connection. After this only settling is asked for.
    Close(Close),
}

/// Why a connection is closed (RFC 6455 §7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The status code.
    pub code: u16,
    /// One sentence; it may be cut to fit.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// With a code and a sentence.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// The agent did what it must not do (RFC 6455 §7.4.1: 1008).
    fn policy(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(1008, reason)
    }
}

impl AutopushConnection {
    /// A connection that was opened just now. Each acknowledgement will be waited for so long.
    #[must_use]
    pub fn new(timeouts: &AutopushTimeouts, versions: Arc<Versions>, now: Timestamp) -> Self {
        Self {
            phase: Phase::Greeting(now.after(timeouts.hello)),
            followed: BroadcastSubscriptions::new(versions),
            keepalive: Keepalive::new(timeouts.ping, timeouts.pong, now),
            acknowledgement: timeouts.acknowledgement.into(),
            leaving: Timestamp::NEVER,
            actions: Queue::default(),
        }
    }

    /// Returns the next command; `None` until something happens.
    ///
    /// Commands of the session follow actions. Once the connection is closed they come before.
    pub fn next_command(&mut self) -> Option<Command> {
        let closed = matches!(self.phase, Phase::Closed(_));
        if closed && let Some(settle) = self.next_of_session() {
            return Some(settle);
        }
        let action = self.actions.pop_front().map(Command::Action);
        if closed { action } else { action.or_else(|| self.next_of_session()) }
    }

    fn next_of_session(&mut self) -> Option<Command> {
        let closed = matches!(self.phase, Phase::Closed(_));
        let (Phase::Live(session) | Phase::Closed(Some(session))) = &mut self.phase else { return None };
        loop {
            match session.next_command()? {
                session::Command::Finish(End::Gone) if !closed => {
                    let reason = "the agent was removed: say hello without uaid to get a new one";
                    self.close(Close::new(1000, reason));
                    return self.next_command();
                }
                session::Command::Finish(_) => {}
                session::Command::Fetch { .. } | session::Command::Deliver(_) if closed => {}
                command => return Some(Command::Session(command)),
            }
        }
    }

    /// When to say [`Input::Deadline`] if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let of_phase = match &self.phase {
            Phase::Greeting(until) => Some(*until),
            Phase::Identifying(_) => None,
            Phase::Live(session) => session.next_deadline(),
            Phase::Closed(_) => return None,
        };
        of_phase.into_iter().chain([self.leaving, self.keepalive.next_deadline()]).min()
    }

    /// What the session listens to, once there is one.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.session().map(Session::scope)
    }

    /// The session, once there is one.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Live(session) | Phase::Closed(Some(session)) => Some(session),
            Phase::Greeting(_) | Phase::Identifying(_) | Phase::Closed(None) => None,
        }
    }

    /// Takes one thing that happened.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp) {
        match input {
            Input::Text(text, keyring) => self.text(text, keyring, now),
            Input::Pinged => self.keepalive.on_ping(now),
            Input::Heard => self.keepalive.on_activity(now),
            Input::Identified(agent) => self.identified(agent),
            Input::Registered(channel, registered) => self.send(match registered {
                Registration::Endpoint(endpoint) => reply::registered(&channel.text, &endpoint),
                Registration::Refused { status, why } => reply::not_registered(&channel.text, status, &why),
            }),
            Input::Unregistered(channel, status) => self.send(reply::unregistered(&channel.text, status)),
            Input::Session(input) => self.tell_session(input, now),
            Input::Broadcasts(versions) => {
                let told = self.followed.update(versions);
                self.tell_broadcasts(&told);
            }
            Input::Superseded => self.close(Close::new(1000, "the agent has connected again elsewhere")),
            Input::Refused(close) => self.close(close),
            Input::Draining(at) => self.leaving = at,
            Input::Deadline => self.deadline(now),
        }
    }

    fn text(&mut self, text: &str, keyring: &Keyring, now: Timestamp) {
        self.keepalive.on_activity(now);
        let request = match Request::parse(text) {
            Ok(request) => request,
            Err(error) => return self.close(Close::new(1007, error.to_string())),
        };
        match (&self.phase, request) {
            (_, Request::Other) => {}
            (Phase::Live(_), Request::Nack(complaint)) => self.complain(complaint, keyring),
            (_, Request::Nack(_)) => {}
            (_, Request::Ping) => {
                self.keepalive.on_ping(now);
                self.send(reply::PONG);
            }
            (Phase::Greeting(_), Request::Hello { agent, broadcasts }) => {
                self.phase = Phase::Identifying(Box::new(self.followed.follow(broadcasts)));
                self.actions.push_back(Action::Identify(agent));
            }
            (Phase::Greeting(_), _) => self.close(Close::policy("hello must be the first message")),
            (Phase::Live(_), Request::Hello { .. }) => {
                self.close(Close::policy("hello has been said before"))
            }
            (Phase::Live(session), request) => {
                let agent = session.scope().inbox;
                self.live(agent, request, keyring, now);
            }
            (Phase::Closed(Some(_)), Request::Ack { versions, .. }) => {
                self.acknowledge(&versions, keyring, now);
            }
            (Phase::Identifying(_) | Phase::Closed(_), _) => {}
        }
    }

    fn live(&mut self, agent: InboxId, request: Request, keyring: &Keyring, now: Timestamp) {
        match request {
            Request::Register { channel: Name::Good(channel), key } => {
                self.actions.push_back(Action::Register { agent, channel, key });
            }
            Request::Register { channel: Name::Bad(text), .. } => {
                self.send(reply::not_registered(&text, 400, "channelID must be a UUID"));
            }
            Request::Unregister { channel: Name::Good(channel) } => {
                self.actions.push_back(Action::Unregister { agent, channel });
            }
            // What can't be a channel is not there, which is what the agent wants.
            Request::Unregister { channel: Name::Bad(text) } => self.send(reply::unregistered(&text, 200)),
            Request::Ack { versions, complaints } => {
                complaints.into_iter().for_each(|complaint| self.complain(complaint, keyring));
                self.acknowledge(&versions, keyring, now);
            }
            Request::BroadcastSubscribe(named) => {
                let told = self.followed.follow(named);
                self.tell_broadcasts(&told);
            }
            Request::Urgency(Some(min_urgency)) => {
                self.send(reply::urgency(200));
                self.tell_session(session::Input::MinUrgency(min_urgency), now);
            }
            Request::Urgency(None) => self.send(reply::urgency(400)),
            Request::Hello { .. } | Request::Ping | Request::Nack(_) | Request::Other => {}
        }
    }

    /// Each acknowledgement settles its own message, in any order. Unknown versions are ignored.
    fn acknowledge(&mut self, versions: &[String], keyring: &Keyring, now: Timestamp) {
        let entries = versions.iter().filter_map(|version| names::message(version, keyring)).collect();
        self.tell_session(session::Input::Acknowledged(entries), now);
    }

    fn complain(&mut self, Complaint { code, version }: Complaint, keyring: &Keyring) {
        let entry = version.and_then(|version| names::message(&version, keyring));
        self.actions.push_back(Action::Complaint { code, message: entry.map(|entry| entry.message) });
    }

    /// The hello goes before the first message, and both go at once.
    fn identified(&mut self, agent: InboxId) {
        let Phase::Identifying(told) = &self.phase else { return };
        let hello = reply::hello(agent, told);
        let scope = Scope { inbox: agent, only: None, min_urgency: Urgency::VeryLow };
        self.phase = Phase::Live(Box::new(Session::windowed(scope, self.acknowledgement.into())));
        self.send(hello);
    }

    fn tell_session(&mut self, input: session::Input, now: Timestamp) {
        if let Phase::Live(session) | Phase::Closed(Some(session)) = &mut self.phase {
            session.handle(input, now);
        }
    }

    fn tell_broadcasts(&mut self, told: &BroadcastUpdate) {
        if !told.is_empty() && matches!(self.phase, Phase::Live(_)) {
            self.send(reply::broadcast(told));
        }
    }

    fn deadline(&mut self, now: Timestamp) {
        match &self.phase {
            Phase::Greeting(until) if *until <= now => {
                return self.close(Close::policy("no hello came in time"));
            }
            Phase::Live(_) => self.tell_session(session::Input::Deadline, now),
            _ => {}
        }
        if self.leaving <= now {
            return self.close(Close::new(1001, "the service stops; connect again in a moment"));
        }
        match self.keepalive.check(now) {
            KeepaliveAction::Wait => {}
            KeepaliveAction::Ping if matches!(self.phase, Phase::Closed(_)) => {}
            KeepaliveAction::Ping => self.actions.push_back(Action::Ping),
            KeepaliveAction::Close => self.close(Close::policy("no answer to a ping came in time")),
        }
    }

    fn send(&mut self, text: impl Into<Cow<'static, str>>) {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.actions.push_back(Action::Send(text.into()));
        }
    }

    /// What was not begun is taken back; settling goes on.
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

impl From<session::Input> for Input<'_> {
    fn from(input: session::Input) -> Self {
        match input {
            session::Input::Deadline => Self::Deadline,
            input => Self::Session(input),
        }
    }
}

impl DeliveryProtocol for AutopushConnection {
    type Input<'a> = Input<'a>;
    type Action = Action;

    fn handle(&mut self, input: Input<'_>, now: Timestamp) {
        Self::handle(self, input, now);
    }

    fn next_command(&mut self) -> Option<Command> {
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
