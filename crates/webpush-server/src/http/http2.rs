//! One HTTP/2 connection: its requests run side by side within its task, so an idle agent costs one task.

use super::Answer;
use super::body::Body;
use super::event_flow;
use super::peer::Peer;
use super::pressure::{Gauged, Pressure};
use super::pulse::{Heart, Pulse};
use super::retirement::Retirement;
use super::route::{self, Outcome};
use crate::drain::Draining;
use crate::fresh;
use crate::monitor::server_push;
use crate::service::Service;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::server::{SendPushedResponse, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, DATE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use webpush_core::limits::{
    CONCURRENT_STREAMS, CONNECTION_REQUESTS, HEADER_BYTES, Limits, MISTAKEN_STREAMS, OPENING,
    PENDING_RESET_STREAMS, REMEMBERED_RESET_STREAMS,
};

/// Serves a connection until it ends.
pub(super) async fn serve<S>(stream: S, peer: Peer, service: Arc<Service>, mut draining: Draining)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let pressure = Arc::new(Pressure::default());
    let io = Gauged { stream, pressure: Arc::clone(&pressure) };
    let handshake = tokio::select! {
        handshake = timeout(OPENING, builder().handshake::<_, Bytes>(io)) => handshake,
        () = draining.begun() => return,
    };
    let Ok(Ok(mut connection)) = handshake else { return };
    let Limits { timeouts, last_promised_stream, .. } = &service.limits;
    let Some(ping_pong) = connection.ping_pong() else { return };
    let pulse = Pulse::default();
    let mut heart = Heart::new(ping_pong, timeouts.keepalive);
    let retirement = Retirement::new(*last_promised_stream);
    let mut requests = FuturesUnordered::new();
    let mut stopping = false;
    let to_requests = draining.clone();
    loop {
        if retirement.is_flooded() {
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
        let has_room = requests.len() < CONNECTION_REQUESTS;
        let accepted = poll_fn(|cx| {
            let poll = if has_room {
                pin!(connection.accept()).poll(cx)
            } else {
                connection.poll_closed(cx).map(|closed| closed.err().map(Err))
            };
            pressure.polled(connection.max_concurrent_send_streams());
            poll
        });
        tokio::select! {
            biased;
            accepted = accepted => match accepted {
                Some(Ok((request, respond))) => {
                    let connection = server_push::Connection {
                        pressure: &pressure,
                        pulse: &pulse,
                        retirement: &retirement,
                        draining: to_requests.clone(),
                    };
                    requests.push(handle(&service, &peer, request, respond, connection));
                }
                Some(Err(_)) | None => return,
            },
            Some(()) = requests.next(), if !requests.is_empty() => {}
            () = draining.begun(), if !stopping => {
                stopping = true;
                connection.graceful_shutdown();
            }
            () = heart.beat_until_dead(&pulse) => return,
            () = retirement.out_of_ids(), if !stopping => {
                stopping = true;
                connection.graceful_shutdown();
            }
        }
    }
}

/// What floods of streams, frames and headers are bounded by; [`webpush_core::limits`] says why.
fn builder() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESET_STREAMS)
        .max_local_error_reset_streams(Some(MISTAKEN_STREAMS))
        .max_concurrent_reset_streams(REMEMBERED_RESET_STREAMS);
    builder
}

async fn handle(
    service: &Arc<Service>,
    peer: &Peer,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    connection: server_push::Connection<'_>,
) {
    let (head, body) = request.into_parts();
    let body = Body::http2(body, service.limits.timeouts.body);
    let outcome = route::serve(service, peer, &head, body).await;
    let is_head = head.method == Method::HEAD;
    let patience = service.limits.timeouts.stall;
    // A monitor may be held for days; its request head is not needed any more.
    drop(head);
    match outcome {
        Outcome::Answer(_) if is_reset(&mut respond).await => connection.retirement.was_reset(),
        Outcome::Answer(answer) if is_head => Responder { respond, patience }.send_head(answer),
        Outcome::Answer(answer) => Responder { respond, patience }.send(answer).await,
        Outcome::Monitor(monitor) => server_push::run(service, *monitor, respond, connection).await,
        Outcome::Events(asked) => {
            event_flow::run(Arc::clone(service), *asked, respond, connection.draining).await;
        }
    }
}

