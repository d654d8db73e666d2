//! Delivery by HTTP/2 server push (RFC 8030 §6, RFC 9113 §8.4).

use crate::drain::Draining;
use crate::fresh;
use crate::http::cors;
use crate::http::http2::{Flow, Responder};
use crate::http::pressure::{Permit, Pressure};
use crate::http::problem::Failure;
use crate::http::pulse::Pulse;
use crate::http::retirement::Retirement;
use crate::monitor::waiting::{Waiting, subscription_key};
use crate::monitor::{Monitor, deadline};
use crate::service::Service;
use bytes::Bytes;
use h2::server::SendResponse;
use http::header::{CONNECTION, HeaderValue, LINK};
use http::{Request, Response, StatusCode};
use std::collections::VecDeque;
use std::future::poll_fn;
use webpush_core::dialect::rfc8030::Pushed;
use webpush_core::inbox::Entry;
use webpush_core::limits::Limits;
use webpush_core::outcome::Outcome;
use webpush_core::problem::Problem;
use webpush_core::session::{Command, End, Input, Page, Session};
use webpush_store::{Durability, Op, StoreError};

/// What a connection gives to each of its monitors.
pub struct Connection<'a> {
    /// How far its peer lags behind.
    pub pressure: &'a Pressure,
    /// Whether it has read what it was sent.
    pub pulse: &'a Pulse,
    /// Whether it may go on.
    pub retirement: &'a Retirement,
    /// Says when the service stops.
    pub draining: Draining,
}

/// What is on its way to the agent.
enum Outgoing<'a> {
    /// Nothing.
    Idle,
    /// Waits until the connection can take a promise.
    Admitting(Waiting),
    /// Promised; waits until the body may begin.
    Opening(Waiting, Push<'a>),
    /// The body goes as flow control lets it.
    Flowing(Entry, Push<'a>),
    /// Receipts were handed over, each reset by the peer or not; nobody acknowledges them, so the peer must be seen to
    /// have read them before they are settled.
    Confirming(Vec<Input>),
}

/// A promised entry. Its place on the connection is free again when this is dropped.
struct Push<'a> {
    flow: Flow,
    _permit: Permit<'a>,
}

/// What has become of it.
enum Progress<'a> {
    Admitted(Permit<'a>),
    Opened { by_peer: bool },
    Flown { whole: bool },
    Confirmed,
}

/// What has become of an attempt to promise.
enum Promise {
    Made(Flow),
    /// This entry can't be promised, and stays in the inbox.
    Skipped,
    /// The peer takes no pushes any more.
    Impossible,
}

