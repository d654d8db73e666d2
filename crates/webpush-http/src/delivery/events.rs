//! Delivery by server-sent events, over either HTTP version, for agents without server push.
//!
//! The stream is pulled: the next part is rendered when the previous one has been written. So a slow agent has at most
//! one page of its inbox in memory.

use super::agent::Agent;
use super::driver::{Driver, Transport};
use super::{DeliveryRequest, receipt_ack};
use crate::answer::Answer;
use crate::resources::cors;
use crate::server::HttpServer;
use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use webpush_core::id::Position;
use webpush_core::protocol::event_stream::{GONE, KEEP_ALIVE, MEDIA_TYPE, PREAMBLE, event};
use webpush_core::session::{End, Input, Session};
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::CloseDeadline;
use webpush_service::page_memory::PageShare;
use webpush_service::queued_entry::QueuedEntry;
use webpush_service::service::SentMessage;
use webpush_service::session_registry::SessionHandle;
use webpush_store::StoreError;

/// Time without an event after which a comment is sent.
///
/// Comments keep proxies from closing the stream, and reveal agents that are gone.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// Asks proxies not to buffer the response.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A request for events.
pub struct EventRequest {
    /// The request.
    pub request: DeliveryRequest,
    /// The registration of the session.
    pub session_handle: SessionHandle,
    /// The agent has everything up to this position.
    pub after: Position,
    /// The events are receipts.
    pub receipts: bool,
}

/// A stream of events.
pub struct EventStream(Driver<EventTransport>);

struct EventTransport {
    request: DeliveryRequest,
    share: Option<PageShare>,
    close_deadline: CloseDeadline,
    stage: Stage,
    /// When to send a comment.
    quiet_until: Instant,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Nothing was sent.
    New,
    /// The last part was an entry, which has been written when the next part is requested.
    Delivering(Option<SentMessage>),
    Waiting,
    Over,
}

enum Event {
    Draining,
    /// Nothing was sent for [`KEEP_ALIVE_INTERVAL`].
    Quiet,
}

/// The output of a run of the driver.
enum Pause {
    Part(Bytes),
    End(Result<End, StoreError>),
}

impl EventStream {
    /// Starts the session, and returns the head of the response and the stream that follows it.
    ///
    /// `share` is the memory for pages of a connection that has many sessions.
    ///
    /// # Errors
    ///
    /// The whole response, if no stream follows.
    #[allow(clippy::result_large_err, reason = "both are responses, and handled at once")]
    pub async fn begin(
        server: Arc<HttpServer>,
        request: EventRequest,
        share: Option<PageShare>,
        close_deadline: CloseDeadline,
    ) -> Result<(Response<()>, Self), Answer> {
        let EventRequest { request, session_handle, after, receipts } = request;
        let service = &server.service;
        if receipts && let Err(error) = receipt_ack::settle(service, request.scope.inbox, after).await {
            return Err(exposed(request.ending(Err(error), &server)));
        }
        // Receipts are not acknowledged one by one, so no acknowledgement can be missing.
        let redelivery = request.redelivery(service).filter(|_| !receipts);
        let wait_mode = request.preferences.wait_mode;
        let session = Session::resume(request.scope, wait_mode, redelivery, after, service.now());
        let agent = Agent::new(server, session, Some(session_handle));
        let transport =
            EventTransport { request, share, close_deadline, stage: Stage::New, quiet_until: Instant::now() };
        let mut driver = Driver { agent, transport };
        match driver.run_commands().await {
            ControlFlow::Break(Pause::End(end)) => {
                Err(exposed(driver.transport.request.ending(end, &driver.agent.server)))
            }
            // The page waits until the preamble is written.
            ControlFlow::Continue(()) | ControlFlow::Break(Pause::Part(_)) if driver.charge_page() => {
                Ok((driver.transport.head(), Self(driver)))
            }
            ControlFlow::Continue(()) | ControlFlow::Break(Pause::Part(_)) => {
                let busy = Err(StoreError::Busy);
                Err(exposed(driver.transport.request.ending(busy, &driver.agent.server)))
            }
        }
    }

    /// Returns the server that the stream belongs to.
    pub fn server(&self) -> &HttpServer {
        &self.0.agent.server
    }

    /// Returns the next part of the stream; `None` at the end. Call it once the previous part is written.
    pub async fn next(&mut self) -> Option<Bytes> {
        let Driver { agent, transport } = &mut self.0;
        match std::mem::replace(&mut transport.stage, Stage::Waiting) {
            Stage::New => return Some(Bytes::from_static(PREAMBLE.as_bytes())),
            // It was written, which does not show that it was read. Nothing else will before the next request.
            Stage::Delivering(message) => agent.record_sent(message),
            Stage::Waiting => {}
            Stage::Over => {
                transport.stage = Stage::Over;
                return None;
            }
        }
        transport.quiet_until = Instant::now() + KEEP_ALIVE_INTERVAL;
        match self.0.run().await {
            // The rest of the page waits until this part is written.
            Pause::Part(part) if self.0.charge_page() => Some(part),
            Pause::Part(_) => {
                self.0.transport.stage = Stage::Over;
                None
            }
            Pause::End(end) => {
                self.0.transport.stage = Stage::Over;
                // After any other end, the agent learns the reason with its next request.
                matches!(end, Ok(End::Gone)).then_some(Bytes::from_static(GONE.as_bytes()))
            }
        }
    }
}

impl Transport for EventTransport {
    type Protocol = Session;
    type Event = Event;
    type Output = Pause;

    fn client(&self) -> &ClientAddr {
        &self.request.client
    }

    fn page_share(&self) -> Option<&PageShare> {
        self.share.as_ref()
    }

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
        let rendered = entry.render(service, |entry, subscription| {
            event(entry, subscription, &service.keyring, &service.origin)
        });
        match rendered.await {
            Ok(Some(event)) => {
                self.stage = Stage::Delivering(entry.sent());
                ControlFlow::Break(Pause::Part(event.into()))
            }
            Ok(None) => {
                agent.record_skipped();
                ControlFlow::Continue(())
            }
            Err(error) => self.end(Err(error), agent).await,
        }
    }

    async fn end(&mut self, end: Result<End, StoreError>, _: &mut Agent<Session>) -> ControlFlow<Pause> {
        ControlFlow::Break(Pause::End(end))
    }
}

impl EventTransport {
    fn head(&self) -> Response<()> {
        let mut head = Response::new(());
        let headers = head.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        self.request.add_applied_preference(headers);
        cors::expose(&mut head);
        head
    }
}

fn exposed(mut answer: Answer) -> Answer {
    cors::expose(&mut answer);
    answer
}
