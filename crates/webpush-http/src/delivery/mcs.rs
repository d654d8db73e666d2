//! Delivery on an MCS connection, to Chromium.

use super::agent::Agent;
use super::driver::{Driver, Transport};
use super::session_handle::find;
use super::socket::{Io, Socket};
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
use webpush_core::id::{EntryRef, InboxId};
use webpush_core::protocol::chromium::{McsAction, McsClose, McsConnection, McsInput, McsReader};
use webpush_core::session::End;
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::Draining;
use webpush_service::queued_entry::QueuedEntry;
use webpush_service::session_registry::TransportKind;
use webpush_store::StoreError;

/// How long the agent may take to end its side after a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves an agent until it disconnects.
pub fn run<S>(
    stream: S,
    client: ClientAddr,
    server: Arc<HttpServer>,
    draining: Draining,
    permit: ConnectionPermit,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let service = &server.service;
    let connection = McsConnection::new(&service.limits.load().mcs(), service.now());
    let shutdown = |mut draining: Draining| async move { draining.begun().await };
    let transport = Mcs {
        socket: Socket::new(stream, b""),
        client,
        close_timer: None,
        shutdown: Some(Box::pin(shutdown(draining.clone()))),
        draining,
        is_draining: false,
        _permit: permit,
    };
    let mut driver = Driver { agent: Agent::new(server, connection, None), transport };
    async move {
        driver.run().await;
        poll_fn(|cx| driver.transport.poll_end(cx)).await;
    }
}

