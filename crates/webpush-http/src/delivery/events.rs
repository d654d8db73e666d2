//! Delivery by server-sent events, over either HTTP version, for agents that can't take server push.
//!
//! The stream is pulled: whoever writes it asks for the next part when the one before has left, so a slow agent keeps
//! no more here than one page of its inbox.

use super::waiting::{Waiting, subscription_of};
use super::{Monitor, deadline, receipt_ack};
use crate::answer::Answer;
use crate::problem::Failure;
use crate::resources::cors;
use crate::server::HttpServer;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use webpush_core::id::Position;
use webpush_core::problem::Problem;
use webpush_core::protocol::event_stream::{GONE, KEEP_ALIVE, MEDIA_TYPE, PREAMBLE, event};
use webpush_core::session::{Command, End, Input, Session};
use webpush_service::drain::CloseDeadline;
use webpush_service::service::SentMessage;
use webpush_store::StoreError;

/// After this long without an event a comment is sent: so that proxies see life, and a dead agent is found out.
const SILENCE: Duration = Duration::from_secs(30);

/// Proxies that hold responses back until they are large are asked not to.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A request for events.
pub struct Asked {
    /// Who listens.
    pub monitor: Monitor,
    /// The agent has everything up to here.
    pub after: Position,
    /// It listens to receipts.
    pub receipts: bool,
}

/// A stream of events.
pub struct Events {
    server: Arc<HttpServer>,
    monitor: Monitor,
    close_deadline: CloseDeadline,
    session: Session,
    queue: VecDeque<Waiting>,
    stage: Stage,
}

/// Where a stream is.
#[derive(Clone, Copy)]
enum Stage {
    /// Nothing was written.
    New,
    /// The last part was an entry, which has left when the next part is asked for.
    Delivering(Option<SentMessage>),
    /// No entry is on its way.
    Waiting,
    /// There is nothing more.
    Over,
}

impl Events {
    /// Begins to listen: the head of the response and the stream that follows it, or a whole response when there is
    /// nothing to follow.
    ///
    /// # Errors
    /// The whole response.
    #[allow(clippy::result_large_err, reason = "the error is a response like the other, and handled at once")]
    pub async fn begin(
        server: Arc<HttpServer>,
        asked: Asked,
        close_deadline: CloseDeadline,
    ) -> Result<(Response<()>, Self), Answer> {
        let Asked { monitor, after, receipts } = asked;
        if receipts && let Err(error) = receipt_ack::settle(&server.service, monitor.scope.inbox, after).await
        {
            return Err(refusal(&server, error));
        }
        // What nobody acknowledges one by one can't be missing an acknowledgement.
        let redelivery = (!receipts).then_some(server.service.limits.load().redelivery_timeout);
        let wait_mode = monitor.request.wait_mode;
        let session = Session::resume(monitor.scope, wait_mode, redelivery, after, server.service.now());
        let queue = VecDeque::new();
        let mut events = Self { server, monitor, close_deadline, session, queue, stage: Stage::New };
        match events.run_commands().await {
            Ok(None) => Ok((events.head(), events)),
            Ok(Some(End::Nothing | End::Complete)) => {
                let mut answer = Response::new(Bytes::new());
                *answer.status_mut() = StatusCode::NO_CONTENT;
                events.monitor.say_what_was_applied(answer.headers_mut());
                Err(exposed(answer))
            }
            Ok(Some(End::Gone)) => Err(refusal(&events.server, Problem::NotFound)),
            Err(error) => Err(refusal(&events.server, error)),
        }
    }

    /// Returns the server that the stream belongs to.
    pub fn server(&self) -> &HttpServer {
        &self.server
    }

    fn head(&self) -> Response<()> {
        let mut head = Response::new(());
        let headers = head.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(BUFFERING, HeaderValue::from_static("no"));
        self.monitor.say_what_was_applied(headers);
        cors::expose(&mut head);
        head
    }

