//! Delivery on a WebSocket, to agents that speak autopush.

mod frames;

use super::agent::Agent;
use super::driver::{Driver, Transport};
use super::session_handle::{find, register_new};
use super::socket::{Io, Socket};
use crate::problem::ServiceError;
use crate::resources::autopush::registration::{Registrant, register, unregister};
use crate::server::HttpServer;
use crate::transport::connections::ConnectionPermit;
use std::future::{poll_fn, ready};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};
use webpush_core::id::InboxId;
use webpush_core::protocol::autopush::{
    Action, AutopushConnection, AutopushInput, Close, Registration, names, reply,
};
use webpush_core::session::End;
use webpush_core::subscription::Protocol;
use webpush_core::websocket::{Violation, WebSocketMessage, WebSocketReader};
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::Draining;
use webpush_service::metrics::ClosedBy;
use webpush_service::queued_entry::QueuedEntry;
use webpush_service::service::Service;
use webpush_service::session_registry::TransportKind;
use webpush_store::StoreError;

/// How long the agent may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The result of an opening handshake.
pub struct Handshake {
    /// The client's address; from a trusted proxy if the connection came through one.
    pub client: ClientAddr,
    /// True if the agent has presented a subscribe token, or needs none.
    pub may_subscribe: bool,
    /// Frames that were read with the request.
    pub early: Vec<u8>,
    /// The permit of the connection, unless it needs none.
    pub permit: Option<ConnectionPermit>,
}

/// Serves an agent until it disconnects.
pub fn run<S>(
    stream: S,
    handshake: Handshake,
    server: Arc<HttpServer>,
    draining: Draining,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Handshake { client, may_subscribe, early, permit } = handshake;
    let service = &server.service;
    let timeouts = service.limits.load().autopush();
    let broadcasts = service.broadcasts.generation();
    let versions = service.broadcasts.versions();
    let connection = AutopushConnection::new(&timeouts, versions, service.now());
    let shutdown = |mut draining: Draining| async move { draining.begun().await };
    let transport = WebSocket {
        socket: Socket::new(stream, &early),
        client,
        may_subscribe,
        broadcasts,
        close_timer: None,
        shutdown: Some(Box::pin(shutdown(draining.clone()))),
        draining,
        is_draining: false,
        _permit: permit,
    };
    // Created before the future, which would otherwise store its arguments twice.
    let mut driver = Driver { agent: Agent::new(server, connection, None), transport };
    async move {
        driver.run().await;
        poll_fn(|cx| driver.transport.poll_end(cx)).await;
    }
}

struct WebSocket<S> {
    socket: Socket<S, WebSocketReader>,
    client: ClientAddr,
    may_subscribe: bool,
    /// The generation of the broadcasts that the protocol knows.
    broadcasts: u32,
    /// Limits the wait for the answer to a close; `None` until a close was sent.
    close_timer: Option<Pin<Box<Sleep>>>,
    draining: Draining,
    /// Completes at shutdown. `None` for a registered agent, which the registry wakes.
    shutdown: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The protocol knows of the shutdown.
    is_draining: bool,
    _permit: Option<ConnectionPermit>,
}