/// Serves one monitoring request until it ends.
pub async fn run(
    service: &Service,
    monitor: Monitor,
    mut respond: SendResponse<Bytes>,
    mut connection: Connection<'_>,
) {
    if !push_is_enabled(&mut respond) {
        let mut answer = Failure::from(Problem::PushUnsupported).answer();
        cors::expose(&mut answer);
        return Responder(respond).send(answer).await;
    }
    let parent = respond.stream_id().as_u32();
    let Limits { redelivery_timeout, .. } = service.limits;
    let mut session = Session::new(monitor.scope, monitor.request.patience, Some(redelivery_timeout));
    let mut queue = VecDeque::new();
    let mut unconfirmed = Vec::new();
    let mut outgoing = Outgoing::Idle;
    loop {
        while let Some(command) = session.next_command() {
            match command {
                Command::Fetch { after } => match fetch(service, &session, after) {
                    Ok(page) => {
                        let nothing_for_it = page.entries.is_empty() && page.more;
                        session.handle(Input::Fetched(page), fresh::now());
                        if nothing_for_it {
                            // A long inbox of which nothing passes the filter must not hold up everybody else.
                            tokio::task::yield_now().await;
                        }
                    }
                    Err(error) => return Responder(respond).send(Failure::from(error).answer()).await,
                },
                Command::Deliver(entry) => queue.push_back(Waiting::new(entry)),
                Command::Settle(receipts) => {
                    let settle = receipts.into_iter().map(|entry| Op::Settle(entry, Outcome::Delivered));
                    if let Err(error) = service.commit(settle.collect(), Durability::Durable).await {
                        return Responder(respond).send(Failure::from(error).answer()).await;
                    }
                }
                Command::Finish(end) => {
                    // What was not begun is taken back; the rest goes out before the end of this response, which
                    // agents may take for the end of all (RFC 8030 §6).
                    drop(outgoing);
                    connection.pressure.written().await;
                    return Responder(respond).send(ending(end, &monitor)).await;
                }
            }
        }
        if matches!(outgoing, Outgoing::Idle) {
            outgoing = match queue.pop_front() {
                Some(waiting) if !connection.retirement.is_out_of_ids() => Outgoing::Admitting(waiting),
                _ if !unconfirmed.is_empty() => Outgoing::Confirming(std::mem::take(&mut unconfirmed)),
                _ => Outgoing::Idle,
            };
        }
        let busy = !matches!(outgoing, Outgoing::Idle);
        // A body that has begun is finished, whoever wants to end this.
        let may_end = !matches!(outgoing, Outgoing::Flowing(..));
        let input = tokio::select! {
            biased;
            _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
            news = monitor.news(busy) => news,
            () = connection.draining.begun(), if may_end => Input::Draining,
            // What was promised last is still sent whole.
            () = connection.retirement.out_of_ids(), if !busy => Input::Draining,
            progress = advance(&mut outgoing, parent, connection.pressure, connection.pulse), if busy => {
                let (entry, taken) = match (progress, std::mem::replace(&mut outgoing, Outgoing::Idle)) {
                    (Progress::Admitted(permit), Outgoing::Admitting(waiting)) => {
                        if !waiting.is_still_wanted(service) {
                            (waiting.entry, false)
                        } else {
                            match promise(service, &monitor, &mut respond, &connection, &waiting.entry) {
                                Promise::Made(flow) => {
                                    outgoing = Outgoing::Opening(waiting, Push { flow, _permit: permit });
                                    continue;
                                }
                                Promise::Skipped => (waiting.entry, false),
                                Promise::Impossible => {
                                    let mut answer = Failure::from(Problem::PushUnsupported).answer();
                                    cors::expose(&mut answer);
                                    return Responder(respond).send(answer).await;
                                }
                            }
                        }
                    }
                    (Progress::Opened { by_peer: true }, Outgoing::Opening(waiting, push))
                        if waiting.is_still_wanted(service) =>
                    {
                        outgoing = Outgoing::Flowing(waiting.entry, push);
                        continue;
                    }
                    (Progress::Opened { .. }, Outgoing::Opening(waiting, ..)) => (waiting.entry, false),
                    (Progress::Flown { whole }, Outgoing::Flowing(entry, ..)) => (entry, whole),
                    (_, Outgoing::Confirming(confirmed)) => {
                        confirmed.into_iter().for_each(|input| session.handle(input, fresh::now()));
                        continue;
                    }
                    (_, Outgoing::Idle | Outgoing::Admitting(_) | Outgoing::Opening(..) | Outgoing::Flowing(..)) => {
                        continue;
                    }
                };
                let sent = Input::Sent { taken };
                if matches!(entry, Entry::Receipt(_)) {
                    unconfirmed.push(sent);
                    continue;
                }
                sent
            },
            () = deadline(session.next_deadline()), if may_end => Input::Deadline,
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

/// Waits until what is on its way can take its next step.
async fn advance<'a>(
    outgoing: &mut Outgoing<'a>,
    parent: u32,
    pressure: &'a Pressure,
    pulse: &Pulse,
) -> Progress<'a> {
    match outgoing {
        Outgoing::Idle => std::future::pending().await,
        Outgoing::Admitting(_) => Progress::Admitted(pressure.admit(parent).await),
        // A reset push was not delivered; the message stays, and comes again later (RFC 8030 §6.2).
        Outgoing::Opening(_, push) => Progress::Opened { by_peer: push.flow.open().await.is_ok() },
        Outgoing::Flowing(_, push) => Progress::Flown { whole: push.flow.run().await.is_ok() },
        Outgoing::Confirming(_) => {
            pressure.written().await;
            pulse.confirm().await;
            Progress::Confirmed
        }
    }
}

/// Promises an entry and begins its response.
fn promise(
    service: &Service,
    monitor: &Monitor,
    respond: &mut SendResponse<Bytes>,
    connection: &Connection<'_>,
    entry: &Entry,
) -> Promise {
    let Some((request, response)) = render(service, monitor, entry) else { return Promise::Skipped };
    match respond.push_request(request) {
        Ok(promised) => {
            connection.retirement.promised(promised.stream_id().as_u32());
            let flow = Flow::begin(promised, response, service.limits.timeouts.stall);
            flow.map_or(Promise::Skipped, Promise::Made)
        }
        Err(_) if push_is_enabled(respond) => Promise::Skipped,
        Err(_) => Promise::Impossible,
    }
}

/// The promised request and its response; `None` when the message's subscription is gone.
fn render(service: &Service, monitor: &Monitor, entry: &Entry) -> Option<(Request<()>, Response<Bytes>)> {
    let key = subscription_key(service, entry)?;
    let pushed = Pushed::new(entry, key, &service.keyring, &service.origin, fresh::now())?;
    let origin = monitor.asked_at.as_deref().unwrap_or(&service.origin);
    let mut request = Request::get(format!("{origin}{}", pushed.path)).body(()).ok()?;
    if let Some(link) = &pushed.link {
        request.headers_mut().insert(LINK, link.clone());
    }
    Some((request, pushed.response))
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
    monitor.say_what_was_applied(response.headers_mut());
    response
}
