//! A connected agent: its protocol, its registration, and the entries that wait for its transport.

use super::timer::Timer;
use crate::server::HttpServer;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;
use webpush_core::id::Position;
use webpush_core::session::{DeliveryProtocol, Input, Queue};
use webpush_service::client_addr::ClientAddr;
use webpush_service::page_memory::{PageLease, PageShare};
use webpush_service::queued_entry::QueuedEntry;
use webpush_service::service::{SentMessage, Service};
use webpush_service::session_registry::{BlockReason, SessionHandle};
use webpush_store::StoreError;

/// A connected agent, on any transport.
pub(super) struct Agent<P> {
    pub(super) server: Arc<HttpServer>,
    pub(super) protocol: P,
    /// `None` until the agent is identified, and after its connection was closed.
    pub(super) session_handle: Option<SessionHandle>,
    /// Entries that wait for the transport.
    pub(super) queue: Queue<QueuedEntry>,
    /// The memory of the page that the queue is from.
    lease: Option<Box<PageLease>>,
    /// True if the last page was partial.
    is_scanning: bool,
    timer: Timer,
    /// The source that is polled first. It changes, so that no source starves the others.
    first_source: u8,
    is_ready: bool,
    can_end: bool,
}

/// The result of a wait.
pub(super) enum Next<E> {
    Event(E),
    Wakeup,
    /// An entry can be delivered.
    Entry,
    Deadline,
}

/// Sources that take turns: events of the transport, wakeups, and entries that can be delivered.
const SOURCES: u8 = 3;

impl<P> Agent<P> {
    /// Removes the agent from the registry, if it is there.
    pub(super) fn end_session(&mut self) {
        if let Some(handle) = self.session_handle.take() {
            tracing::debug!(
                agent = %self.server.service.log_ids.inbox(handle.inbox()),
                transport = handle.transport().as_str(),
                "an agent has disconnected"
            );
            self.server.service.settle_at_disconnect();
        }
    }
}

impl<P> Drop for Agent<P> {
    fn drop(&mut self) {
        self.end_session();
    }
}

impl<P: DeliveryProtocol> Agent<P> {
    pub(super) fn new(server: Arc<HttpServer>, protocol: P, session_handle: Option<SessionHandle>) -> Self {
        let (queue, lease, timer) = (Queue::default(), None, Timer::default());
        let (is_scanning, first_source, is_ready, can_end) = (false, 0, false, true);
        Self {
            server,
            protocol,
            session_handle,
            queue,
            lease,
            is_scanning,
            timer,
            first_source,
            is_ready,
            can_end,
        }
    }

    pub(super) fn service(&self) -> &Service {
        &self.server.service
    }

    pub(super) fn handle(&mut self, input: P::Input<'_>) {
        self.protocol.handle(input, self.server.service.now());
    }

    /// Records that the oldest entry was sent. Its agent will acknowledge it.
    pub(super) fn record_sent(&mut self, message: Option<SentMessage>) {
        let now = self.service().now();
        self.service().record_sent(message, now);
        self.protocol.handle(Input::Sent { confirmed: false }.into(), now);
    }

    /// Records that the oldest entry has ended, or cannot be sent.
    pub(super) fn record_skipped(&mut self) {
        self.handle(Input::Skipped.into());
    }

    /// Reads a page of the inbox, with memory of its connection's share.
    ///
    /// The client is charged if its scope excludes much of the inbox, and waits if it has read too much.
    pub(super) async fn fetch(
        &mut self,
        after: Position,
        client: &ClientAddr,
        share: Option<&PageShare>,
    ) -> Result<(), StoreError> {
        let Some(session) = self.protocol.session() else { return Ok(()) };
        let service = &self.server.service;
        // A session with a window may read on while it has a page. The lease of an empty page is too small for another.
        let held = self.lease.take().filter(|_| !self.queue.is_empty());
        // Before it reserves memory, which others need meanwhile.
        if self.is_scanning {
            service.wait_for_scan(client).await;
        }
        let now = service.now();
        let mut lease = match held {
            Some(lease) => lease,
            None => Box::new(service.page_memory.reserve(share).await),
        };
        let page = service.fetch(Some(client), session.scope(), after, now).await?;
        if self.queue.is_empty() {
            lease.shrink_to(&page.entries);
        }
        self.lease = Some(lease);
        self.is_scanning = page.is_partial();
        self.handle(Input::Fetched(page).into());
        Ok(())
    }

