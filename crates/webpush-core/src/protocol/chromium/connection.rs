//! The state machine of one agent's MCS connection (sans-IO).
//!
//! ```text
//!  open ──▶ Greeting ── login ──▶ Identifying ── Identified ──▶ Live ──┐
//!               └──────────────────────┴───────────────────────────────┴──▶ Closed
//! ```
//! The [`session`] decides which messages to deliver, and when.

use super::frame::{McsFrame, VERSION};
use super::stanza::{self, AgentStanza, Envelope, StanzaKind};
use crate::capability::Keyring;
use crate::id::{EntryRef, InboxId};
use crate::inbox::OutboundEntry;
use crate::session::keepalive::{Keepalive, KeepaliveAction};
use crate::session::{self, DeliveryProtocol, End, ProtocolCommand, Queue, SESSION_WINDOW, Scope, Session};
use crate::subscription::{Protocol, Subscription};
use crate::time::{CompactDuration, Timestamp};
use crate::urgency::Urgency;
use std::time::Duration;

/// Maximum number of messages whose frames are remembered until they are acknowledged.
///
/// The acknowledgement of an older one arrives with the next login, which names it.
const UNACKNOWLEDGED_FRAMES: usize = 4 * SESSION_WINDOW;

/// The protocol state of one agent's MCS connection.
///
/// # Calling protocol
///
/// 1. Create it when the connection is open, and call [`next_command`](Self::next_command) until it returns `None`,
///    carrying out each command before asking for the next. Pass the result of [`McsAction::Login`] to
///    [`handle`](Self::handle) before reading another frame.
/// 2. For each [`session::Command::Deliver`], in order, write the bytes of [`message`](Self::message), then pass
///    [`session::Input::Sent`]; or pass [`session::Input::Skipped`] if there are none.
/// 3. Wait for a frame of the agent, an event of the service, or [`next_deadline`](Self::next_deadline); pass it to
///    [`handle`](Self::handle) and go back to 1.
/// 4. After [`McsAction::Close`] send no more frames. Keep passing frames to [`handle`](Self::handle) until the peer has
///    closed, and carry out [`session::Command::Settle`]: acknowledgements that arrive during the close still count.
///
/// Frames must be written in the order in which they were returned, because both sides count them.
#[derive(Debug)]
pub struct McsConnection {
    phase: Phase,
    /// Frames of the agent that have arrived.
    received: u32,
    /// Frames that were sent to the agent.
    sent: u32,
    /// Messages by the number of their frame, oldest first.
    unacknowledged: Queue<(u32, EntryRef)>,
    keepalive: Keepalive,
    heartbeat: CompactDuration,
    acknowledgement_timeout: CompactDuration,
    /// When to close during shutdown; [`Timestamp::NEVER`] otherwise.
    close_at: Timestamp,
    actions: Queue<McsAction>,
}

#[derive(Debug)]
enum Phase {
    /// Waits for the login until a deadline.
    Greeting(Timestamp),
    /// Waits for the result of [`McsAction::Login`].
    Identifying,
    /// The agent is identified; messages are delivered.
    Live(Box<Session>),
    /// Nothing more is sent. Acknowledgements still settle messages.
    Closed(Option<Box<Session>>),
}

/// Timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub struct McsTimeouts {
    /// From the opening of the connection to the login.
    pub login: Duration,
    /// The interval at which the agent is told to send heartbeats.
    pub heartbeat: Duration,
    /// From a missed heartbeat to that of the service, and from there to any activity.
    pub pong: Duration,
    /// From a delivery to its acknowledgement.
    ///
    /// A message that takes longer no longer counts against the window.
    pub acknowledgement: Duration,
}

