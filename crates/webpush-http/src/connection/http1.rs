//! HTTP/1.1 connections, which most application servers use.
//!
//! There is no server push; agents may request server-sent events or a WebSocket.

use crate::body::Body;
use crate::connection::half_closed::{Closing, SharedSocket};
use crate::delivery::events::EventStream;
use crate::delivery::websocket::{self, Handshake};
use crate::interceptor::PieceStream;
use crate::resources::outcome::RouteOutcome;
use crate::resources::route;
use crate::server::HttpServer;
use crate::transport::HEADER_BYTES;
use crate::transport::connections::ConnectionPermit;
use crate::transport::proxies::DirectPeer;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, StreamExt as _, unfold};
use http::header::{EXPECT, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, Version};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite};
use webpush_core::problem::Problem;
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::{CloseDeadline, Draining};

/// A complete response body, or server-sent events.
///
/// `hyper` requests an event when it has written the last one.
type ResponseBody = Either<Full<Bytes>, StreamBody<EventFrames>>;
type EventFrames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// A WebSocket that is being opened.
struct Upgrade {
    upgraded: OnUpgrade,
    client: ClientAddr,
    may_subscribe: bool,
}

/// Passes the WebSocket from its request to the connection.
type Slot = Arc<Mutex<Option<Upgrade>>>;

/// Serves a connection until it ends or becomes a WebSocket. `early` are bytes that were read from it.
pub(crate) async fn serve<S>(
    stream: S,
    early: BytesMut,
    direct_peer: DirectPeer,
    server: Arc<HttpServer>,
    draining: Draining,
    permit: ConnectionPermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let slot = Slot::default();
    converse(stream, early, direct_peer, Arc::clone(&server), draining.clone(), Arc::clone(&slot)).await;
    let opened = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Upgrade { upgraded, client, may_subscribe }) = opened else { return };
    // An agent that disconnects before its WebSocket is open leaves nothing behind.
    let Ok(upgraded) = upgraded.await else { return };
    // Only the stream, as nothing of HTTP is needed from here on.
    let Ok(parts) = upgraded.downcast::<TokioIo<SharedSocket<S>>>() else { return };
    let Some((stream, rest)) = parts.io.into_inner().into_inner() else { return };
    let early = [&parts.read_buf[..], &rest[..]].concat();
    let handshake = Handshake { client, may_subscribe, early, permit: Some(permit) };
    // A task of its own, which is smaller than that of the connection.
    tokio::spawn(websocket::run(stream, handshake, server, draining));
}