struct Mcs<S> {
    socket: Socket<S, McsReader>,
    client: ClientAddr,
    /// Limits the wait for the end of the stream; `None` until the connection was closed.
    close_timer: Option<Pin<Box<Sleep>>>,
    draining: Draining,
    /// Completes at shutdown. `None` for a registered agent, which the registry wakes.
    shutdown: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The protocol knows of the shutdown.
    is_draining: bool,
    _permit: ConnectionPermit,
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

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for Mcs<S> {
    type Protocol = McsConnection;
    type Event = Event;
    type Output = ();

    /// The registry also announces shutdown.
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

    fn handle_event(
        &mut self,
        event: Event,
        agent: &mut Agent<McsConnection>,
    ) -> impl Future<Output = ControlFlow<()>> + Send {
        let mut flow = ControlFlow::Continue(());
        match event {
            Event::Frames => flow = self.read(agent),
            Event::Written => {}
            Event::Closed | Event::CloseTimeout => flow = ControlFlow::Break(()),
            Event::Draining => drain(&self.draining, agent),
        }
        ready(flow)
    }

    fn handle_wakeup(&mut self, agent: &mut Agent<McsConnection>) {
        if !self.is_draining && self.draining.has_begun() {
            self.is_draining = true;
            drain(&self.draining, agent);
        }
    }

    async fn deliver(&mut self, entry: QueuedEntry, agent: &mut Agent<McsConnection>) -> ControlFlow<()> {
        let Agent { server, protocol, .. } = agent;
        let service = &server.service;
        let now = service.now();
        let rendered = entry.render(service, |entry, subscription| {
            protocol.message(entry, subscription?, &service.keyring, now)
        });
        match rendered.await {
            Ok(Some(frame)) => {
                self.socket.unwritten().extend_from_slice(&frame);
                agent.record_sent(entry.sent());
            }
            Ok(None) => agent.record_skipped(),
            Err(error) => return self.end(Err(error), agent).await,
        }
        ControlFlow::Continue(())
    }

    fn perform_now(&mut self, action: McsAction, agent: &mut Agent<McsConnection>) -> Option<McsAction> {
        match action {
            McsAction::Send(frame) => self.socket.unwritten().extend_from_slice(&frame),
            McsAction::Close(reason) => self.close(reason, agent),
            McsAction::Login { .. } => return Some(action),
        }
        None
    }

    async fn perform(&mut self, action: McsAction, agent: &mut Agent<McsConnection>) {
        match action {
            McsAction::Login { agent: id, received } => self.log_in(id, received, agent).await,
            // `perform_now` has performed these.
            McsAction::Send(_) | McsAction::Close(_) => {}
        }
    }

    /// Closes the connection after an error; otherwise the protocol has closed it.
    async fn end(
        &mut self,
        end: Result<End, StoreError>,
        agent: &mut Agent<McsConnection>,
    ) -> ControlFlow<()> {
        match end {
            Ok(_) => ControlFlow::Break(()),
            Err(error) => {
                refuse(error, agent);
                ControlFlow::Continue(())
            }
        }
    }

    /// Most agents are idle most of the time.
    fn store_future<F: Future + Send>(future: F) -> impl Future<Output = F::Output> + Send {
        Box::pin(future)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Mcs<S> {
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

    /// Writes the last frames, and waits until the agent has ended its side.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.close_timer.is_none() || self.poll_close_timeout(cx).is_ready() {
            return Poll::Ready(());
        }
        self.socket.poll_end(cx).map(drop)
    }

    fn close(&mut self, reason: McsClose, agent: &mut Agent<McsConnection>) {
        agent.queue.clear();
        agent.end_session();
        self.socket.end_sending();
        self.close_timer = Some(Box::pin(sleep(CLOSE_TIMEOUT)));
        let scope = agent.protocol.session().map(|session| session.scope());
        let id = scope.map(|scope| agent.service().log_ids.inbox(scope.inbox));
        let reason = reason.as_str();
        tracing::debug!(agent = id.map(tracing::field::display), reason, "closing an MCS connection");
    }

    /// Reads a frame.
    fn read(&mut self, agent: &mut Agent<McsConnection>) -> ControlFlow<()> {
        let service = &agent.server.service;
        let next = self.socket.reader.next();
        self.socket.unread = !matches!(next, Ok(None));
        match next {
            Ok(None) => {}
            Ok(Some(frame)) => {
                agent.protocol.handle(McsInput::Frame(frame, &service.keyring), service.now());
            }
            // Nothing more can be read.
            Err(violation) => {
                tracing::debug!(%violation, "closing an MCS connection");
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    async fn log_in(&mut self, id: InboxId, received: Vec<EntryRef>, agent: &mut Agent<McsConnection>) {
        let service = agent.service();
        // Before the inbox is read, so that they are not sent again.
        let settled = if received.is_empty() { Ok(()) } else { service.settle_durably(received).await };
        let found = match settled {
            Ok(()) => find(service, id, TransportKind::Chromium).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(Some(session_handle)) => {
                tracing::debug!(agent = %service.log_ids.inbox(id), transport = "chromium", "an agent has connected");
                agent.session_handle = Some(session_handle);
                agent.handle(McsInput::Identified(id));
                // From now on the registry reports a shutdown.
                self.shutdown = None;
                self.handle_wakeup(agent);
            }
            Ok(None) => agent.handle(McsInput::Refused("unknown device: check in again")),
            Err(error) => refuse(error, agent),
        }
    }
}

/// Tells the protocol when to close the connection.
///
/// Agents are closed one after the other, so that they do not all reconnect at once. One that has not logged in is closed
/// immediately.
fn drain(draining: &Draining, agent: &mut Agent<McsConnection>) {
    let now = agent.service().now();
    let at = match agent.protocol.session() {
        Some(_) => now.after(draining.next_close().saturating_duration_since(Instant::now())),
        None => now,
    };
    agent.handle(McsInput::Draining(at));
}

/// Closes the connection of an agent that should try again later.
fn refuse(error: StoreError, agent: &mut Agent<McsConnection>) {
    let _ = agent.server.error_style.tell(&error.into());
    agent.queue.clear();
    agent.handle(McsInput::Close);
}

#[cfg(test)]
mod tests;