/// An event of a connection.
#[derive(Debug)]
pub enum McsInput<'a> {
    /// A frame of the agent.
    Frame(McsFrame<'a>, &'a Keyring),
    /// The login succeeded.
    Identified(InboxId),
    /// The login failed, for this reason.
    Refused(&'static str),
    /// An event of the session, or the result of one of its commands.
    Session(session::Input),
    /// The connection must be closed.
    Close,
    /// The service shuts down and closes the connection at that time.
    Draining(Timestamp),
}

/// A command of the session, or an [`McsAction`].
///
/// [`session::Command::Finish`] is never returned: the end of the session closes the connection.
pub type McsCommand = ProtocolCommand<McsAction>;

/// A command of the connection itself.
#[derive(Debug, PartialEq, Eq)]
pub enum McsAction {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Settle what the agent received earlier, then look the agent up and start listening to its inbox.
    Login {
        /// The agent.
        agent: InboxId,
        /// The messages of its inbox that it has received.
        received: Vec<EntryRef>,
    },
    /// Close the connection. Only [`session::Command::Settle`] may follow.
    Close(McsClose),
}

/// The reason of a close, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McsClose {
    /// The agent closed the connection.
    Agent,
    /// The agent violated the protocol, or did not log in.
    Violation,
    /// The login was refused.
    Refused,
    /// The agent did not answer a heartbeat.
    Silent,
    /// The agent has connected again.
    Superseded,
    /// The agent was removed.
    Removed,
    /// The service shuts down, or is at fault.
    Service,
}

impl McsClose {
    /// Describes the reason in a few words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "closed by the agent",
            Self::Violation => "violation of the protocol",
            Self::Refused => "login refused",
            Self::Silent => "no heartbeat",
            Self::Superseded => "replaced by a newer connection of the agent",
            Self::Removed => "the agent was removed",
            Self::Service => "closed by the service",
        }
    }
}

impl McsConnection {
    /// Creates the state of a connection that was opened at `now`.
    #[must_use]
    pub fn new(timeouts: &McsTimeouts, now: Timestamp) -> Self {
        // An agent that keeps to its interval gets no heartbeat.
        let patience = timeouts.heartbeat + timeouts.pong;
        Self {
            phase: Phase::Greeting(now.after(timeouts.login)),
            received: 0,
            sent: 0,
            unacknowledged: Queue::default(),
            keepalive: Keepalive::new(patience, timeouts.pong, now),
            heartbeat: timeouts.heartbeat.into(),
            acknowledgement_timeout: timeouts.acknowledgement.into(),
            close_at: Timestamp::NEVER,
            actions: Queue::default(),
        }
    }

    /// Formats a push message as the next frame; `None` if it is not for Chromium, or has no URL.
    pub fn message(
        &mut self,
        entry: &OutboundEntry,
        subscription: &Subscription,
        keyring: &Keyring,
        now: Timestamp,
    ) -> Option<Vec<u8>> {
        let (Protocol::Chromium(_, app), Some(sender)) = (&subscription.protocol, &subscription.sender)
        else {
            return None;
        };
        let (message, entry) = (entry.message()?, entry.entry_ref());
        let id = match entry.is_stored() {
            true => Some(keyring.message_token(entry, message.key)?),
            false => None,
        };
        let received = self.received;
        let frame = stanza::data_message(
            message,
            &Envelope { app, sender, persistent_id: id.as_deref(), received, now },
        );
        self.sent = self.sent.wrapping_add(1);
        if entry.is_stored() {
            if self.unacknowledged.len() == UNACKNOWLEDGED_FRAMES {
                self.unacknowledged.pop_front();
            }
            self.unacknowledged.push_back((self.sent, entry));
        }
        Some(frame)
    }

    /// Returns the next command; `None` until the next event.
    ///
    /// Actions precede commands of the session, and follow them once the connection is closed.
    pub fn next_command(&mut self) -> Option<McsCommand> {
        let closed = matches!(self.phase, Phase::Closed(_));
        if closed && let Some(settle) = self.next_session_command() {
            return Some(settle);
        }
        let action = self.actions.pop_front().map(McsCommand::Action);
        if closed { action } else { action.or_else(|| self.next_session_command()) }
    }