/// Handles requests until the connection ends or switches protocols.
async fn converse<S>(
    stream: S,
    early: BytesMut,
    direct_peer: DirectPeer,
    server: Arc<HttpServer>,
    mut draining: Draining,
    slot: Slot,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let head = server.service.limits.load().timeouts.head;
    let (stream, closing) = SharedSocket::new(stream, early);
    let to_requests = draining.clone();
    let has_request = AtomicBool::new(false);
    let has_request = &has_request;
    let respond = service_fn(move |request: Request<Incoming>| {
        has_request.store(true, Ordering::Relaxed);
        let server = Arc::clone(&server);
        let (draining, closing, slot) = (to_requests.clone(), Arc::clone(&closing), Arc::clone(&slot));
        async move { Ok::<_, Infallible>(respond(server, &direct_peer, request, draining, closing, &slot).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEADER_BYTES);
    // A client that has closed its side still expects the response.
    builder.half_close(true);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), respond).with_upgrades());
    // An error of the connection affects nobody else.
    tokio::select! {
        _ = &mut connection => return,
        () = draining.begun() => {}
    }
    // After `graceful_shutdown`, `hyper` would no longer read a first request.
    let first_request = poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Pending if !has_request.load(Ordering::Relaxed) => Poll::Pending,
        Poll::Pending => Poll::Ready(ControlFlow::Continue(())),
        Poll::Ready(_) => Poll::Ready(ControlFlow::Break(())),
    });
    tokio::select! {
        biased;
        first = first_request => if first.is_break() { return },
        () = draining.first_request_overdue() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

async fn respond(
    server: Arc<HttpServer>,
    direct_peer: &DirectPeer,
    request: Request<Incoming>,
    draining: Draining,
    closing: Closing,
    slot: &Mutex<Option<Upgrade>>,
) -> Response<ResponseBody> {
    let mut request = request;
    if let Err(problem) = check_framing(&request) {
        return server.error_style.answer(&problem.into()).map(|body| Either::Left(Full::new(body)));
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let expects_continue = head.headers.contains_key(EXPECT);
    let body = Body::http1(body, server.service.limits.load().timeouts.body, expects_continue);
    let answer = match route::serve(&server, direct_peer, &head, body).await {
        RouteOutcome::Answer(answer) => answer,
        RouteOutcome::ServerPush(request, _) => request.unsupported(&server),
        RouteOutcome::Stream(response) => {
            return response.map(|parts| Either::Right(StreamBody::new(pieces(parts, closing))));
        }
        RouteOutcome::WebSocket(opening) => {
            let opened = Upgrade { upgraded, client: opening.client, may_subscribe: opening.may_subscribe };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
            opening.answer()
        }
        RouteOutcome::Events(request) => {
            match EventStream::begin(server, *request, None, CloseDeadline::new(draining)).await {
                Ok((head, events)) => {
                    return head.map(|()| Either::Right(StreamBody::new(frames(events, closing))));
                }
                Err(answer) => answer,
            }
        }
    };
    answer.map(|body| Either::Left(Full::new(body)))
}

/// Checks what `hyper` leaves to the application (RFC 9112 §3.2, §6.1).
fn check_framing<B>(request: &Request<B>) -> Result<(), Problem> {
    let hosts = request.headers().get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() >= Version::HTTP_11) {
        return Err(Problem::HostNotUnique);
    }
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if is_chunked(coding) => Ok(()),
        // Several lines are one list, and a body is chunked only once.
        (Some(_), _) => Err(Problem::TransferCoding),
    }
}

/// Returns the events as frames, until they end or the client has closed its side.
fn frames(events: EventStream, closing: Closing) -> EventFrames {
    Box::pin(unfold((events, closing), |(mut events, closing)| async {
        let part = tokio::select! {
            biased;
            () = poll_fn(|cx| closing(cx)) => None,
            part = events.next() => part,
        };
        Some((Ok(Frame::data(part?)), (events, closing)))
    }))
}

/// Returns a streamed response as frames, until it ends or the client has closed its side.
fn pieces(parts: PieceStream, closing: Closing) -> EventFrames {
    Box::pin(unfold((parts, closing), |(mut parts, closing)| async {
        let part = tokio::select! {
            biased;
            () = poll_fn(|cx| closing(cx)) => None,
            part = parts.next() => part,
        };
        Some((Ok(Frame::data(part?)), (parts, closing)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C6: hyper leaves these to the application.
    #[test]
    fn r9112_3_2_6_1_a_request_has_one_host_and_no_other_coding_than_chunked() {
        let check = |version, fields: &[(&'static str, &'static str)]| {
            let mut request = Request::builder().version(version);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            check_framing(&request.body(()).unwrap())
        };
        let host = ("host", "push.example");
        assert_eq!(check(Version::HTTP_11, &[host]), Ok(()));
        assert_eq!(check(Version::HTTP_10, &[]), Ok(()), "HTTP/1.0 has no Host");
        assert_eq!(check(Version::HTTP_11, &[host, ("transfer-encoding", "Chunked ")]), Ok(()));
        for (version, fields) in [
            (Version::HTTP_11, &[][..]),
            (Version::HTTP_11, &[host, host]),
            (Version::HTTP_10, &[host, ("host", "other.example")]),
        ] {
            assert_eq!(check(version, fields), Err(Problem::HostNotUnique), "{version:?} {fields:?}");
        }
        for coding in ["gzip, chunked", "gzip", "chunked, chunked", "identity", ""] {
            let fields = [host, ("transfer-encoding", coding)];
            assert_eq!(check(Version::HTTP_11, &fields), Err(Problem::TransferCoding), "{coding}");
        }
        let chunked = ("transfer-encoding", "chunked");
        let twice = check(Version::HTTP_11, &[host, chunked, chunked]);
        assert_eq!(twice, Err(Problem::TransferCoding), "a list may be in several lines (RFC 9110 §5.3)");
    }
}
