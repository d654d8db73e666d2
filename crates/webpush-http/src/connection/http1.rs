//! One HTTP/1.1 connection: what most application servers speak. It has no server push; agents may ask for
//! events.

use crate::body::Body;
use crate::connection::half_closed::{Closing, Watched};
use crate::delivery::events::Events;
use crate::delivery::websocket::{self, Arrival};
use crate::resources::outcome::RouteOutcome;
use crate::resources::route;
use crate::server::HttpServer;
use crate::transport::HEADER_BYTES;
use crate::transport::connections::ConnectionPermit;
use crate::transport::proxies::DirectPeer;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, unfold};
use http::{Request, Response};
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
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::{CloseDeadline, Draining};

/// A response body: whole, or events as they come, which `hyper` asks for when the ones before are written.
type ResponseBody = Either<Full<Bytes>, StreamBody<EventFrames>>;
type EventFrames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// An agent whose WebSocket is being opened.
struct Opened {
    upgraded: OnUpgrade,
    peer: ClientAddr,
    may_subscribe: bool,
}

/// Where a request leaves it.
type Slot = Arc<Mutex<Option<Opened>>>;

/// Serves a connection of which these bytes were read early, until it ends or becomes a WebSocket.
pub(crate) async fn serve<S>(
    stream: S,
    early: BytesMut,
    neighbour: DirectPeer,
    server: Arc<HttpServer>,
    draining: Draining,
    place: ConnectionPermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let slot = Slot::default();
    converse(stream, early, neighbour, Arc::clone(&server), draining.clone(), Arc::clone(&slot)).await;
    let opened = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Opened { upgraded, peer, may_subscribe }) = opened else { return };
    // An agent that is gone before its socket is open leaves nothing behind.
    let Ok(upgraded) = upgraded.await else { return };
    // The stream itself: what was needed to speak HTTP on it is not needed any more.
    let Ok(parts) = upgraded.downcast::<TokioIo<Watched<S>>>() else { return };
    let Some((stream, rest)) = parts.io.into_inner().into_inner() else { return };
    let early = [&parts.read_buf[..], &rest[..]].concat();
    let arrival = Arrival { peer, may_subscribe, early, permit: Some(place) };
    // A task of its own: that of the connection had more to keep.
    tokio::spawn(websocket::run(stream, arrival, server, draining));
}

/// Answers requests until the connection ends, or speaks HTTP no more.
async fn converse<S>(
    stream: S,
    early: BytesMut,
    neighbour: DirectPeer,
    server: Arc<HttpServer>,
    mut draining: Draining,
    slot: Slot,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let head = server.service.limits.load().timeouts.head;
    let (stream, closing) = Watched::new(stream, early);
    let to_requests = draining.clone();
    let is_asked = AtomicBool::new(false);
    let asked = &is_asked;
    let respond = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let server = Arc::clone(&server);
        let (draining, closing, slot) = (to_requests.clone(), Arc::clone(&closing), Arc::clone(&slot));
        async move { Ok::<_, Infallible>(respond(server, &neighbour, request, draining, closing, &slot).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEADER_BYTES);
    // A client that has said all it has to say still wants its answer.
    builder.half_close(true);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), respond).with_upgrades());
    // A connection that ends in an error has nobody left to tell.
    tokio::select! {
        _ = &mut connection => return,
        () = draining.begun() => {}
    }
    // Told to end before its first request, `hyper` would not read it any more.
    let first_request = poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Pending if !is_asked.load(Ordering::Relaxed) => Poll::Pending,
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
    neighbour: &DirectPeer,
    request: Request<Incoming>,
    draining: Draining,
    closing: Closing,
    slot: &Mutex<Option<Opened>>,
) -> Response<ResponseBody> {
    let mut request = request;
    let upgraded = hyper::upgrade::on(&mut request);
    let (head, body) = request.into_parts();
    let body = Body::http1(body, server.service.limits.load().timeouts.body);
    let answer = match route::serve(&server, neighbour, &head, body).await {
        RouteOutcome::Answer(answer) => answer,
        RouteOutcome::Monitor(monitor, _) => monitor.unsupported(&server),
        RouteOutcome::WebSocket(opening) => {
            let opened = Opened { upgraded, peer: opening.peer, may_subscribe: opening.may_subscribe };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
            opening.answer()
        }
        RouteOutcome::Events(request) => {
            match Events::begin(server, *request, CloseDeadline::new(draining)).await {
                Ok((head, events)) => {
                    return head.map(|()| Either::Right(StreamBody::new(frames(events, closing))));
                }
                Err(answer) => answer,
            }
        }
    };
    answer.map(|body| Either::Left(Full::new(body)))
}

/// Ends when the events do, or when the client has closed its side: then nobody listens any more.
fn frames(events: Events, closing: Closing) -> EventFrames {
    Box::pin(unfold((events, closing), |(mut events, closing)| async {
        let part = tokio::select! {
            biased;
            () = poll_fn(|cx| closing(cx)) => None,
            part = events.next() => part,
        };
        Some((Ok(Frame::data(part?)), (events, closing)))
    }))
}
