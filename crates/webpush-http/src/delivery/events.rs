//! Delivery by server-sent events, over either HTTP version, for agents without server push.
//!
//! The stream is pulled: the next part is rendered when the one before has left, so a slow agent has at most one page of
//! its inbox in memory.

use super::driver::{Agent, Driver, Transport};
use super::entry::QueuedEntry;
use super::{Monitor, receipt_ack};
use crate::answer::{Answer, empty};
use crate::problem::Failure;
use crate::resources::cors;
use crate::server::HttpServer;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use webpush_core::id::Position;
use webpush_core::problem::Problem;
use webpush_core::protocol::event_stream::{GONE, KEEP_ALIVE, MEDIA_TYPE, PREAMBLE, event};
use webpush_core::session::{End, Input, Session};
use webpush_service::drain::CloseDeadline;
use webpush_service::service::SentMessage;
use webpush_service::session_registry::SessionHandle;
use webpush_store::StoreError;

/// Time without an event after which a comment is sent, which keeps proxies from closing the stream and reveals an agent
/// that is gone.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// Asks proxies not to buffer the response.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A request for events.
pub struct EventRequest {
    /// The request.
    pub monitor: Monitor,
    /// The registration of the agent.
    pub listener: SessionHandle,
    /// The agent has everything up to this position.
    pub after: Position,
    /// The events are receipts.
    pub receipts: bool,
}

/// A stream of events.
pub struct Events(Driver<EventStream>);

struct EventStream {
    monitor: Monitor,
    close_deadline: CloseDeadline,
    stage: Stage,
    /// When to send a comment.
    quiet_until: Instant,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Nothing was written.
    New,
    /// The last part was an entry, which has left when the next part is asked for.
    Delivering(Option<SentMessage>),
    Waiting,
    Over,
}

enum Event {
    Draining,
    /// Nothing was sent for [`KEEP_ALIVE_INTERVAL`].
    Quiet,
}

/// What ends a run of the driver.
enum Pause {
    Part(Bytes),
    End(Result<End, StoreError>),
}

impl Events {
    /// Begins to listen, and returns the head of the response and the stream that follows it.
    ///
    /// # Errors
    ///
    /// The whole response, if no stream follows.
    #[allow(clippy::result_large_err, reason = "the error is a response like the other, and handled at once")]
    pub async fn begin(
        server: Arc<HttpServer>,
        request: EventRequest,
        close_deadline: CloseDeadline,
    ) -> Result<(Response<()>, Self), Answer> {
        let EventRequest { monitor, listener, after, receipts } = request;
        let service = &server.service;
        if receipts && let Err(error) = receipt_ack::settle(service, monitor.scope.inbox, after).await {
            return Err(refusal(&server, error));
        }
        // Receipts are not acknowledged one by one, so no acknowledgement can be missing.
        let redelivery = (!receipts).then_some(service.limits.load().redelivery_timeout);
        let session =
            Session::resume(monitor.scope, monitor.request.wait_mode, redelivery, after, service.now());
        let agent = Agent::new(server, session, Some(listener));
        let transport =
            EventStream { monitor, close_deadline, stage: Stage::New, quiet_until: Instant::now() };
        let mut driver = Driver { agent, transport };
        match driver.run_commands().await {
            ControlFlow::Continue(()) | ControlFlow::Break(Pause::Part(_)) => {
                Ok((driver.transport.head(), Self(driver)))
            }
            ControlFlow::Break(Pause::End(Ok(End::Nothing | End::Complete))) => {
                let mut answer = empty(StatusCode::NO_CONTENT);
                driver.transport.monitor.add_applied_preference(answer.headers_mut());
                Err(exposed(answer))
            }
            ControlFlow::Break(Pause::End(Ok(End::Gone))) => {
                Err(refusal(&driver.agent.server, Problem::NotFound))
            }
            ControlFlow::Break(Pause::End(Err(error))) => Err(refusal(&driver.agent.server, error)),
        }
    }

    /// Returns the server that the stream belongs to.
    pub fn server(&self) -> &HttpServer {
        &self.0.agent.server
    }

    /// Returns the next part of the stream, to be called when the one before has left; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        let Driver { agent, transport } = &mut self.0;
        match std::mem::replace(&mut transport.stage, Stage::Waiting) {
            Stage::New => return Some(Bytes::from_static(PREAMBLE.as_bytes())),
            // It was written, which does not show that it was read; nothing else will before the next request.
            Stage::Delivering(sent) => agent.sent(sent),
            Stage::Waiting => {}
            Stage::Over => {
                transport.stage = Stage::Over;
                return None;
            }
        }
        transport.quiet_until = Instant::now() + KEEP_ALIVE_INTERVAL;
        let pause = self.0.run().await;
        if !matches!(pause, Pause::Part(_)) {
            self.0.transport.stage = Stage::Over;
        }
        match pause {
            Pause::Part(part) => Some(part),
            Pause::End(Ok(End::Gone)) => Some(Bytes::from_static(GONE.as_bytes())),
            // The agent learns the reason with its next request.
            Pause::End(_) => None,
        }
    }
}

impl Transport for EventStream {
    type Protocol = Session;
    type Event = Event;
    type Output = Pause;

    fn is_ready(&self) -> bool {
        true
    }

    async fn next_event(&mut self) -> Event {
        tokio::select! {
            biased;
            () = self.close_deadline.reached() => Event::Draining,
            () = sleep_until(self.quiet_until) => Event::Quiet,
        }
    }

    async fn handle_event(&mut self, event: Event, agent: &mut Agent<Session>) -> ControlFlow<Pause> {
        match event {
            Event::Draining => {
                agent.handle(Input::Draining);
                ControlFlow::Continue(())
            }
            Event::Quiet => ControlFlow::Break(Pause::Part(Bytes::from_static(KEEP_ALIVE.as_bytes()))),
        }
    }

    async fn deliver(&mut self, entry: QueuedEntry, agent: &mut Agent<Session>) -> ControlFlow<Pause> {
        let service = agent.service();
        let rendered = if entry.is_wanted(service).await {
            let subscription = match entry.subscription(service).await {
                Ok(subscription) => subscription,
                Err(error) => return self.end(Err(error), agent).await,
            };
            event(&entry.entry, subscription.as_ref(), &service.keyring, &service.origin)
        } else {
            None
        };
        match rendered {
            Some(event) => {
                self.stage = Stage::Delivering(entry.sent());
                ControlFlow::Break(Pause::Part(event.into()))
            }
            None => {
                agent.withheld();
                ControlFlow::Continue(())
            }
        }
    }

    async fn perform(&mut self, action: Infallible, _: &mut Agent<Session>) {
        match action {}
    }

    async fn end(&mut self, end: Result<End, StoreError>, _: &mut Agent<Session>) -> ControlFlow<Pause> {
        ControlFlow::Break(Pause::End(end))
    }
}

impl EventStream {
    fn head(&self) -> Response<()> {
        let mut head = Response::new(());
        let headers = head.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        self.monitor.add_applied_preference(headers);
        cors::expose(&mut head);
        head
    }
}

fn refusal(server: &HttpServer, failure: impl Into<Failure>) -> Answer {
    exposed(server.error_style.answer(&failure.into()))
}

fn exposed(mut answer: Answer) -> Answer {
    cors::expose(&mut answer);
    answer
}
