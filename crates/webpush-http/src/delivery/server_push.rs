//! Delivery by HTTP/2 server push (RFC 8030 §6, RFC 9113 §8.4).

mod confirmation;
mod push;

use super::DeliveryRequest;
use super::agent::Agent;
use super::driver::{Driver, Transport};
use crate::answer::Answer;
use crate::h2::connection_lifetime::ConnectionLifetime;
use crate::h2::flow::Responder;
use crate::h2::inbound::Inbound;
use crate::h2::ping::PingState;
use crate::h2::write_backlog::{PushPermit, WriteBacklog};
use crate::server::HttpServer;
use bytes::Bytes;
use confirmation::DeliveryOutcome;
use h2::server::SendResponse;
use push::Push;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use webpush_core::session::{End, Input, Session};
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::CloseDeadline;
use webpush_service::page_memory::PageShare;
use webpush_service::queued_entry::QueuedEntry;
use webpush_service::session_registry::SessionHandle;
use webpush_store::StoreError;

/// The connection of a request, which is shared with other requests.
pub struct PushConnection<'a> {
    /// Frames that are not written yet.
    pub backlog: &'a WriteBacklog,
    /// Confirms that the peer has read everything.
    pub ping: &'a PingState,
    /// Facts from the peer's frames.
    pub inbound: &'a Inbound,
    /// Decides when the connection ends.
    pub lifetime: &'a ConnectionLifetime,
    /// When to end the session as the service shuts down.
    pub close_deadline: CloseDeadline,
    /// Memory for the pages of its sessions.
    pub page_share: PageShare,
}

/// The delivery under way.
///
/// ```text
///   Idle ──▶ Admitting ──▶ Opening ──▶ Sending ──▶ Idle
///    └─────▶ Confirming ──▶ Idle
/// ```
enum Outgoing<'a> {
    Idle,
    /// Waits until the connection can take a promise.
    Admitting(QueuedEntry),
    /// Promised; waits until the body may begin.
    Opening(Push<'a>),
    /// Sends the body as flow control permits.
    Sending(Push<'a>),
    /// Waits until the peer has read entries that it does not acknowledge.
    Confirming(Vec<DeliveryOutcome<'a>>),
}

enum Event<'a> {
    Reset,
    Draining,
    Admitted(PushPermit<'a>),
    /// The body may begin; false if the peer reset the push, read nothing for too long, or is gone.
    Opened(bool),
    /// The result of [`Flow::run`](crate::h2::flow::Flow::run).
    BodySent(Result<bool, h2::Error>),
    Confirmed,
}

/// The stream of a request and the pushes that it promises.
struct ServerPush<'a> {
    request: Box<DeliveryRequest>,
    connection: PushConnection<'a>,
    respond: SendResponse<Bytes>,
    /// Unconfirmed entries, and those sent after the first of them: the session is told in order.
    unconfirmed: Vec<DeliveryOutcome<'a>>,
    outgoing: Outgoing<'a>,
}

/// Serves a request until its session ends.
pub fn run<'a>(
    server: &Arc<HttpServer>,
    request: Box<DeliveryRequest>,
    session_handle: SessionHandle,
    respond: SendResponse<Bytes>,
    connection: PushConnection<'a>,
) -> impl Future<Output = ()> + Send + use<'a> {
    // Created before the future, which would otherwise store its arguments twice.
    let redelivery = request.redelivery(&server.service);
    let session = Session::new(request.scope, request.preferences.wait_mode, redelivery);
    let agent = Agent::new(Arc::clone(server), session, Some(session_handle));
    let (unconfirmed, outgoing) = (Vec::new(), Outgoing::Idle);
    let mut driver =
        Driver { agent, transport: ServerPush { request, connection, respond, unconfirmed, outgoing } };
    async move {
        let begun = driver.agent.service().monotonic();
        let response = if driver.transport.connection.inbound.accepts_pushes() {
            driver.run().await
        } else {
            Some(driver.transport.request.unsupported(&driver.agent.server))
        };
        let service = driver.agent.service();
        let Some(response) = response else {
            return driver.transport.connection.lifetime.record_session_reset(begun, service.monotonic());
        };
        let (patience, now) = (service.limits.load().timeouts.stall, service.now());
        Responder { respond: driver.transport.respond, patience, now }.send(response).await;
    }
}

impl<'a> Transport for ServerPush<'a> {
    type Protocol = Session;
    type Event = Event<'a>;
    /// The response to the request, unless it was reset.
    type Output = Option<Answer>;

    fn client(&self) -> &ClientAddr {
        &self.request.client
    }

    fn page_share(&self) -> Option<&PageShare> {
        Some(&self.connection.page_share)
    }

    fn is_ready(&self) -> bool {
        matches!(self.outgoing, Outgoing::Idle) && !self.connection.lifetime.is_out_of_ids()
    }