    /// Charges the page that waits for the agent to its client.
    ///
    /// Drops it and returns false if the client's network holds too much.
    pub(super) fn charge_page(&mut self, client: &ClientAddr) -> bool {
        if self.queue.is_empty() {
            self.lease = None;
        }
        let service = &self.server.service;
        let Some(lease) = &mut self.lease else { return true };
        let network = service.rate_limits.load().limited_network(client);
        let fits = network.is_none_or(|network| service.page_memory.charge(lease, network));
        if !fits {
            (self.queue, self.lease) = (Queue::default(), None);
        }
        fits
    }

    /// Prepares a wait with the current state of the transport, and records for traces why messages wait.
    pub(super) fn prepare(&mut self, is_ready: bool, can_end: bool) {
        (self.is_ready, self.can_end) = (is_ready, can_end);
        // Sent, or not wanted by the session.
        if self.queue.is_empty() {
            self.lease = None;
        }
        if let (Some(handle), Some(session)) = (&self.session_handle, self.protocol.session()) {
            let reason = match (session.is_full(), is_ready) {
                (true, _) => BlockReason::Window,
                (false, false) => BlockReason::Socket,
                (false, true) => BlockReason::Nothing,
            };
            handle.set_block_reason(reason, session.scope().min_urgency);
        }
    }

    /// Polls the event and the other sources. `all_wakeups` includes those without a change to the inbox.
    pub(super) fn poll_next<E>(
        &mut self,
        mut event: Pin<&mut impl Future<Output = E>>,
        all_wakeups: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Next<E>> {
        let can_deliver = self.is_ready && !self.queue.is_empty();
        let is_idle = self.protocol.session().is_none_or(|session| !session.is_sending());
        self.first_source = (self.first_source + 1) % SOURCES;
        for source in 0..SOURCES {
            let poll = match (self.first_source + source) % SOURCES {
                0 => event.as_mut().poll(cx).map(Next::Event),
                1 => self.poll_wakeup(is_idle, all_wakeups, cx).map(|()| Next::Wakeup),
                _ if can_deliver => Poll::Ready(Next::Entry),
                _ => Poll::Pending,
            };
            if poll.is_ready() {
                return poll;
            }
        }
        if self.can_end { self.poll_deadline(is_idle, cx).map(|()| Next::Deadline) } else { Poll::Pending }
    }

    /// Handles changes to the inbox.
    ///
    /// While entries are being sent only the end of the session is handled. Updates stay in the registry, because a wakeup
    /// would cancel the event that the transport waits for.
    fn poll_wakeup(&mut self, is_idle: bool, all_wakeups: bool, cx: &mut Context<'_>) -> Poll<()> {
        let Some(handle) = &self.session_handle else { return Poll::Pending };
        let wakeup = loop {
            let wakeup = handle.take_if(|wakeup| wakeup.is_end() || is_idle && wakeup.update.is_some());
            if let Some(wakeup) = wakeup {
                break wakeup;
            }
            ready!(handle.poll_notified(cx));
            if all_wakeups {
                return Poll::Ready(());
            }
        };
        if wakeup.superseded {
            self.handle(Input::Superseded.into());
        }
        if wakeup.removed {
            self.handle(Input::Gone.into());
        }
        if let Some(update) = wakeup.update {
            self.handle(Input::Update(*update).into());
        }
        Poll::Ready(())
    }

    fn poll_deadline(&mut self, is_idle: bool, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.protocol.next_deadline() else {
            if is_idle {
                self.timer.clear();
            }
            return Poll::Pending;
        };
        let remaining = self.server.service.now().until(deadline);
        self.timer.poll_until(Instant::now() + remaining, cx)
    }
}

#[cfg(test)]
pub(super) mod tests;
