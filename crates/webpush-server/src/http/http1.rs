//! One HTTP/1.1 connection: what most application servers speak. It has no server push.

use super::body::Body;
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
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use webpush_core::problem::Problem;

/// How long a request head may take, counted from the end of the one before: also the longest idle time.
const HEAD: Duration = Duration::from_secs(75);
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Serves a connection until it ends.
pub(super) async fn serve<S>(stream: S, service: Arc<Service>, mut draining: Draining)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let respond = service_fn(move |request: Request<Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(respond(&service, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEADER_BYTES);
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

async fn respond(service: &Service, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let answer = match route::serve(service, &head, Body::Http1(body)).await {
        Outcome::Answer(answer) => answer,
        Outcome::Monitor(_) => Failure::from(Problem::PushUnsupported).answer(),
    };
    answer.map(Full::new)
}
