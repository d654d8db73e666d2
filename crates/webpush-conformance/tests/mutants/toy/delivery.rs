//! Monitoring: pushed messages and receipts.

use super::Mutant;
use super::http::{ToyRequest, send};
use super::requests::URGENCIES;
use super::state::{Toy, ToyMessage};
use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request, Response};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often a held request looks for expired messages.
const TICK: Duration = Duration::from_millis(100);

/// A resource that can be monitored.
pub(crate) enum Monitored {
    Subscription(String),
    Set(String),
    Receipts(String),
}

/// Returns the resource that a request monitors.
pub(crate) fn monitored(request: &ToyRequest) -> Option<Monitored> {
    if request.method != Method::GET {
        return None;
    }
    let (kind, token) = request.path.strip_prefix('/')?.split_once('/')?;
    match kind {
        "s" => Some(Monitored::Subscription(token.to_owned())),
        "set" => Some(Monitored::Set(token.to_owned())),
        "r" => Some(Monitored::Receipts(token.to_owned())),
        _ => None,
    }
}

/// Pushes until the end of the request.
pub(crate) async fn monitor(
    request: &ToyRequest,
    resource: Monitored,
    respond: &mut SendResponse<Bytes>,
    toy: &Toy,
) {
    let is_held = !request.prefers("wait=0");
    let minimum = request.field("urgency").and_then(|word| URGENCIES.iter().position(|one| *one == word));
    let minimum = if toy.has(Mutant::MinimumUrgencyIsIgnored) { 0 } else { minimum.unwrap_or(0) };
    let mut changes = toy.changes();
    let start = toy.lock().number();
    let (mut seen, mut pushed) = (BTreeSet::new(), 0);
    loop {
        changes.borrow_and_update();
        let Some(batch) = batch(toy, &resource, minimum, start) else {
            if !toy.has(Mutant::MonitorsOutliveRemoval) || !is_held {
                return send(respond, 404, &[], Bytes::new());
            }
            return std::future::pending().await;
        };
        for (token, message, status) in batch {
            if !seen.insert(token.clone()) {
                continue;
            }
            pushed += 1;
            if !push(toy, respond, &token, message.as_ref(), status) {
                return send(respond, 505, &[], Bytes::new());
            }
            if toy.has(Mutant::DeliveredIsForgotten) {
                toy.lock().messages.remove(&token);
            }
        }
        if !is_held {
            let is_empty = pushed == 0 && !toy.has(Mutant::WaitZeroReturns200);
            let status = if is_empty { 204 } else { 200 };
            return send(respond, status, &[("preference-applied", "wait=0".to_owned())], Bytes::new());
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(TICK) => {}
            _ = std::future::poll_fn(|cx| respond.poll_reset(cx)) => return,
        }
    }
}

type Batch = Vec<(String, Option<ToyMessage>, u16)>;

/// Returns what there is to push; `None` if the resource is gone.
fn batch(toy: &Toy, resource: &Monitored, minimum: usize, start: u64) -> Option<Batch> {
    let mut inner = toy.lock();
    let members: Vec<String> = match resource {
        Monitored::Receipts(token) => {
            let waiting = std::mem::take(inner.receipts.get_mut(token)?);
            return Some(waiting.into_iter().map(|(token, status)| (token, None, status)).collect());
        }
        Monitored::Subscription(token) => vec![inner.subscriptions.get_key_value(token)?.0.clone()],
        Monitored::Set(set) => {
            let members = inner.subscriptions.iter().filter(|(_, one)| one.set == *set);
            members.map(|(token, _)| token.clone()).collect()
        }
    };
    if members.is_empty() {
        return None;
    }
    let mut found: Vec<_> = inner
        .messages
        .iter()
        .filter(|(_, message)| members.contains(&message.subscription) && message.urgency >= minimum)
        .filter(|(_, message)| !message.only_live || message.number > start)
        .map(|(token, message)| (token.clone(), Some(message.clone()), 200))
        .collect();
    found.sort_by_key(|(_, message, _)| message.as_ref().map(|message| message.number));
    if toy.has(Mutant::OrderIsReversed) {
        found.reverse();
    }
    Some(found)
}

/// Pushes a message or a receipt; returns false if the client takes no pushes.
fn push(
    toy: &Toy,
    respond: &mut SendResponse<Bytes>,
    token: &str,
    message: Option<&ToyMessage>,
    status: u16,
) -> bool {
    let origin = &toy.origin;
    let of_subscription = message.filter(|_| toy.has(Mutant::PromiseIsOfTheSubscription));
    let url = of_subscription.map_or_else(
        || format!("{origin}/m/{token}"),
        |message| format!("{origin}/s/{}", message.subscription),
    );
    let promise = Request::get(url).body(()).unwrap();
    let Ok(mut pushed) = respond.push_request(promise) else { return false };
    let mut response = Response::builder().status(status);
    if let (Some(message), Some(fields)) = (message, response.headers_mut()) {
        *fields = fields_of(toy, message);
    }
    let body = message.map(|message| message.body.clone()).unwrap_or_default();
    let sent = pushed.send_response(response.body(()).unwrap(), body.is_empty());
    if let (Ok(mut stream), false) = (sent, body.is_empty()) {
        let _ = stream.send_data(body, true);
    }
    true
}

/// Returns the header fields of a delivered message.
pub(crate) fn fields_of(toy: &Toy, message: &ToyMessage) -> HeaderMap {
    let mut fields = message.headers.clone();
    let mut insert = |name: &'static str, value: String| fields.insert(name, value.parse().unwrap());
    insert("cache-control", "private".to_owned());
    insert("date", "Tue, 01 Jan 2030 00:00:00 GMT".to_owned());
    insert("last-modified", "Tue, 01 Jan 2030 00:00:00 GMT".to_owned());
    insert("content-length", message.body.len().to_string());
    let inner = toy.lock();
    if let Some(subscription) = inner.subscriptions.get(&message.subscription)
        && !toy.has(Mutant::PushHasNoLink)
    {
        let link = format!("<{}/p/{}>; rel=\"urn:ietf:params:push\"", toy.origin, subscription.push);
        fields.insert("link", link.parse().unwrap());
    }
    fields
}
