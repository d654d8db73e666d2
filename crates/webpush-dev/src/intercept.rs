//! Chooses who handles a request: the control API, the vendors, or the service alone.

use crate::compat;
use crate::control;
use crate::push::{self, PushUrl, Request};
use crate::service_name::ServiceName;
use crate::state::Dev;
use http::StatusCode;
use http::request::Parts;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use webpush_http::body::Body;
use webpush_http::interceptor::{Interception, Interceptor};
use webpush_http::server::HttpServer;
use webpush_http::transport::proxies::DirectPeer;

/// The interceptor of a server for development.
pub(crate) struct DevInterceptor {
    dev: Arc<Dev>,
    /// The server that owns the interceptor.
    server: OnceLock<Weak<HttpServer>>,
}

impl DevInterceptor {
    pub(crate) const fn new(dev: Arc<Dev>) -> Self {
        Self { dev, server: OnceLock::new() }
    }

    /// Sets the server. Until then it passes every request on.
    pub(crate) fn attach(&self, server: &Arc<HttpServer>) {
        self.server.get_or_init(|| Arc::downgrade(server));
    }
}

impl Interceptor for DevInterceptor {
    fn intercept<'a>(
        &'a self,
        direct_peer: &'a DirectPeer,
        head: &'a Parts,
        body: Body,
    ) -> Pin<Box<dyn Future<Output = Interception> + Send + 'a>> {
        Box::pin(async move {
            match self.server.get().and_then(Weak::upgrade) {
                None => Interception::Pass(body),
                Some(server) => serve(&self.dev, Request { server: &server, direct_peer, head }, body).await,
            }
        })
    }
}

async fn serve(dev: &Arc<Dev>, request: Request<'_>, mut body: Body) -> Interception {
    let head = request.head;
    match PushUrl::from_request(head, &dev.addresses) {
        PushUrl::Push(endpoint) => Interception::Answer(push::serve(dev, request, endpoint, body).await),
        PushUrl::Nothing(vendor) => {
            body.discard().await;
            Interception::Answer(ServiceName::Vendor(vendor).fault(StatusCode::NOT_FOUND, None))
        }
        PushUrl::Other => {
            if let Some(path) = control::path(head) {
                return control::serve(dev, head, body, path).await;
            }
            match compat::CompatRoute::from_request(head) {
                Some(route) => Interception::Answer(compat::serve(dev, request, body, route).await),
                None => Interception::Pass(body),
            }
        }
    }
}
