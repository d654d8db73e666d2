//! One HTTP/2 connection: its requests run side by side within its task, so an idle agent costs one task.

use super::Answer;
use super::body::Body;
use super::event_flow;
use super::pressure::{Gauged, Pressure};
use super::pulse::{Heart, Pulse};
use super::route::{self, Outcome};
use crate::drain::Draining;
use crate::fresh;
use crate::monitor::server_push;
use crate::service::Service;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::server::{SendPushedResponse, SendResponse};
use h2::{RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, DATE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// How long a client may take to send its preface and settings.
const HANDSHAKE: Duration = Duration::from_secs(10);
const MAX_CONCURRENT_STREAMS: u32 = 256;
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Serves a connection until it ends.
pub(super) async fn serve<S>(stream: S, service: Arc<Service>, mut draining: Draining)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let pressure = Arc::new(Pressure::default());
    let io = Gauged { stream, pressure: Arc::clone(&pressure) };
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(MAX_CONCURRENT_STREAMS).max_header_list_size(MAX_HEADER_BYTES);
    let handshake = tokio::select! {
        handshake = timeout(HANDSHAKE, builder.handshake::<_, Bytes>(io)) => handshake,
        () = draining.begun() => return,
    };
    let Ok(Ok(mut connection)) = handshake else { return };
    let Some(ping_pong) = connection.ping_pong() else { return };
    let pulse = Pulse::default();
    let mut heart = Heart::new(ping_pong);
    let mut requests = FuturesUnordered::new();
    let mut stopping = false;
    let to_requests = draining.clone();
    loop {
        let accepted = poll_fn(|cx| {
            let poll = pin!(connection.accept()).poll(cx);
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
                        draining: to_requests.clone(),
                    };
                    requests.push(handle(&service, request, respond, connection));
                }
                Some(Err(_)) | None => return,
            },
            Some(()) = requests.next(), if !requests.is_empty() => {}
            () = draining.begun(), if !stopping => {
                stopping = true;
                connection.graceful_shutdown();
            }
            () = heart.beat_until_dead(&pulse) => return,
        }
    }
}

async fn handle(
    service: &Arc<Service>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    connection: server_push::Connection<'_>,
) {
    let (head, body) = request.into_parts();
    let outcome = route::serve(service, &head, Body::Http2(body)).await;
    let is_head = head.method == Method::HEAD;
    // A monitor may be held for days; its request head is not needed any more.
    drop(head);
    match outcome {
        Outcome::Answer(answer) if is_head => Responder(respond).send_head(answer),
        Outcome::Answer(answer) => Responder(respond).send(answer).await,
        Outcome::Monitor(monitor) => server_push::run(service, *monitor, respond, connection).await,
        Outcome::Events(asked) => {
            event_flow::run(Arc::clone(service), *asked, respond, connection.draining).await;
        }
    }
}

/// A request that has not been answered yet.
pub struct Responder(pub SendResponse<Bytes>);

impl Responder {
    /// Answers. A peer that is gone needs no answer.
    pub async fn send(mut self, answer: Answer) {
        let (response, body) = with_date_and_length(answer);
        if let Ok(stream) = self.0.send_response(response, body.is_empty()) {
            drop(Flow { stream, rest: body }.run().await);
        }
    }

    /// Answers a HEAD request: as GET, without the body (RFC 9110 §9.3.2).
    fn send_head(mut self, answer: Answer) {
        let (response, _) = with_date_and_length(answer);
        drop(self.0.send_response(response, true));
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
}

impl Flow {
    /// Begins a pushed response; `None` when the peer has taken the promise back.
    #[must_use]
    pub fn begin(mut promised: SendPushedResponse<Bytes>, response: Response<Bytes>) -> Option<Self> {
        let (head, body) = response.into_parts();
        let response = Response::from_parts(head, ());
        let stream = promised.send_response(response, body.is_empty()).ok()?;
        Some(Self { stream, rest: body })
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
    /// When the peer reset the stream or is gone.
    pub async fn run(&mut self) -> Result<(), h2::Error> {
        while !self.rest.is_empty() {
            let granted = match self.stream.capacity() {
                0 => self.more_capacity().await?,
                granted => granted,
            };
            let part = self.rest.split_to(granted.min(self.rest.len()));
            if !part.is_empty() {
                self.stream.send_data(part, self.rest.is_empty())?;
            }
        }
        Ok(())
    }

    async fn more_capacity(&mut self) -> Result<usize, h2::Error> {
        self.stream.reserve_capacity(self.rest.len());
        match poll_fn(|cx| self.stream.poll_capacity(cx)).await {
            Some(granted) => granted,
            None => Err(h2::Reason::CANCEL.into()),
        }
    }
}
