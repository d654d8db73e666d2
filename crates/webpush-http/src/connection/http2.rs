//! HTTP/2 connections.
//!
//! The requests of a connection run concurrently within its task, so an idle agent costs one task.

use crate::answer::{Answer, empty};
use crate::body::Body;
use crate::connection::event_flow;
use crate::delivery::server_push;
use crate::h2::connection_lifetime::ConnectionLifetime;
use crate::h2::flow::Responder;
use crate::h2::inbound::Inbound;
use crate::h2::ping::{PingState, Pinger};
use crate::h2::write_backlog::{MeteredIo, WriteBacklog};
use crate::resources::autopush::opening::unsupported_upgrade;
use crate::resources::outcome::RouteOutcome;
use crate::resources::route;
use crate::server::HttpServer;
use crate::transport::HEADER_BYTES;
use crate::transport::OPENING;
use crate::transport::connections::ConnectionPermit;
use crate::transport::proxies::DirectPeer;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use webpush_service::drain::{CloseDeadline, Draining};
use webpush_service::page_memory::PageShare;

/// Open requests of one HTTP/2 connection, as announced to the client (RFC 9113 §5.1.2).
const CONCURRENT_STREAMS: u32 = 256;

/// Requests of one HTTP/2 connection that are handled at once.
///
/// More than [`CONCURRENT_STREAMS`], because a request that the client has reset is no longer an open stream but may still
/// be running (CVE-2023-44487, rapid reset).
const CONNECTION_REQUESTS: usize = 512;

/// Memory of the heads of all requests of a connection that are not answered.
///
/// Another request is refused. A field that is in the compression table takes one byte to send and about [`FIELD_BYTES`] here.
const CONNECTION_HEAD_BYTES: usize = 512 * 1024;

/// Memory of a header field beside its name and value.
const FIELD_BYTES: usize = 112;

const _: () = assert!(CONNECTION_REQUESTS > CONCURRENT_STREAMS as usize, "every open stream must find room");

/// Streams reset by the client that `h2` may still hold; more ends the connection (CVE-2023-44487).
const PENDING_RESET_STREAMS: usize = 20;

/// Streams that `h2` reset for errors of the client; more ends the connection (CVE-2025-8671).
const LOCAL_ERROR_RESET_STREAMS: usize = 256;

/// Streams reset by the server that `h2` remembers, so that late frames for them are not errors.
const REMEMBERED_RESET_STREAMS: usize = 64;

/// Bytes of the body of one response that `h2` queues beyond what the socket has taken.
///
/// By default, and with the windows that a peer may announce, it would queue 400 KiB for each stream.
const STREAM_BUFFER_BYTES: usize = 16 * 1024;

/// Serves a connection until it ends, over any stream.
pub fn serve<S>(
    stream: S,
    direct_peer: DirectPeer,
    server: Arc<HttpServer>,
    draining: Draining,
    permit: ConnectionPermit,
) -> impl Future<Output = ()> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let backlog = Arc::new(WriteBacklog::default());
    let inbound = Arc::new(Inbound::default());
    let io = MeteredIo::new(stream, Arc::clone(&backlog), Arc::clone(&inbound));
    // On the heap, or the future would reserve space for the handshake until it ends.
    let opening = Box::pin(open(io, draining.clone()));
    async move {
        let _permit = permit;
        // Not `if let`, which reserves space for the connection twice.
        let Some(mut connection) = opening.await else { return };
        converse(&mut connection, &backlog, &inbound, &direct_peer, &server, draining).await;
    }
}

/// Handles requests until the connection ends.
async fn converse<S>(
    connection: &mut h2::server::Connection<MeteredIo<S>, Bytes>,
    backlog: &WriteBacklog,
    inbound: &Inbound,
    direct_peer: &DirectPeer,
    server: &Arc<HttpServer>,
    draining: Draining,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (keepalive, last_promised_stream) = {
        let limits = server.service.limits.load();
        (limits.timeouts.keepalive, limits.last_promised_stream)
    };
    let Some(ping_pong) = connection.ping_pong() else { return };
    let ping_state = PingState::default();
    let mut pinger = Pinger::new(ping_pong, keepalive);
    let lifetime = ConnectionLifetime::new(last_promised_stream);
    let head_bytes = AtomicUsize::new(0);
    let mut requests = FuturesUnordered::new();
    let page_share = PageShare::default();
    let mut stopping = false;
    let mut idle_check = IdleCheck::default();
    let mut accepted_requests = 0;
    let mut ended_for_memory = false;
    let mut close_deadline = CloseDeadline::new(draining);
    loop {
        if lifetime.is_flooded() {
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
        let has_room = requests.len() < CONNECTION_REQUESTS;
        let is_idle = requests.is_empty();
        stopping |= ended_for_memory;
        let can_end = is_idle && !stopping;
        let accepted = poll_fn(|cx| {
            // Polled after each PING, so that idle connections need no timer of their own.
            if can_end
                && idle_check.is_idle(ping_state.sent(), accepted_requests)
                && !ended_for_memory
                && server.service.memory.is_low()
            {
                ended_for_memory = true;
                connection.graceful_shutdown();
            }
            let poll = if has_room {
                pin!(connection.accept()).poll(cx)
            } else {
                connection.poll_closed(cx).map(|closed| closed.err().map(Err))
            };
            backlog.record_poll(connection.max_concurrent_send_streams());
            poll
        });
        tokio::select! {
            biased;
            accepted = accepted => match accepted {
                Some(Ok((request, mut respond))) => {
                    accepted_requests += 1;
                    let Some(head_lease) = HeadLease::take(&head_bytes, request.headers()) else {
                        // The client may repeat it (RFC 9113 §8.7).
                        respond.send_reset(Reason::REFUSED_STREAM);
                        continue;
                    };
                    let connection = server_push::PushConnection {
                        backlog,
                        ping: &ping_state,
                        inbound,
                        lifetime: &lifetime,
                        close_deadline: close_deadline.clone(),
                        page_share: page_share.clone(),
                    };
                    // Boxed, because the set reserves space for one more than it has.
                    requests.push(Box::pin(handle(server, direct_peer, request, head_lease, respond, connection)));
                }
                Some(Err(_)) | None => return,
            },
            Some(()) = requests.next(), if !requests.is_empty() => {}
            // An idle connection ends immediately, one with sessions at its deadline.
            () = close_deadline.reached_or_idle(is_idle), if !stopping => {
                stopping = true;
                connection.graceful_shutdown();
            }
            () = pinger.run(&ping_state) => return,
            () = lifetime.out_of_ids(), if !stopping => {
                stopping = true;
                connection.graceful_shutdown();
            }
        }
    }
}

/// Finds connections without a request between two PINGs.
#[derive(Default)]
struct IdleCheck {
    pings: u64,
    requests: u64,
}

impl IdleCheck {
    /// Returns true once after a PING if no request was accepted since the one before.
    fn is_idle(&mut self, pings: u64, requests: u64) -> bool {
        let is_idle = pings != self.pings && requests == self.requests;
        if pings != self.pings {
            *self = Self { pings, requests };
        }
        is_idle
    }
}

/// The share of a request in [`CONNECTION_HEAD_BYTES`].
struct HeadLease<'a> {
    used: &'a AtomicUsize,
    bytes: usize,
}

