//! Serves HTTP/1.1 on a connection.

use super::auth::Access;
use super::connections::AdminPermit;
use super::listen::Accepted;
use super::{Admin, route};
use http::Request;
use http::header::EXPECT;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use webpush_http::body::Body;
use webpush_http::transport::HEADER_BYTES;
use webpush_http::transport::stall::StallGuard;
use webpush_service::drain::Draining;

/// Serves a connection until it ends or must make room for another.
pub(super) async fn serve(
    Accepted { stream, address }: Accepted,
    admin: Arc<Admin>,
    mut draining: Draining,
    permit: AdminPermit,
) {
    let timeouts = admin.service.limits.load().timeouts.clone();
    let stream = StallGuard::new(stream, timeouts.stall);
    let respond = service_fn(|request: Request<Incoming>| {
        let (admin, permit) = (Arc::clone(&admin), &permit);
        async move {
            let (head, body) = request.into_parts();
            let has_access = admin.auth.check(&head.headers, Access::Read).is_ok();
            let expects_continue = head.headers.contains_key(EXPECT);
            let body = Body::http1(body, admin.service.limits.load().timeouts.body, expects_continue);
            let response = route::serve(&admin, &head, body, address);
            Ok::<_, Infallible>(permit.connection.handle(has_access, response).await)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(timeouts.head).max_buf_size(HEADER_BYTES);
    builder.half_close(true);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), respond));
    // An error is ignored: the client is gone.
    tokio::select! {
        _ = &mut connection => return,
        () = permit.connection.evicted() => return,
        () = draining.begun() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
