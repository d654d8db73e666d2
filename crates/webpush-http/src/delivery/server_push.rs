//! Delivery by HTTP/2 server push (RFC 8030 §6, RFC 9113 §8.4).

use crate::delivery::confirmation::{self, Confirmation, Left};
use crate::delivery::waiting::{Waiting, subscription_of};
use crate::delivery::{Monitor, deadline};
use crate::h2::connection_lifetime::ConnectionLifetime;
use crate::h2::flow::{Flow, Responder};
use crate::h2::inbound::Inbound;
use crate::h2::ping::PingState;
use crate::h2::write_backlog::{Permit, WriteBacklog};
use crate::problem::Failure;
use crate::server::HttpServer;
use bytes::Bytes;
use h2::server::SendResponse;
use http::header::LINK;
use http::{Request, Response, StatusCode};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::ControlFlow;
use webpush_core::inbox::OutboundEntry;
use webpush_core::message::Outcome;
use webpush_core::problem::Problem;
use webpush_core::protocol::push_promise::PushPromise;
use webpush_core::protocol::server_push;
use webpush_core::session::{Command, End, Input, Session};
use webpush_service::drain::CloseDeadline;
use webpush_service::service::{SentMessage, Service};
use webpush_store::{Durability, Op, StoreError};

/// What a connection gives to each of its monitors.
pub struct Connection<'a> {
    /// How far its peer lags behind.
    pub pressure: &'a WriteBacklog,
    /// Whether it has read what it was sent.
    pub pulse: &'a PingState,
    /// What the frames of the peer have said.
    pub inbound: &'a Inbound,
    /// Whether it may go on.
    pub retirement: &'a ConnectionLifetime,
    /// Says when it is to end because the service stops.
    pub close_deadline: CloseDeadline,
}

/// What is on its way to the agent.
enum Outgoing<'a> {
    /// Nothing.
    Idle,
    /// Waits until the connection can take a promise.
    Admitting(Waiting),
    /// Promised; waits until the body may begin.
    Opening(Waiting, Push<'a>),
    /// The body goes as flow control lets it.
    Flowing(Push<'a>),
    /// Entries were handed over that nobody acknowledges, so the peer must be seen to have read them before they are
    /// settled.
    Confirming(Vec<Left<'a>>),
}

/// A promised entry.
struct Push<'a> {
    flow: Flow,
    /// What is said when it was handed over.
    sent: Option<SentMessage>,
    /// Its place on the connection, which is free again when this is dropped.
    _permit: Permit<'a>,
    confirmation: Option<Confirmation<'a>>,
}

/// What has become of it.
enum Progress<'a> {
    Admitted(Permit<'a>),
    Opened { by_peer: bool },
    Flown { whole: bool, body_queued: bool },
    Confirmed,
}

/// What has become of an attempt to promise.
enum Promise<'a> {
    Made(Flow, Option<Confirmation<'a>>),
    /// This entry can't be promised, and stays in the inbox.
    Skipped,
    /// The store can't say whom it is for. It stays in the inbox, and the monitor ends, or it would be passed over.
    Failed(StoreError),
    /// The peer takes no pushes any more.
    Impossible,
}

/// Serves one monitoring request until it ends.
pub fn run<'a>(
    server: &'a HttpServer,
    monitor: Box<Monitor>,
    mut respond: SendResponse<Bytes>,
    connection: Connection<'a>,
) -> impl Future<Output = ()> + Send + 'a {
    // Made before the future is: what an asynchronous function is given it keeps twice.
    let mut delivery = Delivery {
        server,
        monitor,
        parent: respond.stream_id().as_u32(),
        connection,
        queue: VecDeque::new(),
        unconfirmed: Vec::new(),
        outgoing: Outgoing::Idle,
    };
    async move {
        let answer = if delivery.connection.inbound.accepts_pushes() {
            let begun = server.service.monotonic();
            match delivery.until_the_end(&mut respond).await {
                Some(answer) => answer,
                None => return delivery.connection.retirement.was_left(begun, server.service.monotonic()),
            }
        } else {
            delivery.monitor.unsupported(server)
        };
        let patience = server.service.limits.load().timeouts.stall;
        Responder { respond, patience, now: server.service.now() }.send(answer).await;
    }
}

/// One agent being served by pushes.
struct Delivery<'a> {
    server: &'a HttpServer,
    monitor: Box<Monitor>,
    connection: Connection<'a>,
    /// The stream of the monitoring request, which promises are on.
    parent: u32,
    /// Handed out by the session and not begun.
    queue: VecDeque<Waiting>,
    /// Entries to be confirmed, and what came after the first of them: the session is told in order.
    unconfirmed: Vec<Left<'a>>,
    outgoing: Outgoing<'a>,
}