impl<'a> HeadLease<'a> {
    /// Returns `None` if the connection has no room for a head with these fields.
    fn take(used: &'a AtomicUsize, headers: &HeaderMap) -> Option<Self> {
        let field =
            |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + FIELD_BYTES;
        let bytes = headers.iter().map(field).sum();
        // Only the task of the connection counts.
        let after = used.load(Ordering::Relaxed) + bytes;
        (after <= CONNECTION_HEAD_BYTES).then(|| {
            used.store(after, Ordering::Relaxed);
            Self { used, bytes }
        })
    }
}

impl Drop for HeadLease<'_> {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Performs the handshake; `None` if the peer fails it or the server shuts down.
async fn open<S>(
    io: MeteredIo<S>,
    mut draining: Draining,
) -> Option<h2::server::Connection<MeteredIo<S>, Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        handshake = timeout(OPENING, builder().handshake(io)) => handshake.ok()?.ok(),
        () = draining.first_request_overdue() => None,
    }
}

/// Returns the settings, which bound floods of streams, frames and headers.
fn builder() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(CONCURRENT_STREAMS)
        .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESET_STREAMS)
        .max_local_error_reset_streams(Some(LOCAL_ERROR_RESET_STREAMS))
        .max_concurrent_reset_streams(REMEMBERED_RESET_STREAMS)
        .max_send_buffer_size(STREAM_BUFFER_BYTES);
    builder
}

/// Handles a request.
///
/// A session may last for days, so everything that only routing needs is on the heap, and freed before it starts.
fn handle<'a>(
    server: &'a Arc<HttpServer>,
    direct_peer: &'a DirectPeer,
    request: Request<RecvStream>,
    head_lease: HeadLease<'a>,
    respond: SendResponse<Bytes>,
    connection: server_push::PushConnection<'a>,
) -> impl Future<Output = ()> + Send + 'a {
    let outcome = Box::pin(async move {
        // Held until the request is routed: a session has no head.
        let _lease = head_lease;
        let (head, body) = request.into_parts();
        let body = Body::http2(body, server.service.limits.load().timeouts.body);
        (route::serve(server, direct_peer, &head, body).await, head.method == Method::HEAD)
    });
    async move {
        match outcome.await {
            (RouteOutcome::ServerPush(request, session_handle), _) => {
                server_push::run(server, request, session_handle, respond, connection).await
            }
            (RouteOutcome::Events(request), _) => {
                Box::pin(event_flow::run(Arc::clone(server), *request, respond, connection)).await;
            }
            (RouteOutcome::WebSocket(_), is_head) => {
                let refusal = server.error_style.answer(&unsupported_upgrade());
                answer(server, refusal, is_head, respond, connection.lifetime).await;
            }
            (RouteOutcome::Stream(_), is_head) => {
                let refusal = empty(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
                answer(server, refusal, is_head, respond, connection.lifetime).await;
            }
            (RouteOutcome::Answer(whole), is_head) => {
                answer(server, whole, is_head, respond, connection.lifetime).await;
            }
        }
    }
}

async fn answer(
    server: &HttpServer,
    answer: Answer,
    is_head: bool,
    mut respond: SendResponse<Bytes>,
    lifetime: &ConnectionLifetime,
) {
    let (patience, now) = (server.service.limits.load().timeouts.stall, server.service.now());
    if is_reset(&mut respond).await {
        lifetime.record_reset(server.service.monotonic());
    } else if is_head {
        Responder { respond, patience, now }.send_head(answer);
    } else {
        Responder { respond, patience, now }.send(answer).await;
    }
}

/// Returns true if the client has reset the request.
async fn is_reset(respond: &mut SendResponse<Bytes>) -> bool {
    poll_fn(|cx| Poll::Ready(respond.poll_reset(cx).is_ready())).await
}