    /// A body that has begun is completed, and entries that nobody acknowledges are confirmed.
    fn can_end(&self) -> bool {
        !matches!(self.outgoing, Outgoing::Sending(_) | Outgoing::Confirming(_))
            && self.unconfirmed.is_empty()
    }

    /// Confirms all entries of a batch with the same PING.
    fn flush(&mut self) {
        if matches!(self.outgoing, Outgoing::Idle) && !self.unconfirmed.is_empty() {
            self.outgoing = Outgoing::Confirming(std::mem::take(&mut self.unconfirmed));
        }
    }

    async fn next_event(&mut self) -> Event<'a> {
        let (can_end, is_idle) = (self.can_end(), matches!(self.outgoing, Outgoing::Idle));
        let parent = self.respond.stream_id().as_u32();
        let Self {
            connection: PushConnection { backlog, ping, lifetime, close_deadline, .. },
            respond,
            outgoing,
            ..
        } = self;
        tokio::select! {
            biased;
            _ = poll_fn(|cx| respond.poll_reset(cx)) => Event::Reset,
            () = close_deadline.reached(), if can_end => Event::Draining,
            // The last promise is still completed.
            () = lifetime.out_of_ids(), if is_idle => Event::Draining,
            event = advance(outgoing, parent, backlog, ping), if !is_idle => event,
        }
    }

    async fn handle_event(
        &mut self,
        event: Event<'a>,
        agent: &mut Agent<Session>,
    ) -> ControlFlow<Self::Output> {
        let service = &agent.server.service;
        let outcome = match (event, std::mem::replace(&mut self.outgoing, Outgoing::Idle)) {
            (Event::Reset, _) => return ControlFlow::Break(None),
            (Event::Admitted(permit), Outgoing::Admitting(entry)) => {
                match self.promise(entry, permit, &agent.server).await? {
                    Some(push) => {
                        self.outgoing = Outgoing::Opening(push);
                        return ControlFlow::Continue(());
                    }
                    None => DeliveryOutcome::Skipped,
                }
            }
            (Event::Opened(true), Outgoing::Opening(push)) if push.entry.is_wanted(service).await => {
                self.outgoing = Outgoing::Sending(push);
                return ControlFlow::Continue(());
            }
            (Event::BodySent(Ok(body_queued)), Outgoing::Sending(push)) => {
                if body_queued {
                    self.connection.backlog.record_body();
                }
                service.record_sent(push.entry.sent(), service.now());
                push.outcome
            }
            // A push that was reset is not delivered; the message is sent again later (RFC 8030 §6.2).
            (Event::Opened(_), Outgoing::Opening(_)) | (Event::BodySent(_), Outgoing::Sending(_)) => {
                DeliveryOutcome::Sent
            }
            (Event::Confirmed, Outgoing::Confirming(outcomes)) => {
                outcomes.into_iter().for_each(|outcome| agent.handle(outcome.into_input()));
                return ControlFlow::Continue(());
            }
            (event, outgoing) => {
                self.outgoing = outgoing;
                if matches!(event, Event::Draining) {
                    agent.handle(Input::Draining);
                }
                return ControlFlow::Continue(());
            }
        };
        if matches!(outcome, DeliveryOutcome::Unconfirmed(..)) || !self.unconfirmed.is_empty() {
            self.unconfirmed.push(outcome);
        } else {
            agent.handle(outcome.into_input());
        }
        ControlFlow::Continue(())
    }

    async fn deliver(&mut self, entry: QueuedEntry, _: &mut Agent<Session>) -> ControlFlow<Self::Output> {
        self.outgoing = Outgoing::Admitting(entry);
        ControlFlow::Continue(())
    }

    /// Ends the response after all pushes are written, but cancels a promise whose body has not begun.
    ///
    /// Agents may take the end of the response for the end of all pushes (RFC 8030 §6).
    async fn end(
        &mut self,
        end: Result<End, StoreError>,
        agent: &mut Agent<Session>,
    ) -> ControlFlow<Self::Output> {
        if end.is_ok() {
            self.outgoing = Outgoing::Idle;
            self.connection.backlog.written().await;
        }
        ControlFlow::Break(Some(self.request.ending(end, &agent.server)))
    }
}

/// Waits for the next event of the delivery.
async fn advance<'a>(
    outgoing: &mut Outgoing<'a>,
    parent: u32,
    backlog: &'a WriteBacklog,
    ping: &PingState,
) -> Event<'a> {
    match outgoing {
        Outgoing::Idle => std::future::pending().await,
        Outgoing::Admitting(_) => Event::Admitted(backlog.admit(parent).await),
        Outgoing::Opening(push) => Event::Opened(push.flow.open().await.is_ok()),
        Outgoing::Sending(push) => Event::BodySent(push.flow.run().await),
        Outgoing::Confirming(outcomes) => {
            confirmation::confirm(outcomes, backlog, ping).await;
            Event::Confirmed
        }
    }
}
