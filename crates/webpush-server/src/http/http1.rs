//! One HTTP/1.1 connection: what most application servers speak. It has no server push.

use super::body::Body;
use super::peer::Peer;
use super::problem::Failure;
use super::route::{self, Outcome};
use crate::drain::Draining;
use crate::service::Service;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use webpush_core::limits::HEADER_BYTES;
use webpush_core::problem::Problem;

/// Serves a connection until it ends.
pub(super) async fn serve<S>(stream: S, peer: Peer, service: Arc<Service>, mut draining: Draining)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let head = service.limits.timeouts.head;
    let respond = service_fn(move |request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(respond(&service, &peer, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(HEADER_BYTES);
    // A client that has said all it has to say still wants its answer.
    builder.half_close(true);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), respond));
    // A connection that ends in an error has nobody left to tell.
    tokio::select! {
        _ = &mut connection => return,
        () = draining.begun() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

async fn respond(service: &Service, peer: &Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = Body::http1(body, service.limits.timeouts.body);
    let answer = match route::serve(service, peer, &head, body).await {
        Outcome::Answer(answer) => answer,
        Outcome::Monitor(_) => Failure::from(Problem::PushUnsupported).answer(),
    };
    answer.map(Full::new)
}
