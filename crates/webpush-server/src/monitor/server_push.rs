//! Delivery by HTTP/2 server push (RFC 8030 §6, RFC 9113 §8.4).

use crate::drain::Draining;
use crate::fresh;
use crate::http::http2::{Flow, Responder};
use crate::http::pressure::Pressure;
use crate::http::problem::Failure;
use crate::http::retirement::Retirement;
use crate::monitor::Monitor;
use crate::service::Service;
use crate::wake::News;
use bytes::Bytes;
use h2::server::SendResponse;
use http::header::{CONNECTION, HeaderName, HeaderValue, LINK};
use http::{Request, Response, StatusCode};
use std::collections::VecDeque;
use std::future::poll_fn;
use webpush_core::dialect::rfc8030::Pushed;
use webpush_core::inbox::Entry;
use webpush_core::limits::Limits;
use webpush_core::problem::Problem;
use webpush_core::session::{Command, End, Input, Page, Session};
use webpush_core::time::Timestamp;
use webpush_store::StoreError;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What a connection gives to each of its monitors.
pub struct Connection<'a> {
    /// How far its peer lags behind.
    pub pressure: &'a Pressure,
    /// Whether it may go on.
    pub retirement: &'a Retirement,
    /// `http` or `https`, for promised requests.
    pub scheme: &'static str,
    /// Says when the service stops.
    pub draining: Draining,
}

/// What is on its way to the agent.
enum Outgoing {
    /// Nothing.
    Idle,
    /// Waits until the connection can take a promise.
    Admitting(Entry),
    /// Promised; the body goes as flow control lets it.
    Flowing(Flow),
}

/// Serves one monitoring request until it ends.
pub async fn run(
    service: &Service,
    monitor: Monitor,
    mut respond: SendResponse<Bytes>,
    mut connection: Connection<'_>,
) {
    if !push_is_enabled(&mut respond) {
        let answer = Failure::from(Problem::PushUnsupported).answer();
        return Responder(respond).send(answer).await;
    }
    let Limits { redelivery_timeout, .. } = service.limits;
    let mut session = Session::new(monitor.scope, monitor.request.patience, Some(redelivery_timeout));
    let mut queue = VecDeque::new();
    let mut outgoing = Outgoing::Idle;
    loop {
        while let Some(command) = session.next_command() {
            match command {
                Command::Fetch { after } => match fetch(service, &session, after) {
                    Ok(page) => session.handle(Input::Fetched(page), fresh::now()),
                    Err(error) => return Responder(respond).send(Failure::from(error).answer()).await,
                },
                Command::Deliver(entry) => queue.push_back(entry),
                Command::Finish(end) => {
                    // Agents may take the end of this response for the end of all (RFC 8030 §6).
                    connection.pressure.written().await;
                    return Responder(respond).send(ending(end, &monitor)).await;
                }
            }
        }
        if matches!(outgoing, Outgoing::Idle)
            && !connection.retirement.is_out_of_ids()
            && let Some(entry) = queue.pop_front()
        {
            outgoing = Outgoing::Admitting(entry);
        }
        let busy = !matches!(outgoing, Outgoing::Idle);
        let input = tokio::select! {
            biased;
            _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
            news = news(&monitor, busy) => match news {
                News { gone: true, .. } => Input::Gone,
                News { woken, .. } => Input::Woken(woken.unwrap_or_default()),
            },
            () = connection.draining.begun() => Input::Draining,
            // What was promised last is still sent whole.
            () = connection.retirement.out_of_ids(), if !busy => Input::Draining,
            () = advance(&mut outgoing, connection.pressure), if busy => {
                match outgoing {
                    Outgoing::Admitting(entry) => {
                        outgoing = promise(service, &monitor, &mut respond, &connection, &entry);
                    }
                    Outgoing::Idle | Outgoing::Flowing(_) => outgoing = Outgoing::Idle,
                }
                if !matches!(outgoing, Outgoing::Idle) {
                    continue;
                }
                Input::Sent
            },
            () = deadline(session.next_deadline()) => Input::Deadline,
        };
        session.handle(input, fresh::now());
    }
}