    /// The next part of the stream, to be asked for when the one before has left; `None` at its end.
    pub async fn next(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.stage, Stage::Waiting) {
            Stage::New => return Some(Bytes::from_static(PREAMBLE.as_bytes())),
            // That it was written does not say that it was read, and nothing else will before the next request.
            Stage::Delivering(sent) => {
                let now = self.server.service.now();
                self.server.service.record_sent(sent, now);
                self.session.handle(Input::Sent { confirmed: false }, now);
            }
            Stage::Waiting => {}
            Stage::Over => return self.end(),
        }
        // From the last part on, however much is heard that this agent does not want.
        let quiet_until = tokio::time::Instant::now() + SILENCE;
        loop {
            match self.run_commands().await {
                Ok(None) => {}
                Ok(Some(End::Gone)) => {
                    self.stage = Stage::Over;
                    return Some(Bytes::from_static(GONE.as_bytes()));
                }
                // The agent comes again and is told then what is the matter.
                Ok(Some(End::Nothing | End::Complete)) | Err(_) => return self.end(),
            }
            let busy = !self.queue.is_empty();
            let input = tokio::select! {
                biased;
                news = self.monitor.news(busy) => news,
                () = self.close_deadline.reached() => Input::Draining,
                () = std::future::ready(()), if busy => match self.render_next().await {
                    Ok(Some((event, sent))) => {
                        self.stage = Stage::Delivering(sent);
                        return Some(event.into());
                    }
                    Ok(None) => Input::Skipped,
                    // It would be passed over, although it is there.
                    Err(_) => return self.end(),
                },
                () = deadline(&self.server.service, self.session.next_deadline()) => Input::Deadline,
                () = tokio::time::sleep_until(quiet_until) => return Some(Bytes::from_static(KEEP_ALIVE.as_bytes())),
            };
            self.session.handle(input, self.server.service.now());
        }
    }

    fn end(&mut self) -> Option<Bytes> {
        self.stage = Stage::Over;
        None
    }

    /// Does what the session wants done, up to its end if that has come.
    async fn run_commands(&mut self) -> Result<Option<End>, StoreError> {
        while let Some(command) = self.session.next_command() {
            match command {
                Command::Fetch { after } => {
                    let page = self
                        .server
                        .service
                        .fetch(self.session.scope(), after, self.server.service.now())
                        .await?;
                    let nothing_for_it = page.entries.is_empty() && page.more;
                    self.session.handle(Input::Fetched(page), self.server.service.now());
                    if nothing_for_it {
                        // A long inbox of which nothing passes the filter must not hold up everybody else.
                        tokio::task::yield_now().await;
                    }
                }
                Command::Deliver(entry) => {
                    self.queue.push_back(Waiting::new(entry, self.server.service.now()))
                }
                // None comes: no entry is said to be taken.
                Command::Settle { .. } => {}
                Command::Finish(end) => return Ok(Some(end)),
            }
        }
        Ok(None)
    }

    /// Takes the next entry; its event, and what it is. What can't be sent any more, or not so, stays in
    /// the inbox.
    async fn render_next(&mut self) -> Result<Option<(String, Option<SentMessage>)>, StoreError> {
        let Some(waiting) = self.queue.pop_front() else { return Ok(None) };
        if !waiting.is_still_wanted(&self.server.service).await {
            return Ok(None);
        }
        let subscription = subscription_of(&self.server.service, &waiting.entry).await?;
        let event = event(
            &waiting.entry,
            subscription.as_ref(),
            &self.server.service.keyring,
            &self.server.service.origin,
        );
        Ok(event.map(|event| (event, waiting.sent())))
    }
}

fn refusal(server: &HttpServer, why: impl Into<Failure>) -> Answer {
    exposed(server.error_style.answer(&why.into()))
}

fn exposed(mut answer: Answer) -> Answer {
    cors::expose(&mut answer);
    answer
}