enum Event {
    /// Frames have arrived.
    Frames,
    /// Everything was written.
    Written,
    /// The peer has closed the stream, or is gone.
    Closed,
    CloseTimeout,
    Draining,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for WebSocket<S> {
    type Protocol = AutopushConnection;
    type Event = Event;
    type Output = ();

    /// The registry also announces shutdown and new broadcasts.
    const HANDLES_WAKEUPS: bool = true;

    fn client(&self) -> &ClientAddr {
        &self.client
    }

    fn is_ready(&self) -> bool {
        self.close_timer.is_none() && self.socket.has_room()
    }

    fn next_event(&mut self) -> impl Future<Output = Event> + Send {
        poll_fn(|cx| self.poll_event(cx))
    }

    /// Not `async`, because its future would be larger than that of a wait.
    fn handle_event(
        &mut self,
        event: Event,
        agent: &mut Agent<AutopushConnection>,
    ) -> impl Future<Output = ControlFlow<()>> + Send {
        let mut flow = ControlFlow::Continue(());
        match event {
            Event::Frames => flow = self.read(agent),
            Event::Written => self.update_broadcasts(agent),
            Event::Closed => {
                if self.close_timer.is_none() {
                    agent.service().metrics.agents.count_close(ClosedBy::Agent, None);
                }
                flow = ControlFlow::Break(());
            }
            Event::CloseTimeout => flow = ControlFlow::Break(()),
            Event::Draining => drain(&self.draining, agent),
        }
        ready(flow)
    }

    fn handle_wakeup(&mut self, agent: &mut Agent<AutopushConnection>) {
        if !self.is_draining && self.draining.has_begun() {
            self.is_draining = true;
            drain(&self.draining, agent);
        }
        self.update_broadcasts(agent);
    }

    async fn deliver(
        &mut self,
        entry: QueuedEntry,
        agent: &mut Agent<AutopushConnection>,
    ) -> ControlFlow<()> {
        let keyring = &agent.service().keyring;
        let rendered = entry.render(agent.service(), |entry, subscription| {
            let (message, Protocol::Autopush(channel)) = (entry.message()?, &subscription?.protocol) else {
                return None;
            };
            let version = names::version(entry.entry_ref(), message.key, keyring)?;
            Some(reply::notification(message, *channel, &version))
        });
        match rendered.await {
            Ok(Some(text)) => {
                self.socket.text(&text);
                agent.record_sent(entry.sent());
            }
            Ok(None) => agent.record_skipped(),
            Err(error) => return self.end(Err(error), agent).await,
        }
        ControlFlow::Continue(())
    }

    fn perform_now(&mut self, action: Action, agent: &mut Agent<AutopushConnection>) -> Option<Action> {
        match action {
            Action::Send(text) => self.socket.text(&text),
            Action::Ping => self.socket.ping(),
            Action::Close(Close { code, reason }) => {
                agent.queue.clear();
                agent.end_session();
                self.close(Some(code), &reason);
                let service = agent.service();
                service.metrics.agents.count_close(ClosedBy::Service, Some(code));
                let id = agent.protocol.scope().map(|scope| service.log_ids.inbox(scope.inbox));
                tracing::debug!(agent = id.map(tracing::field::display), code, "closing a WebSocket");
            }
            Action::ReportError { code, message } => {
                let service = agent.service();
                service.metrics.agents.count_nack(code);
                message.iter().for_each(|message| service.traces.record_nack(*message, code));
            }
            Action::Identify(_) | Action::Register { .. } | Action::Unregister { .. } => return Some(action),
        }
        None
    }

    async fn perform(&mut self, action: Action, agent: &mut Agent<AutopushConnection>) {
        match action {
            Action::Identify(known) => self.identify(known, agent).await,
            Action::Register { agent: id, channel, key } => {
                let (service, style) = (agent.service(), &agent.server.error_style);
                let registrant =
                    Registrant { client: &self.client, may_subscribe: self.may_subscribe, agent: id };
                let registration = match register(service, &registrant, channel.id, key.as_deref()).await {
                    Ok(path) => Registration::Endpoint(agent.server.autopush_endpoint(&path)),
                    Err(failure) => {
                        let (status, why) = style.tell(&failure);
                        Registration::Refused { status: status.as_u16(), reason: why }
                    }
                };
                agent.handle(AutopushInput::Registered(channel, registration));
            }
            Action::Unregister { agent: id, channel } => {
                let status = match unregister(agent.service(), id, channel.id).await {
                    Ok(()) => 200,
                    Err(failure) => agent.server.error_style.tell(&failure).0.as_u16(),
                };
                agent.handle(AutopushInput::Unregistered(channel, status));
            }
            // `perform_now` has performed these.
            Action::Send(_) | Action::Ping | Action::Close(_) | Action::ReportError { .. } => {}
        }
    }

    /// Closes the connection after an error; otherwise the protocol has closed it.
    async fn end(
        &mut self,
        end: Result<End, StoreError>,
        agent: &mut Agent<AutopushConnection>,
    ) -> ControlFlow<()> {
        match end {
            Ok(_) => ControlFlow::Break(()),
            Err(error) => {
                refuse(&error.into(), agent);
                ControlFlow::Continue(())
            }
        }
    }

    /// Most agents are idle most of the time.
    fn store_future<F: Future + Send>(future: F) -> impl Future<Output = F::Output> + Send {
        Box::pin(future)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> WebSocket<S> {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.poll_close_timeout(cx).is_ready() {
            return Poll::Ready(Event::CloseTimeout);
        }
        if let Some(shutdown) = &mut self.shutdown
            && shutdown.as_mut().poll(cx).is_ready()
        {
            (self.shutdown, self.is_draining) = (None, true);
            return Poll::Ready(Event::Draining);
        }
        loop {
            if self.socket.has_room() && self.socket.has_unread() {
                return Poll::Ready(Event::Frames);
            }
            match task::ready!(self.socket.poll_io(cx)) {
                Io::Read => {}
                Io::Written => return Poll::Ready(Event::Written),
                Io::Closed => return Poll::Ready(Event::Closed),
            }
        }
    }

    fn poll_close_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.close_timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }

    /// Completes the closing handshake, if one was started.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.close_timer.is_none() || self.poll_close_timeout(cx).is_ready() {
            return Poll::Ready(());
        }
        self.socket.poll_end(cx).map(drop)
    }

    fn close(&mut self, code: Option<u16>, reason: &str) {
        self.socket.close(code, reason);
        self.close_timer = Some(Box::pin(sleep(CLOSE_TIMEOUT)));
    }

    /// Reads a message or a control frame.
    fn read(&mut self, agent: &mut Agent<AutopushConnection>) -> ControlFlow<()> {
        let service = &agent.server.service;
        let input = match self.socket.next() {
            Ok(None) => return ControlFlow::Continue(()),
            Ok(Some(WebSocketMessage::Text(text))) => AutopushInput::Text(text, &service.keyring),
            Ok(Some(WebSocketMessage::Binary(_))) => {
                AutopushInput::Close(Close::new(1003, "binary messages are not part of this protocol"))
            }
            Ok(Some(WebSocketMessage::Ping(payload))) => {
                let payload = payload.to_vec();
                if self.close_timer.is_none() {
                    self.socket.pong(&payload);
                }
                AutopushInput::Ping
            }
            Ok(Some(WebSocketMessage::Pong)) => AutopushInput::Activity,
            Ok(Some(WebSocketMessage::Close(code))) => return self.stop(ClosedBy::Agent, code, "", service),
            // Nothing more can be read, not even the answer to the close.
            Err(Violation { code, reason }) => {
                return self.stop(ClosedBy::Service, Some(code), reason, service);
            }
        };
        agent.protocol.handle(input, service.now());
        ControlFlow::Continue(())
    }

    /// Stops reading, after a close of the agent or a violation of the WebSocket protocol.
    fn stop(&mut self, by: ClosedBy, code: Option<u16>, reason: &str, service: &Service) -> ControlFlow<()> {
        if self.close_timer.is_none() {
            self.close(code, reason);
            service.metrics.agents.count_close(by, code);
        }
        ControlFlow::Break(())
    }

    /// Passes changed broadcasts to the protocol, if the socket has room.
    fn update_broadcasts(&mut self, agent: &mut Agent<AutopushConnection>) {
        let generation = agent.service().broadcasts.generation();
        if self.socket.has_room() && generation != std::mem::replace(&mut self.broadcasts, generation) {
            let versions = agent.service().broadcasts.versions();
            agent.handle(AutopushInput::Broadcasts(versions));
        }
    }

    async fn identify(&mut self, known: Option<InboxId>, agent: &mut Agent<AutopushConnection>) {
        let service = agent.service();
        let found = match known {
            Some(id) => find(service, id, TransportKind::Autopush)
                .await
                .map(|session_handle| Some((id, session_handle?))),
            None => Ok(None),
        };
        let new = || {
            let id = service.place(names::new_agent(service.random()?));
            Ok((id, register_new(service, id, TransportKind::Autopush)))
        };
        let identified = match found {
            Ok(Some(found)) => {
                service.metrics.agents.count_returning();
                Ok(found)
            }
            Ok(None) => new(),
            Err(error) => Err(error.into()),
        };
        let (id, session_handle) = match identified {
            Ok(identified) => identified,
            Err(failure) => return refuse(&failure, agent),
        };
        tracing::debug!(agent = %service.log_ids.inbox(id), transport = "autopush", "an agent has connected");
        agent.session_handle = Some(session_handle);
        agent.handle(AutopushInput::Identified(id));
        // From now on the registry reports a shutdown and new broadcasts.
        self.shutdown = None;
        self.handle_wakeup(agent);
    }
}

/// Tells the protocol when to close the connection.
///
/// Agents are closed one after the other, so that they do not all reconnect at once. One that has not said hello is closed
/// immediately.
fn drain(draining: &Draining, agent: &mut Agent<AutopushConnection>) {
    let now = agent.service().now();
    let at = match agent.protocol.scope() {
        Some(_) => now.after(draining.next_close().saturating_duration_since(Instant::now())),
        None => now,
    };
    agent.handle(AutopushInput::Draining(at));
}

/// Closes the connection of an agent that should try again later (1013, registered by RFC 6455 §11.7).
fn refuse(failure: &ServiceError, agent: &mut Agent<AutopushConnection>) {
    let (_, reason) = agent.server.error_style.tell(failure);
    agent.queue.clear();
    agent.handle(AutopushInput::Close(Close::new(1013, reason)));
}

#[cfg(test)]
mod tests;
