//! The push service of RFC 8030: a real one, whose requests are judged before it handles them.

use crate::conform::memory_service;
use crate::server::listeners::bind;
use anyhow::Context as _;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use std::net::{IpAddr, Ipv4Addr, TcpListener as StdTcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use webpush_conformance::agent::{Rfc8030Reply, Rfc8030Validator};
use webpush_conformance::report::Report;
use webpush_core::header::links;
use webpush_core::protocol::rfc8030::{PUSH_REL, SET_REL};
use webpush_http::answer::{Answer, empty};
use webpush_http::body::Body;
use webpush_http::interceptor::{Interception, Interceptor};
use webpush_http::resources::outcome::RouteOutcome;
use webpush_http::resources::route;
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::connections::{Connections, NetworkLimit};
use webpush_http::transport::listen::{self, Front, FrontProtocol};
use webpush_http::transport::proxies::DirectPeer;
use webpush_service::drain::Drain;
use webpush_service::service::Service;
use webpush_service::system;

/// The TTL of the messages, longer than any trial.
const TTL_SECONDS: u32 = 86_400;

/// A push service that judges a user agent.
pub(super) struct HttpTrial {
    state: Arc<HttpState>,
}

struct HttpState {
    validator: Mutex<Rfc8030Validator>,
    origin: String,
    /// Handles requests; set once at the start.
    server: OnceLock<Weak<HttpServer>>,
    /// Asks to close all connections.
    closes: Notify,
}

impl HttpTrial {
    /// Starts listening.
    pub(super) async fn start(port: u16) -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        for listener in bind(IpAddr::V4(Ipv4Addr::LOCALHOST), port, "--http-port").await? {
            listeners.push(listener.into_std().context("cannot use a socket")?);
        }
        let origin = format!("http://localhost:{}", listeners[0].local_addr()?.port());
        let state = Arc::new(HttpState {
            validator: Mutex::default(),
            origin: origin.clone(),
            server: OnceLock::new(),
            closes: Notify::new(),
        });
        let service = Service::new(memory_service(system::env(), origin)?);
        let interceptor: Arc<dyn Interceptor> = Arc::clone(&state) as _;
        let config = HttpConfig { interceptor: Some(interceptor), ..HttpConfig::default() };
        let server = HttpServer::new(Arc::clone(&service), config);
        state.server.get_or_init(|| Arc::downgrade(&server));
        // It runs as long as the runtime.
        drop(tokio::spawn(serve(listeners, service, server, Arc::clone(&state))));
        Ok(Self { state })
    }

    /// Returns its URL.
    pub(super) fn url(&self) -> String {
        format!("{}/", self.state.origin)
    }

    /// Returns the report so far; `None` if no request arrived.
    pub(super) fn report(&self, name: Option<&str>) -> Option<Report> {
        let validator = self.state.validator();
        (validator.requests() > 0).then(|| validator.report(name))
    }
}

/// Serves, and closes all connections when it is time to see whether the user agent comes back.
async fn serve(
    listeners: Vec<StdTcpListener>,
    service: Arc<Service>,
    server: Arc<HttpServer>,
    state: Arc<HttpState>,
) -> anyhow::Result<()> {
    loop {
        let drain = Drain::default();
        let connections = Arc::new(Connections::new(None, NetworkLimit::Off, Arc::clone(&service.metrics)));
        for listener in &listeners {
            let listener = TcpListener::from_std(listener.try_clone()?)?;
            let (connections, protocol) = (Arc::clone(&connections), FrontProtocol::Http);
            let front = Front { connections, proxy_protocol: false, tls: None, protocol };
            // The drain ends it.
            drop(listen::start(listener, front, Arc::clone(&server), drain.draining()));
        }
        state.closes.notified().await;
        let registry = Arc::clone(&service.registry);
        // Meanwhile the user agent may come back.
        drop(tokio::spawn(async move { drain.finish(&system::env(), &registry, Duration::ZERO).await }));
    }
}

impl HttpState {
    fn validator(&self) -> MutexGuard<'_, Rfc8030Validator> {
        self.validator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn validate(&self, direct_peer: &DirectPeer, head: &Parts, body: Body) -> Interception {
        let path = head.uri.path();
        let reply = self.validator().receive(&head.method, path, &head.headers);
        match reply {
            Rfc8030Reply::Redirect(to) => {
                let mut answer = empty(StatusCode::TEMPORARY_REDIRECT);
                answer.headers_mut().insert(LOCATION, HeaderValue::from_static(to));
                Interception::Answer(answer)
            }
            Rfc8030Reply::Subscribe(messages) => {
                Interception::Answer(self.subscribe(direct_peer, head, body, messages).await)
            }
            Rfc8030Reply::Respond => {
                if self.validator().closes() {
                    self.closes.notify_one();
                }
                Interception::Pass(body)
            }
        }
    }

    /// Creates the subscription, and sends messages to it before the user agent knows it.
    async fn subscribe(&self, direct_peer: &DirectPeer, head: &Parts, body: Body, messages: usize) -> Answer {
        let mut plain = head.clone();
        plain.uri = http::Uri::from_static("/subscribe");
        let answer = self.handle(direct_peer, &plain, body).await;
        let found = links(answer.headers()).unwrap_or_default();
        let linked = |rel: &str| {
            found.iter().find(|link| link.has_rel(rel)).and_then(|link| link.path_on(&self.origin))
        };
        let (Some(own), Some(push), Some(set)) = (self.location(&answer), linked(PUSH_REL), linked(SET_REL))
        else {
            return answer;
        };
        self.validator().subscribed(&own, set);
        for _ in 0..messages {
            let Some(request) = message(push) else { continue };
            let sent = self.handle(direct_peer, &request, Body::whole(Bytes::new())).await;
            if let Some(path) = self.location(&sent) {
                self.validator().sent(&own, &path);
            }
        }
        answer
    }

    async fn handle(&self, direct_peer: &DirectPeer, head: &Parts, body: Body) -> Answer {
        let unavailable = || empty(StatusCode::SERVICE_UNAVAILABLE);
        let Some(server) = self.server.get().and_then(Weak::upgrade) else { return unavailable() };
        match route::handle(&server, direct_peer, head, body).await {
            RouteOutcome::Answer(answer) => answer,
            // No subscribe or push request has another outcome.
            _ => unavailable(),
        }
    }

    /// Returns the path in `Location`.
    fn location(&self, answer: &Answer) -> Option<String> {
        answer.headers().get(LOCATION)?.to_str().ok()?.strip_prefix(&*self.origin).map(str::to_owned)
    }
}

/// Returns the head of a push without data (RFC 8030 §5).
fn message(push: &str) -> Option<Parts> {
    let request = Request::builder().method(Method::POST).uri(push);
    let (mut head, ()) = request.body(()).ok()?.into_parts();
    let ttl = (HeaderName::from_static("ttl"), HeaderValue::from(TTL_SECONDS));
    head.headers = HeaderMap::from_iter([ttl]);
    Some(head)
}

impl Interceptor for HttpState {
    fn intercept<'a>(
        &'a self,
        direct_peer: &'a DirectPeer,
        head: &'a Parts,
        body: Body,
    ) -> Pin<Box<dyn Future<Output = Interception> + Send + 'a>> {
        Box::pin(self.validate(direct_peer, head, body))
    }
}
