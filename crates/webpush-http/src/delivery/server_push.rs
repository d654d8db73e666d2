//! Delivery by HTTP/2 server push (RFC 8030 §6, RFC 9113 §8.4).

mod push;

use super::driver::{Agent, Driver, Transport};
use super::entry::QueuedEntry;
use super::{Monitor, confirmation};
use crate::answer::empty;
use crate::h2::connection_lifetime::ConnectionLifetime;
use crate::h2::flow::Responder;
use crate::h2::inbound::Inbound;
use crate::h2::ping::PingState;
use crate::h2::write_backlog::{PushPermit, WriteBacklog};
use crate::problem::Failure;
use crate::server::HttpServer;
use bytes::Bytes;
use confirmation::HandedOver;
use h2::server::SendResponse;
use http::{Response, StatusCode};
use push::{Promise, Push};
use std::convert::Infallible;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use webpush_core::problem::Problem;
use webpush_core::session::{End, Input, Session};
use webpush_service::drain::CloseDeadline;
use webpush_service::session_registry::SessionHandle;
use webpush_store::StoreError;

/// The connection of a monitor, shared with its other requests.
pub struct Connection<'a> {
    /// Frames that the peer has not read yet.
    pub backlog: &'a WriteBacklog,
    /// Confirms that the peer has read everything.
    pub ping: &'a PingState,
    /// Facts from the peer's frames.
    pub inbound: &'a Inbound,
    /// The end of the connection.
    pub lifetime: &'a ConnectionLifetime,
    /// When to end as the service shuts down.
    pub close_deadline: CloseDeadline,
}

/// The entry that is on its way to the agent.
///
/// ```text
///   Idle ──▶ Admitting ──▶ Opening ──▶ Flowing ──▶ Idle
///    └─────▶ Confirming ──▶ Idle
/// ```
enum Outgoing<'a> {
    Idle,
    /// Waits until the connection can take a promise.
    Admitting(QueuedEntry),
    /// Promised; waits until the body may begin.
    Opening(QueuedEntry, Push<'a>),
    /// The body is sent as flow control permits.
    Flowing(Push<'a>),
    /// Waits until the peer has read entries that it does not acknowledge.
    Confirming(Vec<HandedOver<'a>>),
}

/// A step of [`Outgoing`].
enum Progress<'a> {
    Admitted(PushPermit<'a>),
    Opened { by_peer: bool },
    Flown { is_complete: bool, body_queued: bool },
    Confirmed,
}

enum Event<'a> {
    Reset,
    Draining,
    Progress(Progress<'a>),
}

/// The stream of a monitoring request and the pushes that it promises.
struct ServerPush<'a> {
    monitor: Box<Monitor>,
    connection: Connection<'a>,
    respond: SendResponse<Bytes>,
    /// Entries to be confirmed, and those handed over after the first of them: the session is told in order.
    unconfirmed: Vec<HandedOver<'a>>,
    outgoing: Outgoing<'a>,
}

/// Serves a monitoring request until it ends.
pub fn run<'a>(
    server: &Arc<HttpServer>,
    monitor: Box<Monitor>,
    listener: SessionHandle,
    respond: SendResponse<Bytes>,
    connection: Connection<'a>,
) -> impl Future<Output = ()> + Send + use<'a> {
    // Created before the future, which would otherwise store its arguments twice.
    let redelivery = monitor.redelivery(&server.service);
    let session = Session::new(monitor.scope, monitor.request.wait_mode, redelivery);
    let agent = Agent::new(Arc::clone(server), session, Some(listener));
    let (unconfirmed, outgoing) = (Vec::new(), Outgoing::Idle);
    let mut driver =
        Driver { agent, transport: ServerPush { monitor, connection, respond, unconfirmed, outgoing } };
    async move {
        let begun = driver.agent.service().monotonic();
        let response = if driver.transport.connection.inbound.accepts_pushes() {
            driver.run().await
        } else {
            Some(driver.transport.monitor.unsupported(&driver.agent.server))
        };
        let service = driver.agent.service();
        let Some(response) = response else {
            return driver.transport.connection.lifetime.record_monitor_reset(begun, service.monotonic());
        };
        let (patience, now) = (service.limits.load().timeouts.stall, service.now());
        Responder { respond: driver.transport.respond, patience, now }.send(response).await;
    }
}

impl<'a> Transport for ServerPush<'a> {
    type Protocol = Session;
    type Event = Event<'a>;
    /// The response to the monitoring request, unless it was reset.
    type Output = Option<Response<Bytes>>;

    fn is_ready(&self) -> bool {
        matches!(self.outgoing, Outgoing::Idle) && !self.connection.lifetime.is_out_of_ids()
    }