/// Whether the client wants no answer any more.
async fn is_reset(respond: &mut SendResponse<Bytes>) -> bool {
    poll_fn(|cx| Poll::Ready(respond.poll_reset(cx).is_ready())).await
}

/// A request that has not been answered yet.
pub struct Responder {
    /// The stream that it came on.
    pub respond: SendResponse<Bytes>,
    /// How long the peer may take nothing of the answer.
    pub patience: Duration,
}

impl Responder {
    /// Answers. A peer that is gone needs no answer.
    pub async fn send(mut self, answer: Answer) {
        let (response, body) = with_date_and_length(answer);
        if let Ok(stream) = self.respond.send_response(response, body.is_empty()) {
            drop(Flow::new(stream, body, self.patience).run().await);
        }
    }

    /// Answers a HEAD request: as GET, without the body (RFC 9110 §9.3.2).
    fn send_head(mut self, answer: Answer) {
        let (response, _) = with_date_and_length(answer);
        drop(self.respond.send_response(response, true));
    }
}

fn with_date_and_length(answer: Answer) -> (Response<()>, Bytes) {
    let (mut head, body) = answer.into_parts();
    if let Ok(date) = HeaderValue::try_from(fresh::now().http_date()) {
        head.headers.insert(DATE, date);
    }
    if head.status != StatusCode::NO_CONTENT {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    (Response::from_parts(head, ()), body)
}

/// A response body that goes out as the peer's flow control lets it.
pub struct Flow {
    stream: SendStream<Bytes>,
    rest: Bytes,
    patience: Duration,
    /// When the peer must have taken more.
    deadline: Instant,
}

impl Flow {
    fn new(stream: SendStream<Bytes>, rest: Bytes, patience: Duration) -> Self {
        Self { stream, rest, patience, deadline: Instant::now() + patience }
    }

    /// Begins a pushed response; `None` when the peer has taken the promise back. `patience` is how long the peer may
    /// take nothing of it.
    #[must_use]
    pub fn begin(
        mut promised: SendPushedResponse<Bytes>,
        response: Response<Bytes>,
        patience: Duration,
    ) -> Option<Self> {
        let (head, body) = response.into_parts();
        let response = Response::from_parts(head, ());
        let stream = promised.send_response(response, body.is_empty()).ok()?;
        Some(Self::new(stream, body, patience))
    }

    /// Waits until the first part of the body may be sent; nothing is sent yet.
    ///
    /// # Errors
    /// When the peer reset the stream or is gone.
    pub async fn open(&mut self) -> Result<(), h2::Error> {
        while !self.rest.is_empty() && self.stream.capacity() == 0 {
            self.more_capacity().await?;
        }
        Ok(())
    }

    /// Hands the rest of the body over, part by part. May be called again after it was cancelled.
    ///
    /// # Errors
    /// When the peer reset the stream, takes nothing, or is gone.
    pub async fn run(&mut self) -> Result<(), h2::Error> {
        while !self.rest.is_empty() {
            let granted = match self.stream.capacity() {
                0 => self.more_capacity().await?,
                granted => granted,
            };
            let part = self.rest.split_to(granted.min(self.rest.len()));
            if !part.is_empty() {
                self.stream.send_data(part, self.rest.is_empty())?;
                self.deadline = Instant::now() + self.patience;
            }
        }
        Ok(())
    }

    async fn more_capacity(&mut self) -> Result<usize, h2::Error> {
        self.stream.reserve_capacity(self.rest.len());
        match timeout_at(self.deadline, poll_fn(|cx| self.stream.poll_capacity(cx))).await {
            Ok(Some(granted)) => granted,
            Ok(None) => Err(Reason::CANCEL.into()),
            Err(_) => {
                self.stream.send_reset(Reason::CANCEL);
                Err(Reason::CANCEL.into())
            }
        }
    }
}
