//! Delivery on a WebSocket, to agents that speak autopush: a loop around a [`AutopushConnection`], without decisions.

mod registration;
mod socket;
mod wait;

use super::waiting::Waiting;
use crate::problem::Failure;
use crate::server::HttpServer;
use crate::transport::connections::ConnectionPermit;
use registration::{Registrant, register, unregister};
use socket::{Io, Socket};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};
use wait::{Event, Wait};
use webpush_core::id::{InboxId, Position};
use webpush_core::inbox::Owner;
use webpush_core::message::Outcome;
use webpush_core::protocol::autopush::{
    Action, AutopushConnection, Close, Command, Input, Registration, names, reply,
};
use webpush_core::session::Queue;
use webpush_core::session::{self, Scope};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_core::websocket::{Violation, WebSocketMessage};
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::Draining;
use webpush_service::metrics::ClosedBy;
use webpush_service::service::Service;
use webpush_service::session_registry::{BlockReason, SessionHandle, Transport, Wakeup};
use webpush_store::{Durability, Op, StoreError};

/// How long the agent may take to answer a close.
const CLOSING: Duration = Duration::from_secs(5);

/// An agent that has come by WebSocket.
pub struct Arrival {
    /// From where.
    pub peer: ClientAddr,
    /// It has shown a token, or none is needed.
    pub may_subscribe: bool,
    /// What was read of its frames with its request.
    pub early: Vec<u8>,
    /// Its place among the connections, unless it takes none.
    pub place: Option<ConnectionPermit>,
}

/// Serves one agent until it leaves. The agent is made before its task is: what an asynchronous function is given it keeps
/// twice.
pub fn run<S>(
    stream: S,
    arrival: Arrival,
    server: Arc<HttpServer>,
    draining: Draining,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Arrival { peer, may_subscribe, early, place } = arrival;
    let service = &server.service;
    let timeouts = service.limits.load().autopush();
    let generation = service.broadcasts.generation();
    let versions = service.broadcasts.versions();
    let dialogue = AutopushConnection::new(&timeouts, versions, service.now());
    let mut agent = Agent {
        socket: Socket::new(stream, &early),
        dialogue,
        server,
        peer,
        may_subscribe,
        listener: None,
        generation,
        queue: Queue::default(),
        closing: None,
        wait: Wait::default(),
        draining,
        _place: place,
    };
    async move {
        agent.serve().await;
        agent.end().await;
    }
}