    /// A body that was begun is completed, and entries that nobody acknowledges are confirmed.
    fn can_end(&self) -> bool {
        !matches!(self.outgoing, Outgoing::Flowing(_) | Outgoing::Confirming(_))
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
            connection: Connection { backlog, ping, lifetime, close_deadline, .. },
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
            progress = advance(outgoing, parent, backlog, ping), if !is_idle => Event::Progress(progress),
        }
    }

    async fn handle_event(
        &mut self,
        event: Event<'a>,
        agent: &mut Agent<Session>,
    ) -> ControlFlow<Self::Output> {
        match event {
            Event::Reset => ControlFlow::Break(None),
            Event::Draining => {
                agent.handle(Input::Draining);
                ControlFlow::Continue(())
            }
            Event::Progress(progress) => self.handle_progress(progress, agent).await,
        }
    }

    async fn deliver(&mut self, entry: QueuedEntry, _: &mut Agent<Session>) -> ControlFlow<Self::Output> {
        self.outgoing = Outgoing::Admitting(entry);
        ControlFlow::Continue(())
    }

    async fn perform(&mut self, action: Infallible, _: &mut Agent<Session>) {
        match action {}
    }

    /// Takes back pushes that were not begun. The others are written before the response ends, which agents may take for
    /// the end of all (RFC 8030 §6).
    async fn end(
        &mut self,
        end: Result<End, StoreError>,
        agent: &mut Agent<Session>,
    ) -> ControlFlow<Self::Output> {
        if end.is_ok() {
            self.outgoing = Outgoing::Idle;
            self.connection.backlog.written().await;
        }
        ControlFlow::Break(Some(self.ending(end, &agent.server)))
    }
}

impl<'a> ServerPush<'a> {
    async fn handle_progress(
        &mut self,
        progress: Progress<'a>,
        agent: &mut Agent<Session>,
    ) -> ControlFlow<Option<Response<Bytes>>> {
        let service = &agent.server.service;
        let handed_over = match (progress, std::mem::replace(&mut self.outgoing, Outgoing::Idle)) {
            (Progress::Admitted(permit), Outgoing::Admitting(entry)) => {
                let is_wanted = entry.is_wanted(service).await;
                match if is_wanted { self.promise(&entry, service).await } else { Ok(Promise::Skipped) } {
                    Ok(Promise::Made(flow, confirmation)) => {
                        let push = Push { flow, sent: entry.sent(), _permit: permit, confirmation };
                        self.outgoing = Outgoing::Opening(entry, push);
                        return ControlFlow::Continue(());
                    }
                    Ok(Promise::Skipped) => HandedOver { input: Input::Skipped, confirmation: None },
                    Ok(Promise::Impossible) => {
                        return ControlFlow::Break(Some(self.monitor.unsupported(&agent.server)));
                    }
                    // Skipping it would lose it for this session.
                    Err(error) => return ControlFlow::Break(Some(self.ending(Err(error), &agent.server))),
                }
            }
            (Progress::Opened { by_peer: true }, Outgoing::Opening(entry, push))
                if entry.is_wanted(service).await =>
            {
                self.outgoing = Outgoing::Flowing(push);
                return ControlFlow::Continue(());
            }
            (Progress::Flown { is_complete: true, body_queued }, Outgoing::Flowing(push)) => {
                if body_queued {
                    self.connection.backlog.record_body();
                }
                service.record_sent(push.sent, service.now());
                HandedOver { input: Input::Sent { confirmed: false }, confirmation: push.confirmation }
            }
            (Progress::Opened { .. }, Outgoing::Opening(..))
            | (Progress::Flown { .. }, Outgoing::Flowing(_)) => {
                HandedOver { input: Input::Sent { confirmed: false }, confirmation: None }
            }
            (Progress::Confirmed, Outgoing::Confirming(confirmed)) => {
                confirmed.into_iter().for_each(|entry| agent.handle(entry.outcome()));
                return ControlFlow::Continue(());
            }
            // `advance` only returns progress of the present state.
            (_, outgoing) => {
                self.outgoing = outgoing;
                return ControlFlow::Continue(());
            }
        };
        if handed_over.confirmation.is_none() && self.unconfirmed.is_empty() {
            agent.handle(handed_over.input);
        } else {
            self.unconfirmed.push(handed_over);
        }
        ControlFlow::Continue(())
    }

    /// Returns the response to the monitoring request itself (RFC 8030 §6, §7.3).
    fn ending(&self, end: Result<End, StoreError>, server: &HttpServer) -> Response<Bytes> {
        let failure = |failure: Failure| server.error_style.answer(&failure);
        let mut answer = match end {
            Ok(End::Nothing) => empty(StatusCode::NO_CONTENT),
            Ok(End::Complete) => empty(StatusCode::OK),
            Ok(End::Gone) => failure(Problem::NotFound.into()),
            Err(error) => failure(error.into()),
        };
        if answer.status().is_success() {
            self.monitor.add_applied_preference(answer.headers_mut());
        }
        self.monitor.complete(server, answer)
    }
}

/// Waits until what is on its way can take its next step.
async fn advance<'a>(
    outgoing: &mut Outgoing<'a>,
    parent: u32,
    backlog: &'a WriteBacklog,
    ping: &PingState,
) -> Progress<'a> {
    match outgoing {
        Outgoing::Idle => std::future::pending().await,
        Outgoing::Admitting(_) => Progress::Admitted(backlog.admit(parent).await),
        // A push that the peer reset was not delivered; the message is sent again later (RFC 8030 §6.2).
        Outgoing::Opening(_, push) => Progress::Opened { by_peer: push.flow.open().await.is_ok() },
        Outgoing::Flowing(push) => {
            let flown = push.flow.run().await;
            Progress::Flown { is_complete: flown.is_ok(), body_queued: flown.unwrap_or_default() }
        }
        Outgoing::Confirming(entries) => {
            confirmation::confirm(entries, backlog, ping).await;
            Progress::Confirmed
        }
    }
}