/// Asks `h2` for something that it refuses in any case: only the reason tells whether the peer takes pushes
/// (SETTINGS_ENABLE_PUSH, RFC 9113 §6.5.2), and `h2` has no other way to find out before there is something to push.
fn push_is_enabled(respond: &mut SendResponse<Bytes>) -> bool {
    let mut refused = Request::new(());
    *refused.uri_mut() = http::Uri::from_static("https://push.invalid/");
    refused.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    match respond.push_request(refused) {
        Err(error) => !error.to_string().contains("disabled server push"),
        Ok(_) => true,
    }
}

fn fetch(
    service: &Service,
    session: &Session,
    after: webpush_core::id::Position,
) -> Result<Page, StoreError> {
    service.store.fetch(session.scope(), after, fresh::now())
}

/// Waits for news. While something is on its way only a removal counts; the rest is taken when there is room for it.
async fn news(monitor: &Monitor, busy: bool) -> News {
    loop {
        if !busy || monitor.listener.is_gone() {
            let news = monitor.listener.take();
            if news.gone || news.woken.is_some() {
                return news;
            }
        }
        monitor.listener.arrived().await;
    }
}

async fn deadline(at: Option<Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep(fresh::now().until(at)).await,
        None => std::future::pending().await,
    }
}

/// Waits until what is on its way can take its next step.
async fn advance(outgoing: &mut Outgoing, pressure: &Pressure) {
    match outgoing {
        Outgoing::Idle => {}
        Outgoing::Admitting(_) => pressure.admit().await,
        // A reset push was not delivered; the message stays, and comes again later (RFC 8030 §6.2).
        Outgoing::Flowing(flow) => drop(flow.run().await),
    }
}

/// Promises an entry and begins its response. What can't be promised stays in the inbox.
fn promise(
    service: &Service,
    monitor: &Monitor,
    respond: &mut SendResponse<Bytes>,
    connection: &Connection<'_>,
    entry: &Entry,
) -> Outgoing {
    match try_promise(service, monitor, respond, connection, entry) {
        Some(flow) => Outgoing::Flowing(flow),
        None => Outgoing::Idle,
    }
}

fn try_promise(
    service: &Service,
    monitor: &Monitor,
    respond: &mut SendResponse<Bytes>,
    connection: &Connection<'_>,
    entry: &Entry,
) -> Option<Flow> {
    let now = fresh::now();
    let subscription_key = match entry {
        // Waiting for room takes time, and a message must not be sent after its TTL (RFC 8030 §5.2). One with TTL 0
        // came from memory and was let through by the session.
        Entry::Message(message) if message.expires > message.accepted && message.is_expired(now) => {
            return None;
        }
        Entry::Message(message) => {
            service.store.subscription(message.agent, message.subscription).ok()?.map(|found| found.key)
        }
        Entry::Receipt(_) => None,
    };
    let pushed = Pushed::new(entry, subscription_key, &service.keyring, &service.origin, now)?;
    let authority = monitor.authority.as_deref().unwrap_or_else(|| host_of(&service.origin));
    let mut request =
        Request::get(format!("{}://{authority}{}", connection.scheme, pushed.path)).body(()).ok()?;
    if let Some(link) = &pushed.link {
        request.headers_mut().insert(LINK, link.clone());
    }
    let promised = respond.push_request(request).ok()?;
    connection.retirement.promised(promised.stream_id().as_u32());
    Flow::begin(promised, pushed.response, service.limits.timeouts.stall)
}

fn host_of(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

/// The response to the monitoring request itself (RFC 8030 §6, §7.3).
fn ending(end: End, monitor: &Monitor) -> Response<Bytes> {
    let status = match end {
        End::Nothing => StatusCode::NO_CONTENT,
        End::Complete => StatusCode::OK,
        End::Gone => return Failure::from(Problem::NotFound).answer(),
    };
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    if let Some(wait) = monitor.request.wait
        && let Ok(applied) = HeaderValue::try_from(format!("wait={wait}"))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    response
}
