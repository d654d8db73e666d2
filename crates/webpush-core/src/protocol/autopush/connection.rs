//! One agent's connection from its opening to its close, as a machine without a socket and a clock (sans-IO).
//!
//! ```text
//!  opened ──▶ Greeting ── hello ──▶ Identifying ── who it is ──▶ Live ──┐
//!                 └──────────────────────┴──────────────────────────────┴──▶ Closed
//! ```
//! One input at a time goes in through [`AutopushConnection::handle`], with the time; what is to be done comes out of
//! [`AutopushConnection::next_command`], in order. Where a command has an answer, that is the next input: no frame is read before. So
//! an agent that asks for much waits, and its connection holds it back. [`session`] decides which
//! messages go to the agent and when.

use super::broadcasts::{BroadcastSubscriptions, BroadcastUpdate, Versions};
use super::names::{self, ChannelName};
use super::reply;
use super::request::{Complaint, Malformed, Name, Request};
use crate::capability::Keyring;
use crate::id::{InboxId, MessageId};
use crate::limits::Timeouts;
use crate::queue::Queue;
use crate::session::keepalive::{Keepalive, Silence};
use crate::session::{self, End, Scope, Session};
use crate::time::{Span, Timestamp};
use crate::urgency::Urgency;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// One agent's connection.
#[derive(Debug)]
pub struct AutopushConnection {
    phase: Phase,
    followed: BroadcastSubscriptions,
    keepalive: Keepalive,
    /// How long each acknowledgement is waited for.
    patience: Span,
    /// When to close: never, until the service stops.
    leaving: Timestamp,
    commands: Queue<Command>,
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

/// What happens to a connection.
#[derive(Debug)]
pub enum Input<'a> {
    /// A text message of the agent.
    Text(&'a str, &'a Keyring),
    /// A WebSocket ping of the agent (RFC 6455 §5.5.2).
    Pinged,
    /// Another sign of life.
    Heard,
    /// The answer to [`Command::Identify`]: the agent as it is known, or a new one.
    Identified(InboxId),
    /// The answer to [`Command::Register`].
    Registered(ChannelName, Registered),
    /// The answer to [`Command::Unregister`], with the status to say.
    Unregistered(ChannelName, u16),
    /// Something for the session: the answer to a [`Command::Session`], or news.
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
pub enum Registered {
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

/// What a connection wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
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
    /// Do what the session wants. It never finishes: then the connection is closed.
    Session(session::Command),
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
    pub fn new(timeouts: &Timeouts, patience: Duration, versions: Arc<Versions>, now: Timestamp) -> Self {
        Self {
            phase: Phase::Greeting(now.after(timeouts.hello)),
            followed: BroadcastSubscriptions::new(versions),
            keepalive: Keepalive::new(timeouts.websocket_ping, timeouts.websocket_pong, now),
            patience: patience.into(),
            leaving: Timestamp::NEVER,
            commands: Queue::default(),
        }
    }

    /// The next thing to do, oldest first.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
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
            Input::Pinged => self.keepalive.was_asked(now),
            Input::Heard => self.keepalive.heard(now),
            Input::Identified(agent) => self.identified(agent),
            Input::Registered(channel, registered) => self.send(match registered {
                Registered::Endpoint(endpoint) => reply::registered(&channel.text, &endpoint),
                Registered::Refused { status, why } => reply::not_registered(&channel.text, status, &why),
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
        self.keepalive.heard(now);
        let request = match Request::parse(text) {
            Ok(request) => request,
            Err(Malformed(why)) => return self.close(Close::new(1007, why)),
        };
        match (&self.phase, request) {
            (_, Request::Other) => {}
            (Phase::Live(_), Request::Nack(complaint)) => self.complain(complaint, keyring),
            (_, Request::Nack(_)) => {}
            (_, Request::Ping) => {
                self.keepalive.was_asked(now);
                self.send(reply::PONG);
            }
            (Phase::Greeting(_), Request::Hello { agent, broadcasts }) => {
                self.phase = Phase::Identifying(Box::new(self.followed.follow(broadcasts)));
                self.commands.push_back(Command::Identify(agent));
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
                self.commands.push_back(Command::Register { agent, channel, key });
            }
            Request::Register { channel: Name::Bad(text), .. } => {
                self.send(reply::not_registered(&text, 400, "channelID must be a UUID"));
            }
            Request::Unregister { channel: Name::Good(channel) } => {
                self.commands.push_back(Command::Unregister { agent, channel });
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
            Request::Urgency(Some(floor)) => {
                self.send(reply::urgency(200));
                self.tell_session(session::Input::Floor(floor), now);
            }
            Request::Urgency(None) => self.send(reply::urgency(400)),
            Request::Hello { .. } | Request::Ping | Request::Nack(_) | Request::Other => {}
        }
    }

    /// Each acknowledgement settles its own message, in any order. What this service did not write is ignored.
    fn acknowledge(&mut self, versions: &[String], keyring: &Keyring, now: Timestamp) {
        let entries = versions.iter().filter_map(|version| names::message(version, keyring)).collect();
        self.tell_session(session::Input::Acknowledged(entries), now);
    }

    fn complain(&mut self, Complaint { code, version }: Complaint, keyring: &Keyring) {
        let entry = version.and_then(|version| names::message(&version, keyring));
        self.commands.push_back(Command::Complaint { code, message: entry.map(|entry| entry.message) });
    }

    /// The hello goes before the first message, and both go at once.
    fn identified(&mut self, agent: InboxId) {
        let Phase::Identifying(told) = &self.phase else { return };
        let hello = reply::hello(agent, told);
        let scope = Scope { inbox: agent, only: None, floor: Urgency::VeryLow };
        self.phase = Phase::Live(Box::new(Session::windowed(scope, self.patience.into())));
        self.send(hello);
        self.pass_on_commands();
    }

    fn tell_session(&mut self, input: session::Input, now: Timestamp) {
        if let Phase::Live(session) | Phase::Closed(Some(session)) = &mut self.phase {
            session.handle(input, now);
        }
        self.pass_on_commands();
    }

    fn pass_on_commands(&mut self) {
        let mut gone = false;
        let closed = matches!(self.phase, Phase::Closed(_));
        if let Phase::Live(session) | Phase::Closed(Some(session)) = &mut self.phase {
            while let Some(command) = session.next_command() {
                match command {
                    session::Command::Finish(End::Gone) => gone = true,
                    session::Command::Finish(End::Nothing | End::Complete) => {}
                    session::Command::Fetch { .. } | session::Command::Deliver(_) if closed => {}
                    command => self.commands.push_back(Command::Session(command)),
                }
            }
        }
        if gone {
            self.close(Close::new(1000, "the agent was removed: say hello without uaid to get a new one"));
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
        match self.keepalive.look(now) {
            Silence::Wait => {}
            Silence::Ask if matches!(self.phase, Phase::Closed(_)) => {}
            Silence::Ask => self.commands.push_back(Command::Ping),
            Silence::GiveUp => self.close(Close::policy("no answer to a ping came in time")),
        }
    }

    fn send(&mut self, text: impl Into<Cow<'static, str>>) {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.commands.push_back(Command::Send(text.into()));
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
        let is_settling =
            |command: &Command| matches!(command, Command::Session(session::Command::Settle { .. }));
        self.commands.retain(|command| is_settling(command) || matches!(command, Command::Send(_)));
        self.commands.push_back(Command::Close(close));
    }
}

#[cfg(test)]
mod tests;