    fn next_session_command(&mut self) -> Option<McsCommand> {
        let closed = matches!(self.phase, Phase::Closed(_));
        let (Phase::Live(session) | Phase::Closed(Some(session))) = &mut self.phase else { return None };
        loop {
            match session.next_command()? {
                session::Command::Finish(end) if !closed => {
                    self.close(if end == End::Gone { McsClose::Removed } else { McsClose::Superseded });
                    return self.next_command();
                }
                session::Command::Finish(_) => {}
                session::Command::Fetch { .. } | session::Command::Deliver(_) if closed => {}
                command => return Some(McsCommand::Session(command)),
            }
        }
    }

    /// Returns the time at which to handle [`session::Input::Deadline`] unless another event comes first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let phase_deadline = match &self.phase {
            Phase::Greeting(deadline) => Some(*deadline),
            Phase::Identifying => None,
            Phase::Live(session) => session.next_deadline(),
            Phase::Closed(_) => return None,
        };
        phase_deadline.into_iter().chain([self.close_at, self.keepalive.next_deadline()]).min()
    }

    /// Returns the session, once the agent is identified.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Live(session) | Phase::Closed(Some(session)) => Some(session),
            Phase::Greeting(_) | Phase::Identifying | Phase::Closed(None) => None,
        }
    }

    /// Handles an event.
    pub fn handle(&mut self, input: McsInput<'_>, now: Timestamp) {
        match input {
            McsInput::Frame(frame, keyring) => self.handle_frame(frame, keyring, now),
            McsInput::Identified(agent) => self.start_session(agent, now),
            McsInput::Refused(reason) => {
                if matches!(self.phase, Phase::Identifying) {
                    self.send_first(stanza::login_refused(reason));
                    self.finish(McsClose::Refused);
                }
            }
            McsInput::Session(session::Input::Deadline) => self.handle_deadline(now),
            McsInput::Session(input) => self.handle_session_input(input, now),
            McsInput::Close => self.close(McsClose::Service),
            McsInput::Draining(at) => self.close_at = at,
        }
    }

    fn handle_frame(&mut self, frame: McsFrame<'_>, keyring: &Keyring, now: Timestamp) {
        self.received = self.received.wrapping_add(1);
        self.keepalive.on_activity(now);
        let Some(AgentStanza { received, kind }) = AgentStanza::parse(frame) else {
            return self.close(McsClose::Violation);
        };
        self.acknowledge_frames(received, now);
        match (&self.phase, kind) {
            (Phase::Greeting(_), StanzaKind::Login { credentials, received_ids }) => match credentials {
                Some(credentials) => {
                    let agent = credentials.inbox();
                    let received = entries(&received_ids, agent, keyring);
                    self.phase = Phase::Identifying;
                    self.actions.push_back(McsAction::Login { agent, received });
                }
                None => self.close(McsClose::Violation),
            },
            (Phase::Greeting(_), _) | (_, StanzaKind::Login { .. }) => self.close(McsClose::Violation),
            (Phase::Live(session) | Phase::Closed(Some(session)), StanzaKind::Acknowledgement(ids)) => {
                let entries = entries(&ids, session.scope().inbox, keyring);
                self.handle_session_input(session::Input::Acknowledged(entries), now);
            }
            (_, StanzaKind::HeartbeatPing) => {
                self.keepalive.on_ping(now);
                self.send(stanza::heartbeat_ack(self.received));
            }
            // The agent would send it again.
            (Phase::Live(_), StanzaKind::Data) => self.send(stanza::stream_ack(self.received)),
            (_, StanzaKind::Close) => self.finish(McsClose::Agent),
            (
                _,
                StanzaKind::Data
                | StanzaKind::HeartbeatAck
                | StanzaKind::Acknowledgement(_)
                | StanzaKind::Other,
            ) => {}
        }
    }

    /// Acknowledges the messages in the first `frames` frames.
    fn acknowledge_frames(&mut self, frames: u32, now: Timestamp) {
        let mut entries = Vec::new();
        while let Some((_, entry)) = self.unacknowledged.front().filter(|(frame, _)| *frame <= frames) {
            entries.push(*entry);
            self.unacknowledged.pop_front();
        }
        if !entries.is_empty() {
            self.handle_session_input(session::Input::Acknowledged(entries), now);
        }
    }

    /// Replies to the login and starts the session. The reply precedes the first message.
    fn start_session(&mut self, agent: InboxId, now: Timestamp) {
        if !matches!(self.phase, Phase::Identifying) {
            return;
        }
        let scope = Scope { inbox: agent, subscription: None, min_urgency: Urgency::VeryLow };
        self.phase = Phase::Live(Box::new(Session::windowed(scope, self.acknowledgement_timeout.into())));
        self.send_first(stanza::logged_in(self.heartbeat.into(), now));
    }

    fn handle_session_input(&mut self, input: session::Input, now: Timestamp) {
        if let Phase::Live(session) | Phase::Closed(Some(session)) = &mut self.phase {
            session.handle(input, now);
        }
    }

    fn handle_deadline(&mut self, now: Timestamp) {
        match &self.phase {
            Phase::Greeting(deadline) if *deadline <= now => return self.close(McsClose::Violation),
            Phase::Live(_) => self.handle_session_input(session::Input::Deadline, now),
            _ => {}
        }
        if self.close_at <= now {
            return self.close(McsClose::Service);
        }
        match self.keepalive.check(now) {
            KeepaliveAction::Wait => {}
            KeepaliveAction::Ping if matches!(self.phase, Phase::Live(_)) => {
                self.send(stanza::heartbeat_ping(self.received));
            }
            KeepaliveAction::Ping => {}
            KeepaliveAction::Close => self.close(McsClose::Silent),
        }
    }

    /// Sends the first frame, after the version byte.
    fn send_first(&mut self, frame: Vec<u8>) {
        self.send([&[VERSION], &frame[..]].concat());
    }

    fn send(&mut self, frame: Vec<u8>) {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.sent = self.sent.wrapping_add(1);
            self.actions.push_back(McsAction::Send(frame));
        }
    }

    /// Tells the agent to connect again, and closes the connection.
    fn close(&mut self, reason: McsClose) {
        if matches!(self.phase, Phase::Live(_)) {
            self.send(stanza::close());
        }
        self.finish(reason);
    }

    /// Closes the connection and drops pending actions except frames. Settling continues.
    fn finish(&mut self, reason: McsClose) {
        let session = match std::mem::replace(&mut self.phase, Phase::Closed(None)) {
            Phase::Live(session) => Some(session),
            Phase::Greeting(_) | Phase::Identifying => None,
            closed @ Phase::Closed(_) => {
                self.phase = closed;
                return;
            }
        };
        self.phase = Phase::Closed(session);
        self.actions.retain(|action| matches!(action, McsAction::Send(_)));
        self.actions.push_back(McsAction::Close(reason));
    }
}

/// Returns the messages of an agent's inbox that have these `persistent_id`s. Others are ignored.
fn entries(persistent_ids: &[&str], agent: InboxId, keyring: &Keyring) -> Vec<EntryRef> {
    let opened = persistent_ids.iter().filter_map(|id| keyring.open_message_token(id));
    opened.filter(|entry| entry.inbox == agent).collect()
}

impl From<session::Input> for McsInput<'_> {
    fn from(input: session::Input) -> Self {
        Self::Session(input)
    }
}

impl DeliveryProtocol for McsConnection {
    type Input<'a> = McsInput<'a>;
    type Action = McsAction;

    fn handle(&mut self, input: McsInput<'_>, now: Timestamp) {
        Self::handle(self, input, now);
    }

    fn next_command(&mut self) -> Option<McsCommand> {
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