struct Agent<S> {
    socket: Socket<S>,
    dialogue: AutopushConnection,
    server: Arc<HttpServer>,
    peer: ClientAddr,
    may_subscribe: bool,
    listener: Option<SessionHandle>,
    /// Of the broadcasts that the dialogue knows.
    generation: u32,
    /// Handed out by the session and not written.
    queue: Queue<Waiting>,
    /// A close was sent: ends when its answer is not waited for any more.
    closing: Option<Pin<Box<Sleep>>>,
    wait: Wait,
    draining: Draining,
    _place: Option<ConnectionPermit>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Agent<S> {
    async fn serve(&mut self) {
        loop {
            while let Some(obeying) = self.obey_next() {
                obeying.await;
            }
            if let Some(delivering) = self.deliver_next() {
                delivering.await;
                // The session may want something done now, and no event will say so.
                continue;
            }
            match self.read() {
                Step::Again => continue,
                Step::Left => return,
                Step::Wait => {}
            }
            self.say_what_holds_it();
            match poll_fn(|cx| self.poll_event(cx)).await {
                Event::Io(Io::Read | Io::Written) => {}
                Event::Io(Io::Closed) if self.closing.is_none() => {
                    return self.server.service.metrics.agents.count_close(ClosedBy::Agent, None);
                }
                Event::Io(Io::Closed) | Event::Over => return,
                Event::Wakeup(news) => self.take(news),
                Event::Draining => {
                    let at = self.leaves_at();
                    self.tell(Input::Draining(at));
                }
                Event::Deadline => self.tell(Input::Deadline),
            }
        }
    }

    /// A socket that can't be ended in order is gone already.
    async fn end(&mut self) {
        poll_fn(|cx| {
            if self.closing.is_none() || self.poll_closing(cx).is_ready() {
                return Poll::Ready(());
            }
            self.socket.poll_end(cx).map(drop)
        })
        .await;
    }

    fn tell(&mut self, input: Input<'_>) {
        self.dialogue.handle(input, self.server.service.now());
    }

    /// Obeys up to a command that has to be waited for. That is on the heap, as it is rare and large: an idle agent must not
    /// keep room for it, nor for the command.
    fn obey_next(&mut self) -> Option<Pin<Box<impl Future<Output = ()> + Send>>> {
        loop {
            let command = self.dialogue.next_command()?;
            if let Some(command) = self.obey_at_once(command) {
                return Some(Box::pin(self.obey(command)));
            }
        }
    }

    /// Does what can be done without waiting; what is left to do.
    fn obey_at_once(&mut self, command: Command) -> Option<Command> {
        match command {
            Command::Action(Action::Send(text)) => self.socket.text(&text),
            Command::Action(Action::Ping) => self.socket.ping(),
            Command::Session(session::Command::Deliver(entry)) => {
                self.queue.push_back(Waiting::new(entry, self.server.service.now()))
            }
            Command::Session(session::Command::Settle { entries, durable: false }) => {
                self.server.service.settle_soon(entries);
            }
            Command::Action(Action::Close(Close { code, reason })) => {
                self.queue.clear();
                self.listener = None;
                self.socket.close(Some(code), &reason);
                self.closing = Some(Box::pin(sleep(CLOSING)));
                self.server.service.metrics.agents.count_close(ClosedBy::Service, Some(code));
                let agent =
                    self.dialogue.scope().map(|scope| self.server.service.pseudonyms.inbox(scope.inbox));
                tracing::debug!(agent = agent.map(tracing::field::display), code, "a WebSocket is closed");
            }
            Command::Action(Action::ReportError { code, message }) => {
                self.server.service.metrics.agents.count_nack(code);
                message.iter().for_each(|message| self.server.service.traces.record_nack(*message, code));
            }
            command => return Some(command),
        }
        None
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Action(Action::Identify(agent)) => self.identify(agent).await,
            Command::Action(Action::Register { agent, channel, key }) => {
                let registrant = Registrant { peer: &self.peer, may_subscribe: self.may_subscribe, agent };
                let registered =
                    match register(&self.server.service, &registrant, channel.id, key.as_deref()).await {
                        Ok(endpoint) => Registration::Endpoint(endpoint),
                        Err(failure) => {
                            let (status, why) = self.server.error_style.tell(&failure);
                            Registration::Refused { status: status.as_u16(), reason: why }
                        }
                    };
                self.tell(Input::Registered(channel, registered));
            }
            Command::Action(Action::Unregister { agent, channel }) => {
                let status = match unregister(&self.server.service, agent, channel.id).await {
                    Ok(()) => 200,
                    Err(failure) => self.server.error_style.tell(&failure).0.as_u16(),
                };
                self.tell(Input::Unregistered(channel, status));
            }
            Command::Session(session::Command::Fetch { after }) => self.fetch(after).await,
            Command::Session(session::Command::Settle { entries, .. }) => {
                self.server.service.record_acknowledged(&entries);
                // Waited for, so that whoever acknowledges without end is held back by its socket.
                let settle = entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Delivered));
                if let Err(error) = self.server.service.commit(settle.collect(), Durability::Durable).await {
                    self.refuse(error);
                }
            }
            // Done at once, or never asked for.
            Command::Action(
                Action::Send(_) | Action::Ping | Action::Close(_) | Action::ReportError { .. },
            )
            | Command::Session(_) => {}
        }
    }

    async fn fetch(&mut self, after: Position) {
        let Some(scope) = self.dialogue.scope() else { return };
        match self.server.service.fetch(scope, after, self.server.service.now()).await {
            Ok(page) => {
                let nothing_for_it = page.entries.is_empty() && page.more;
                self.tell(Input::Session(session::Input::Fetched(page)));
                if nothing_for_it {
                    // A long inbox of which nothing passes the floor must not hold up everybody else.
                    tokio::task::yield_now().await;
                }
            }
            Err(error) => self.refuse(error),
        }
    }

    /// Begins to listen before it looks, so that nothing that is stored in between is missed.
    async fn identify(&mut self, said: Option<InboxId>) {
        let found = match said {
            Some(agent) => self.find(agent).await,
            None => Ok(false),
        };
        let agent = match (found, said) {
            (Ok(true), Some(agent)) => agent,
            (Ok(_), _) => match self.server.service.random() {
                Ok(random) => {
                    let agent = names::new_agent(random);
                    self.listener =
                        Some(self.server.service.registry.register(&scope(agent), Transport::Autopush));
                    agent
                }
                Err(error) => return self.refuse_for(Failure::from(error)),
            },
            (Err(error), _) => return self.refuse(error),
        };
        tracing::debug!(agent = %self.server.service.pseudonyms.inbox(agent), way = "autopush", "an agent begins to listen");
        self.tell(Input::Identified(agent));
    }

    /// Whether an agent is known; then it listens from now on. Noting that is also what waits for acknowledgements of its
    /// last connection to be applied: what was acknowledged there must not come again.
    async fn find(&mut self, agent: InboxId) -> Result<bool, StoreError> {
        let listener = self.server.service.registry.register(&scope(agent), Transport::Autopush);
        if self.server.service.inbox(agent).await?.is_none_or(|inbox| inbox.owner != Owner::Agent) {
            return Ok(false);
        }
        self.server.service.settle_now();
        self.server.service.commit_one(Op::Touch(agent, self.server.service.now()), Durability::Lazy).await?;
        self.listener = Some(listener);
        self.server.service.metrics.agents.count_returning();
        Ok(true)
    }

    fn refuse(&mut self, error: StoreError) {
        self.refuse_for(Failure::from(error));
    }

    /// The agent is to come again later (RFC 6455 §7.4.2, registered: 1013).
    fn refuse_for(&mut self, failure: Failure) {
        let (_, why) = self.server.error_style.tell(&failure);
        self.tell(Input::Close(Close::new(1013, why)));
    }

    /// Delivers what the session has handed out, if there is any and room for it. On the heap, like what
    /// [`Agent::obey_next`] returns and for the same reason.
    fn deliver_next(&mut self) -> Option<Pin<Box<impl Future<Output = ()> + Send>>> {
        let is_next = self.closing.is_none() && self.socket.has_room() && !self.queue.is_empty();
        is_next.then(|| Box::pin(self.deliver()))
    }

    /// Writes what the session has handed out, as far as there is room.
    async fn deliver(&mut self) {
        while self.closing.is_none() && self.socket.has_room() {
            let Some(waiting) = self.queue.pop_front() else { break };
            match Self::render(&self.server.service, &waiting).await {
                Ok(Some(text)) => {
                    self.socket.text(&text);
                    let now = self.server.service.now();
                    self.server.service.record_sent(waiting.sent(), now);
                    self.dialogue.handle(Input::Session(session::Input::Sent { confirmed: false }), now);
                }
                Ok(None) => self.tell(Input::Session(session::Input::Skipped)),
                // It would be passed over, although it is there.
                Err(error) => {
                    self.refuse(error);
                    break;
                }
            }
        }
    }

    /// `None` for what had to wait and is not wanted any more, and when its subscription is gone.
    async fn render(service: &Service, waiting: &Waiting) -> Result<Option<String>, StoreError> {
        let Some(message) = waiting.entry.message() else { return Ok(None) };
        if !waiting.is_still_wanted(service).await {
            return Ok(None);
        }
        let subscription = service.subscription(message.agent, message.subscription).await?;
        let channel = subscription.and_then(|subscription| subscription.channel());
        let version = names::version(waiting.entry.entry_ref(), message.key, &service.keyring);
        Ok(channel.zip(version).map(|(channel, version)| reply::notification(message, channel, &version)))
    }

    /// Takes one message that has come whole.
    fn read(&mut self) -> Step {
        if !self.socket.has_room() {
            return Step::Wait;
        }
        let now = self.server.service.now();
        let Self { socket, dialogue, server, .. } = self;
        let service = &server.service;
        match socket.next() {
            Ok(None) => return Step::Wait,
            Ok(Some(WebSocketMessage::Text(text))) => {
                dialogue.handle(Input::Text(text, &service.keyring), now)
            }
            Ok(Some(WebSocketMessage::Binary(_))) => {
                let close = Close::new(1003, "binary messages are not part of this protocol");
                dialogue.handle(Input::Close(close), now);
            }
            Ok(Some(WebSocketMessage::Ping(payload))) => {
                let payload = payload.to_vec();
                dialogue.handle(Input::Ping, now);
                if self.closing.is_none() {
                    self.socket.pong(&payload);
                }
            }
            Ok(Some(WebSocketMessage::Pong)) => dialogue.handle(Input::Activity, now),
            Ok(Some(WebSocketMessage::Close(code))) => {
                if self.closing.is_none() {
                    socket.close(code, "");
                    self.closing = Some(Box::pin(sleep(CLOSING)));
                    service.metrics.agents.count_close(ClosedBy::Agent, code);
                }
                return Step::Left;
            }
            Err(Violation { code, reason }) => {
                // Nothing more can be read, not even the answer to this.
                if self.closing.is_none() {
                    socket.close(Some(code), reason);
                    self.closing = Some(Box::pin(sleep(CLOSING)));
                    service.metrics.agents.count_close(ClosedBy::Service, Some(code));
                }
                return Step::Left;
            }
        }
        Step::Again
    }

    fn take(&mut self, Wakeup { update, removed, superseded, .. }: Wakeup) {
        if superseded {
            self.tell(Input::Superseded);
        }
        if removed {
            self.tell(Input::Session(session::Input::Gone));
        }
        if let Some(update) = update {
            self.tell(Input::Session(session::Input::Update(*update)));
        }
        let generation = self.server.service.broadcasts.generation();
        if generation != std::mem::replace(&mut self.generation, generation) {
            let versions = self.server.service.broadcasts.versions();
            self.tell(Input::Broadcasts(versions));
        }
    }

    /// For whoever asks why a message does not go.
    fn say_what_holds_it(&self) {
        if let (Some(listener), Some(session)) = (&self.listener, self.dialogue.session()) {
            let held = match (session.is_full(), self.socket.has_room()) {
                (true, _) => BlockReason::Window,
                (false, false) => BlockReason::Socket,
                (false, true) => BlockReason::Nothing,
            };
            listener.set_block_reason(held, session.scope().min_urgency);
        }
    }

    /// Agents leave one after the other, so that they don't all come back at once; one that has not said hello needs no turn.
    fn leaves_at(&self) -> Timestamp {
        let now = self.server.service.now();
        match self.dialogue.scope() {
            Some(_) => now.after(self.draining.next_close().saturating_duration_since(Instant::now())),
            None => now,
        }
    }
}

/// What to do after a look at what has come.
enum Step {
    /// There may be more.
    Again,
    /// Nothing more is there.
    Wait,
    /// Nothing more is to come.
    Left,
}

const fn scope(agent: InboxId) -> Scope {
    // The session keeps the floor; it changes while it listens.
    Scope { inbox: agent, subscription: None, min_urgency: Urgency::VeryLow }
}

#[cfg(test)]
mod tests;