impl<'a> Delivery<'a> {
    /// Does what the session says until it ends; the answer to the monitoring request, unless nobody wants it.
    async fn until_the_end(&mut self, respond: &mut SendResponse<Bytes>) -> Option<Response<Bytes>> {
        let Connection { pressure, pulse, .. } = self.connection;
        let (wait_mode, redelivery) =
            (self.monitor.request.wait_mode, self.monitor.redelivery(&self.server.service));
        let mut session = Session::new(self.monitor.scope, wait_mode, redelivery);
        loop {
            while let Some(command) = session.next_command() {
                if let ControlFlow::Break(answer) = self.obey(&mut session, command).await {
                    return Some(answer);
                }
            }
            self.begin_next();
            let busy = !matches!(self.outgoing, Outgoing::Idle);
            // A body that has begun is finished, and what must be confirmed is confirmed, whoever wants to end this.
            let may_end = !matches!(self.outgoing, Outgoing::Flowing(..) | Outgoing::Confirming(_))
                && self.unconfirmed.is_empty();
            let input = tokio::select! {
                biased;
                _ = poll_fn(|cx| respond.poll_reset(cx)) => return None,
                news = self.monitor.news(busy) => news,
                () = self.connection.close_deadline.reached(), if may_end => Input::Draining,
                // What was promised last is still sent whole.
                () = self.connection.retirement.out_of_ids(), if !busy => Input::Draining,
                progress = advance(&mut self.outgoing, self.parent, pressure, pulse), if busy => {
                    match self.went_on(respond, &mut session, progress).await {
                        ControlFlow::Continue(Some(input)) => input,
                        ControlFlow::Continue(None) => continue,
                        ControlFlow::Break(answer) => return Some(answer),
                    }
                }
                () = deadline(&self.server.service, session.next_deadline()), if may_end => Input::Deadline,
            };
            session.handle(input, self.server.service.now());
        }
    }

    async fn obey(&mut self, session: &mut Session, command: Command) -> ControlFlow<Response<Bytes>> {
        match command {
            Command::Fetch { after } => {
                let page = match self
                    .server
                    .service
                    .fetch(session.scope(), after, self.server.service.now())
                    .await
                {
                    Ok(page) => page,
                    Err(error) => return ControlFlow::Break(self.failure(error)),
                };
                let nothing_for_it = page.entries.is_empty() && page.more;
                session.handle(Input::Fetched(page), self.server.service.now());
                if nothing_for_it {
                    // A long inbox of which nothing passes the filter must not hold up everybody else.
                    tokio::task::yield_now().await;
                }
            }
            Command::Deliver(entry) => self.queue.push_back(Waiting::new(entry, self.server.service.now())),
            Command::Settle { entries, .. } => {
                self.server.service.record_acknowledged(&entries);
                let settle = entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Delivered));
                if let Err(error) = self.server.service.commit(settle.collect(), Durability::Durable).await {
                    return ControlFlow::Break(self.failure(error));
                }
            }
            Command::Finish(end) => {
                // What was not begun is taken back; the rest goes out before the end of this response, which agents may
                // take for the end of all (RFC 8030 §6).
                self.outgoing = Outgoing::Idle;
                self.connection.pressure.written().await;
                return ControlFlow::Break(self.ending(end));
            }
        }
        ControlFlow::Continue(())
    }

    /// The answer when the store fails.
    fn failure(&self, error: StoreError) -> Response<Bytes> {
        let answer = self.server.error_style.answer(&Failure::from(error));
        self.monitor.in_its_protocol(self.server, answer)
    }

    /// Takes up the next thing to send, if nothing is on its way.
    fn begin_next(&mut self) {
        if !matches!(self.outgoing, Outgoing::Idle) {
            return;
        }
        let may_promise = !self.connection.retirement.is_out_of_ids();
        if let Some(waiting) = may_promise.then(|| self.queue.pop_front()).flatten() {
            self.outgoing = Outgoing::Admitting(waiting);
        } else if !self.unconfirmed.is_empty() {
            self.outgoing = Outgoing::Confirming(std::mem::take(&mut self.unconfirmed));
        }
    }

    /// Goes on with what is on its way; says what the session is to be told, if that is known by now.
    async fn went_on(
        &mut self,
        respond: &mut SendResponse<Bytes>,
        session: &mut Session,
        progress: Progress<'a>,
    ) -> ControlFlow<Response<Bytes>, Option<Input>> {
        let left = match (progress, std::mem::replace(&mut self.outgoing, Outgoing::Idle)) {
            (Progress::Admitted(permit), Outgoing::Admitting(waiting)) => {
                let wanted = waiting.is_still_wanted(&self.server.service).await;
                match if wanted { self.promise(respond, &waiting.entry).await } else { Promise::Skipped } {
                    Promise::Made(flow, confirmation) => {
                        let sent = waiting.sent();
                        let push = Push { flow, sent, _permit: permit, confirmation };
                        self.outgoing = Outgoing::Opening(waiting, push);
                        return ControlFlow::Continue(None);
                    }
                    Promise::Skipped => Left { input: Input::Skipped, confirmation: None },
                    Promise::Failed(error) => return ControlFlow::Break(self.failure(error)),
                    Promise::Impossible => {
                        return ControlFlow::Break(self.monitor.unsupported(self.server));
                    }
                }
            }
            (Progress::Opened { by_peer: true }, Outgoing::Opening(waiting, push))
                if waiting.is_still_wanted(&self.server.service).await =>
            {
                self.outgoing = Outgoing::Flowing(push);
                return ControlFlow::Continue(None);
            }
            (Progress::Flown { whole: true, body_queued }, Outgoing::Flowing(push)) => {
                if body_queued {
                    self.connection.pressure.handed_over();
                }
                self.server.service.record_sent(push.sent, self.server.service.now());
                Left { input: Input::Sent { confirmed: false }, confirmation: push.confirmation }
            }
            (Progress::Opened { .. }, Outgoing::Opening(..))
            | (Progress::Flown { .. }, Outgoing::Flowing(_)) => {
                Left { input: Input::Sent { confirmed: false }, confirmation: None }
            }
            (Progress::Confirmed, Outgoing::Confirming(confirmed)) => {
                confirmed
                    .into_iter()
                    .for_each(|left| session.handle(left.outcome(), self.server.service.now()));
                return ControlFlow::Continue(None);
            }
            // `advance` speaks of what is on its way, so nothing else fits together.
            (_, outgoing) => {
                self.outgoing = outgoing;
                return ControlFlow::Continue(None);
            }
        };
        if left.confirmation.is_none() && self.unconfirmed.is_empty() {
            return ControlFlow::Continue(Some(left.input));
        }
        self.unconfirmed.push(left);
        ControlFlow::Continue(None)
    }

    /// Promises an entry and begins its response.
    async fn promise(&self, respond: &mut SendResponse<Bytes>, entry: &OutboundEntry) -> Promise<'a> {
        let (request, pushed) = match render(&self.server.service, &self.monitor, entry).await {
            Ok(Some(rendered)) => rendered,
            Ok(None) => return Promise::Skipped,
            Err(error) => return Promise::Failed(error),
        };
        match respond.push_request(request) {
            Ok(promised) => {
                let stream = promised.stream_id().as_u32();
                self.connection.retirement.promised(stream);
                let confirmation =
                    Confirmation::of(pushed.acknowledgement, &self.connection.inbound.resets, stream);
                let flow =
                    Flow::begin(promised, pushed.response, self.server.service.limits.load().timeouts.stall);
                flow.map_or(Promise::Skipped, |flow| Promise::Made(flow, confirmation))
            }
            Err(_) if self.connection.inbound.accepts_pushes() => Promise::Skipped,
            Err(_) => Promise::Impossible,
        }
    }

    /// The response to the monitoring request itself (RFC 8030 §6, §7.3).
    fn ending(&self, end: End) -> Response<Bytes> {
        let status = match end {
            End::Nothing => StatusCode::NO_CONTENT,
            End::Complete => StatusCode::OK,
            End::Gone => {
                let answer = self.server.error_style.answer(&Failure::from(Problem::NotFound));
                return self.monitor.in_its_protocol(self.server, answer);
            }
        };
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        self.monitor.say_what_was_applied(response.headers_mut());
        self.monitor.in_its_protocol(self.server, response)
    }
}

