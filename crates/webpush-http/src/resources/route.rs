//! The router of both HTTP versions.

use crate::answer::Answer;
use crate::body::Body;
use crate::interceptor::Interception;
use crate::problem::{ErrorKind, ServiceError, not_allowed};
use crate::resources::about;
use crate::resources::aliases::{self, Alias, Resource};
use crate::resources::autopush::opening::{self, Opening};
use crate::resources::chromium::{self, CHECKIN, REGISTER};
use crate::resources::cors;
use crate::resources::errors_page;
use crate::resources::health::{self, HealthCheck};
use crate::resources::legacy;
use crate::resources::legacy::{registration, resources, update};
use crate::resources::matrix;
use crate::resources::outcome::RouteOutcome;
use crate::resources::rfc8030::message;
use crate::resources::rfc8030::publish;
use crate::resources::rfc8030::subscribe;
use crate::resources::rfc8030::subscription;
use crate::resources::unifiedpush;
use crate::server::HttpServer;
use crate::transport::proxies::DirectPeer;
use http::Method;
use http::request::Parts;
use webpush_core::capability::{Capability, is_capability_path};
use webpush_core::problem::Problem;
use webpush_core::protocol::legacy::{DEVICES, is_legacy_path};
use webpush_service::client_addr::Caller;
use webpush_service::service::Service;
use webpush_service::vapid_cache::TokenAudience;

/// Serves one request, after the interceptor if there is one.
pub(crate) async fn serve(
    server: &HttpServer,
    direct_peer: &DirectPeer,
    head: &Parts,
    body: Body,
) -> RouteOutcome {
    let body = match &server.interceptor {
        None => body,
        Some(interceptor) => match interceptor.intercept(direct_peer, head, body).await {
            Interception::Pass(body) => body,
            Interception::Answer(answer) => return RouteOutcome::Answer(answer),
            Interception::Stream(response) => return RouteOutcome::Stream(response),
        },
    };
    handle(server, direct_peer, head, body).await
}

