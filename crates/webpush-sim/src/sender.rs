//! Application servers: they send, wait, retry, and ask for receipts.

use crate::body::body;
use crate::executor::TaskOwner;
use crate::history::Event;
use crate::monitor;
use crate::network::{ORIGIN, Response, bare};
use crate::shared::{Shared, Target};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, LINK};
use http::{HeaderMap, Method, Request};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use webpush_core::urgency::Urgency;
use webpush_store::simulation::Random;

/// TTLs in seconds.
const TTLS: [u64; 8] = [0, 2, 60, 3_600, 86_400, 86_400, 2_000_000, 2_000_000];
/// Receipt subscriptions that senders create.
const RECEIPT_INBOXES: usize = 3;
/// How long a sender waits for a response.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a sender tries again.
const RETRIES: usize = 3;

/// Sends a message to a subscription, if there is one.
pub fn send(shared: &Rc<Shared>, random: &mut Random) {
    let target = {
        let targets = shared.targets.borrow();
        targets.get(random.index(targets.len())).cloned()
    };
    let Some(target) = target else { return };
    let (seed, shared_state) = (random.number(), Rc::clone(shared));
    shared.executor.spawn(TaskOwner::Sender, async move {
        let mut random = Random::new(seed);
        for _ in 0..RETRIES {
            let status = push(&shared_state, &mut random, &target).await;
            let is_unknown = status == 0 || status >= 500;
            if !is_unknown || random.one_in(3) || shared_state.is_settling.get() {
                break;
            }
            sleep(Duration::from_millis(random.below(3000))).await;
        }
    });
}

/// Sends one message, and returns the status of the response; 0 if there was none.
async fn push(shared: &Rc<Shared>, random: &mut Random, target: &Target) -> u16 {
    let Some(node) = shared.node(random) else { return 0 };
    let m = shared.new_message();
    let ttl = ttl(shared, random, target);
    let topic = random.one_in(4).then(|| random.below(2));
    let urgency = Urgency::ALL[random.index(4)];
    let receipt = random.one_in(3);
    let s = target.subscription;
    let inbox = if receipt { receipt_inbox(shared, random) } else { None };
    let length = if random.one_in(10) { random.index(3000) } else { random.index(600) };
    let Some(request) = request(shared, target, (ttl, topic, urgency), (receipt, inbox), body(m, length))
    else {
        return 0;
    };
    shared.record(&Event::Push { m, s, ttl, topic, urgency: urgency as usize, receipt });
    let patience = if random.one_in(12) { Duration::from_millis(random.below(20)) } else { PATIENCE };
    let response = timeout(patience, shared.network.request(node, request)).await.ok().flatten();
    let status = response.as_ref().map_or(0, |response| response.status.as_u16());
    let granted =
        response.as_ref().and_then(|response| response.headers.get("ttl")?.to_str().ok()?.parse().ok());
    shared.record(&Event::Answer { m, status, ttl: granted });
    match (status, response) {
        (201 | 202, Some(response)) => remember(shared, random, m, &response),
        // A receipt subscription that is unknown is not one that is gone.
        (404 | 410, _) => shared.targets.borrow_mut().retain(|other| other.subscription != s),
        _ => {}
    }
    status
}

/// Returns a TTL in seconds.
///
/// Some messages expire less than a second before their agent comes back.
fn ttl(shared: &Shared, random: &mut Random, target: &Target) -> u64 {
    let back = shared.returns.borrow().get(&target.agent).copied();
    let away = back.map(|back| back.saturating_duration_since(Instant::now()).as_secs());
    match away {
        Some(seconds) if seconds > 0 && random.one_in(4) => seconds,
        _ => TTLS[random.index(TTLS.len())],
    }
}

/// Returns a receipt subscription that exists, or `None` for a new one.
fn receipt_inbox(shared: &Shared, random: &mut Random) -> Option<String> {
    let inboxes = shared.receipt_inboxes.borrow();
    let wants_new = inboxes.len() < RECEIPT_INBOXES && random.one_in(4);
    inboxes.get(random.index(inboxes.len())).filter(|_| !wants_new).cloned()
}

fn request(
    shared: &Shared,
    target: &Target,
    (ttl, topic, urgency): (u64, Option<u64>, Urgency),
    (receipt, inbox): (bool, Option<String>),
    body: Bytes,
) -> Option<Request<Bytes>> {
    let mut request = bare(Method::POST, &target.push);
    let headers = request.headers_mut();
    headers.insert(HeaderName::from_static("ttl"), ttl.into());
    headers.insert(HeaderName::from_static("urgency"), HeaderValue::from_static(urgency.as_str()));
    if let Some(topic) = topic {
        let value = HeaderValue::try_from(format!("topic{topic}")).ok()?;
        headers.insert(HeaderName::from_static("topic"), value);
    }
    if receipt {
        headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static("respond-async"));
    }
    if let Some(inbox) = inbox {
        let link = format!("<{ORIGIN}{inbox}>; rel=\"urn:ietf:params:push:receipt\"");
        headers.insert(LINK, HeaderValue::try_from(link).ok()?);
    }
    if target.is_restricted {
        authorize(shared, headers)?;
    }
    *request.body_mut() = body;
    Some(request)
}

fn authorize(shared: &Shared, headers: &mut HeaderMap) -> Option<()> {
    let authorization = shared.vapid.authorization(ORIGIN, None, shared.history.now()).ok()?;
    headers.insert(AUTHORIZATION, HeaderValue::try_from(authorization).ok()?);
    Some(())
}

/// Remembers the URLs in the response to a message.
fn remember(shared: &Rc<Shared>, random: &mut Random, m: u32, response: &Response) {
    if let Some(url) = response.location() {
        shared.message_urls.borrow_mut().insert(url.clone(), m);
        monitor::record_early(shared, &url);
    }
    let Some(inbox) = response.link("urn:ietf:params:push:receipt") else { return };
    if !shared.receipt_inboxes.borrow().contains(&inbox) {
        shared.receipt_inboxes.borrow_mut().push(inbox.clone());
        monitor::start(shared, inbox, random.number());
    }
}