/// Waits until what is on its way can take its next step.
async fn advance<'a>(
    outgoing: &mut Outgoing<'a>,
    parent: u32,
    pressure: &'a WriteBacklog,
    pulse: &PingState,
) -> Progress<'a> {
    match outgoing {
        Outgoing::Idle => std::future::pending().await,
        Outgoing::Admitting(_) => Progress::Admitted(pressure.admit(parent).await),
        // A reset push was not delivered; the message stays, and comes again later (RFC 8030 §6.2).
        Outgoing::Opening(_, push) => Progress::Opened { by_peer: push.flow.open().await.is_ok() },
        Outgoing::Flowing(push) => {
            let flown = push.flow.run().await;
            Progress::Flown { whole: flown.is_ok(), body_queued: flown.unwrap_or_default() }
        }
        Outgoing::Confirming(left) => {
            confirmation::answered(left, pressure, pulse).await;
            Progress::Confirmed
        }
    }
}

/// The promised request and its response; `None` when the message's subscription is gone.
async fn render(
    service: &Service,
    monitor: &Monitor,
    entry: &OutboundEntry,
) -> Result<Option<(Request<()>, PushPromise)>, StoreError> {
    let subscription = subscription_of(service, entry).await?;
    let subscription = subscription.as_ref();
    let pushed =
        server_push::push_promise(entry, subscription, &service.keyring, &service.origin, service.now());
    let Some(pushed) = pushed else { return Ok(None) };
    let origin = monitor.asked_at.as_deref().unwrap_or(&service.origin);
    let Ok(mut request) = Request::get(format!("{origin}{}", pushed.path)).body(()) else { return Ok(None) };
    if let Some(link) = &pushed.link {
        request.headers_mut().insert(LINK, link.clone());
    }
    Ok(Some((request, pushed)))
}