/// Handles one request. Failures become responses.
pub async fn handle(
    server: &HttpServer,
    direct_peer: &DirectPeer,
    head: &Parts,
    mut body: Body,
) -> RouteOutcome {
    let service = &*server.service;
    let client = direct_peer.client(&server.proxies, &head.headers);
    let (path, token) = match service.subscribe_tokens.load().strip(service.path_below(head.uri.path())) {
        Ok((path, token_in_path)) => (path, Ok(token_in_path)),
        Err(problem) => ("", Err(problem)),
    };
    let resource = aliases::resolve(path);
    let path = &*resource.path;
    let (open, unknown) = match service.open(path).await {
        Ok(open) => (open, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let span = service.spans.start(head, || span_name(&head.method, open, path));
    let dispatched = async {
        unknown?;
        let caller = Caller { client: &client, token_in_path: token? };
        dispatch(server, caller, head, &mut body, &resource, open).await
    };
    let mut outcome = match span.instrument(dispatched).await {
        Ok(outcome) => outcome,
        Err(failure) => {
            if let ServiceError::Internal(error) = &failure {
                tracing::error!(%error, "internal error");
            }
            // A client that would lose the response may do so when memory is needed for others.
            if !matches!(failure, ServiceError::MemoryLow) {
                body.discard().await;
            }
            let failure = resource.for_client(failure, open);
            RouteOutcome::Answer(match path {
                REGISTER if server.speaks_chromium && head.method == Method::POST => {
                    chromium::failed(&failure, &server.error_style)
                }
                matrix::PATH => matrix::failed(ErrorKind::Service(&failure), &server.error_style),
                _ if is_legacy_path(path) => legacy::answer::failed(&failure, &server.error_style),
                _ => server.error_style.answer(&failure),
            })
        }
    };
    if let RouteOutcome::Answer(answer) = &mut outcome
        && cors::applies(path)
    {
        cors::expose(answer);
    }
    if let RouteOutcome::Answer(answer) = &outcome {
        span.end(answer.status());
    }
    outcome
}

/// Returns the name of a span for a request that sends messages.
fn span_name(method: &Method, open: Option<Capability>, path: &str) -> Option<&'static str> {
    match (open, method) {
        (Some(Capability::Push(..)), &Method::POST) | (Some(Capability::Update(..)), &Method::PUT) => {
            Some("push")
        }
        (None, &Method::POST) if path == matrix::PATH => Some("notify"),
        _ => None,
    }
}

async fn dispatch(
    server: &HttpServer,
    caller: Caller<'_>,
    head: &Parts,
    body: &mut Body,
    resource: &Resource<'_>,
    open: Option<Capability>,
) -> Result<RouteOutcome, ServiceError> {
    let (service, path) = (&*server.service, &*resource.path);
    if service.memory.is_low() && needs_memory(head, open) {
        return Err(ServiceError::MemoryLow);
    }
    match open {
        Some(capability) => on_capability(service, caller, head, body, resource.alias, capability).await,
        None if is_capability_path(path) => Err(Problem::NotFound.into()),
        None if path == "/" && head.method == Method::GET && opening::is_requested(head) => {
            let may_subscribe = service.subscribe_tokens.load().check(caller, &head.headers).is_ok();
            Ok(RouteOutcome::WebSocket(Box::new(Opening::parse(head, *caller.client, may_subscribe)?)))
        }
        None => on_fixed_path(server, caller, head, body, path).await.map(RouteOutcome::Answer),
    }
}

/// Returns true for requests with a body, and for sessions.
fn needs_memory(head: &Parts, open: Option<Capability>) -> bool {
    match (&head.method, open) {
        (&Method::POST | &Method::PUT, _) => true,
        (
            &Method::GET,
            Some(
                Capability::Subscription(..)
                | Capability::SubscriptionSet(_)
                | Capability::ReceiptSubscription(_)
                | Capability::Device(_)
                | Capability::Channel(..),
            ),
        ) => true,
        (&Method::GET, None) => opening::is_requested(head),
        _ => false,
    }
}

async fn on_capability(
    service: &Service,
    caller: Caller<'_>,
    head: &Parts,
    body: &mut Body,
    alias: Option<Alias>,
    capability: Capability,
) -> Result<RouteOutcome, ServiceError> {
    let answer = match (capability, &head.method) {
        (Capability::Push(agent, id), &Method::POST) => {
            publish::publish(service, caller.client, head, body, audience(alias), agent, id).await?
        }
        (Capability::Push(agent, id), &Method::PUT) if service.limits.load().simple_push => {
            publish::publish(service, caller.client, head, body, audience(alias), agent, id).await?
        }
        (Capability::Push(agent, id), &Method::GET | &Method::HEAD) => {
            unifiedpush::endpoint(service, agent, id).await?
        }
        (Capability::Push(..), &Method::OPTIONS) => {
            cors::preflight("GET, HEAD, POST, OPTIONS", &head.headers)
        }
        (Capability::Push(..), _) => return Err(not_allowed("GET, HEAD, POST, OPTIONS")),

        (Capability::Message(entry), &Method::GET | &Method::HEAD) => message::read(service, &entry).await?,
        (Capability::Message(entry), &Method::DELETE) => message::delete(service, entry).await?,
        (Capability::Message(_), &Method::OPTIONS) => {
            cors::preflight("GET, HEAD, DELETE, OPTIONS", &head.headers)
        }
        (Capability::Message(_), _) => return Err(not_allowed("GET, HEAD, DELETE, OPTIONS")),

        (
            Capability::Subscription(..)
            | Capability::SubscriptionSet(_)
            | Capability::ReceiptSubscription(_),
            &Method::GET,
        ) => return subscription::monitor(service, caller.client, head, capability).await,
        (Capability::Subscription(agent, id), &Method::DELETE) => {
            subscription::unsubscribe(service, agent, id).await?
        }
        (Capability::SubscriptionSet(inbox) | Capability::ReceiptSubscription(inbox), &Method::DELETE) => {
            subscription::remove_inbox(service, inbox).await?
        }
        (
            Capability::Subscription(..)
            | Capability::SubscriptionSet(_)
            | Capability::ReceiptSubscription(_),
            &Method::OPTIONS,
        ) => cors::preflight("GET, DELETE, OPTIONS", &head.headers),
        (
            Capability::Subscription(..)
            | Capability::SubscriptionSet(_)
            | Capability::ReceiptSubscription(_),
            _,
        ) => return Err(not_allowed("GET, DELETE, OPTIONS")),

        (Capability::Device(device), _) => {
            return resources::device(service, caller.client, head, device).await;
        }
        (Capability::Channels(device), &Method::POST) => {
            registration::subscribe(service, caller.client, head, body, device).await?
        }
        (Capability::Channels(_), &Method::OPTIONS) => cors::preflight("POST, OPTIONS", &head.headers),
        (Capability::Channels(_), _) => return Err(not_allowed("POST, OPTIONS")),
        (Capability::Channel(device, id), _) => {
            resources::channel(service, caller.client, head, device, id).await?
        }
        (Capability::Update(device, id), _) => {
            update::update(service, caller.client, head, body, device, id).await?
        }
    };
    Ok(RouteOutcome::Answer(answer))
}

/// Returns the audiences of VAPID tokens: those for a URL of Google are signed for its origin.
const fn audience(alias: Option<Alias>) -> TokenAudience {
    match alias {
        Some(Alias::Google) => TokenAudience::GoogleAsWell,
        Some(Alias::Autopush) | None => TokenAudience::Own,
    }
}

async fn on_fixed_path(
    server: &HttpServer,
    caller: Caller<'_>,
    head: &Parts,
    body: &mut Body,
    path: &str,
) -> Result<Answer, ServiceError> {
    let service = &*server.service;
    if let Some(check) = HealthCheck::on_public(path) {
        return match head.method {
            Method::GET | Method::HEAD => Ok(health::answer(service, check).await),
            _ => Err(not_allowed("GET, HEAD")),
        };
    }
    match (path, &head.method) {
        ("/subscribe", &Method::POST) => subscribe::subscribe(service, caller, head, body).await,
        (DEVICES, &Method::POST) => registration::register(service, caller, head, body).await,
        ("/subscribe" | DEVICES, _) => Err(not_allowed("POST")),
        (CHECKIN | REGISTER, _) if !server.speaks_chromium => Err(Problem::NotFound.into()),
        (CHECKIN, &Method::POST) => chromium::check_in(service, caller, head, body).await,
        (REGISTER, &Method::POST) => chromium::register(service, caller, head, body).await,
        (CHECKIN | REGISTER, _) => Err(not_allowed("POST")),
        (matrix::PATH, _) if server.gateway.is_off() => Err(Problem::NotFound.into()),
        (matrix::PATH, &Method::GET | &Method::HEAD) => Ok(unifiedpush::gateway()),
        (matrix::PATH, &Method::POST) => matrix::notify(server, caller.client, head, body).await,
        (matrix::PATH, _) => Err(not_allowed("GET, HEAD, POST")),
        ("/", &Method::GET | &Method::HEAD) => Ok(about::front(service, &head.headers)),
        ("/errors", &Method::GET | &Method::HEAD) => Ok(errors_page::answer(&server.errors_page)),
        ("/" | "/errors", _) => Err(not_allowed("GET, HEAD")),
        _ => Err(Problem::NotFound.into()),
    }
}
