//! A push: its fault, the vendor's strictness, the service itself, and the record.

mod endpoint;

pub(crate) use endpoint::{Endpoint, PushUrl};

use crate::access;
use crate::fault::{FaultOutcome, InjectedFault, Selector};
use crate::held::HeldPush;
use crate::namespace::{Namespace, NamespaceScope};
use crate::record::{PushContent, PushRecord, PushTarget, SentRequest, State};
use crate::service_name::ServiceName;
use crate::state::Dev;
use crate::subscription::KnownSubscription;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use webpush_core::capability::Capability;
use webpush_core::id::{EntryRef, MessageId};
use webpush_core::problem::{Claim, Problem};
use webpush_core::publish::{AcceptContext, PublishRequest, accept};
use webpush_core::time::Timestamp;
use webpush_http::answer::{Answer, empty};
use webpush_http::body::Body;
use webpush_http::resources::outcome::RouteOutcome;
use webpush_http::resources::route;
use webpush_http::server::HttpServer;
use webpush_http::transport::proxies::DirectPeer;
use webpush_service::vapid_cache::TokenAudience;

/// Maximum size of a body that is read. The service and the vendors refuse far smaller ones.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The server and the client of a request.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) server: &'a HttpServer,
    pub(crate) direct_peer: &'a DirectPeer,
    pub(crate) head: &'a Parts,
}

/// A push with the subscription that it is for.
struct Push {
    endpoint: Endpoint,
    head: Parts,
    body: Bytes,
    target: Option<PushTarget>,
    subscription: Option<Arc<KnownSubscription>>,
    request: SentRequest,
    sent: Timestamp,
}

/// The response to a push, the messages that it became, and where they are.
struct PushResult {
    answer: Answer,
    messages: Vec<MessageId>,
    state: State,
}

/// Handles a push, and records it.
pub(crate) async fn serve(dev: &Dev, request: Request<'_>, endpoint: Endpoint, mut body: Body) -> Answer {
    let Request { server, head, .. } = request;
    let sent = dev.service.now();
    let (body, too_large) = match body.read(&head.headers, MAX_BODY_BYTES).await {
        Ok(body) => (body, None),
        Err(problem) => (Bytes::new(), Some(server.error_style.answer(&problem.into()))),
    };
    let mut own_head = head.clone();
    own_head.uri = endpoint.own_path.clone();
    if endpoint.service.vendor().is_some() {
        // Vendors know no receipts.
        own_head.headers.remove("prefer");
    }
    let target = match dev.service.keyring.open(&endpoint.push_path()) {
        Some(Capability::Push(inbox, id)) => Some((inbox, id)),
        _ => None,
    };
    let subscription = target.and_then(|target| dev.subscriptions.of_target(&target));
    let push = Push {
        request: SentRequest::new(&head.headers),
        sent,
        endpoint,
        head: own_head,
        body,
        target,
        subscription,
    };
    if push.target.is_none() && access::check(head, &dev.names).is_err() {
        // A web page of another origin that guesses: it must not use up faults, or fill the records.
        return publish(Request { head: &push.head, ..request }, push.body).await;
    }
    let fault = push.take_fault(dev);
    if let Some(delay) = fault.as_ref().and_then(|fault| fault.delay) {
        sleep(delay).await;
    }
    let result = match too_large {
        Some(answer) => PushResult::refused(push.endpoint.service.translate(&push.head, answer)),
        None => push.perform(dev, request, fault.as_ref()).await,
    };
    let PushResult { answer, messages, state } = result;
    if push.was_reset(dev) {
        return answer;
    }
    let is_held = state == State::Accepted && messages.is_empty() && answer.status().is_success();
    let number = dev.records.add(push.record(&answer, state, fault), &messages);
    match push.target {
        Some(target) if is_held => {
            let expires = push.sent.after(Duration::from_secs(push.request.ttl().unwrap_or_default()));
            let held = HeldPush { number, head: push.head, body: push.body, expires };
            // Two at once: the second is delivered, and then the first.
            if let Some(second) = dev.held.add(target, held) {
                deliver(dev, request, second).await;
                release(dev, request, &target).await;
            }
        }
        Some(target) if !messages.is_empty() => release(dev, request, &target).await,
        _ => {}
    }
    answer
}

/// Publishes what was held back until a later message of the subscription was delivered.
async fn release(dev: &Dev, request: Request<'_>, target: &PushTarget) {
    if let Some(held) = dev.held.take(target) {
        deliver(dev, request, held).await;
    }
}

/// Publishes a push that was held back, with the rest of its TTL.
async fn deliver(dev: &Dev, request: Request<'_>, held: HeldPush) {
    let HeldPush { number, mut head, body, expires } = held;
    let left = dev.service.now().until(expires);
    if left.is_zero() {
        return dev.records.expire(number);
    }
    // Rounded up, so that it does not become 0.
    head.headers.insert("ttl", left.as_secs().max(1).into());
    let answer = publish(Request { head: &head, ..request }, body).await;
    let refusal = (!answer.status().is_success()).then(|| problem(&answer));
    let messages: Vec<_> = message_id(dev, &answer).into_iter().collect();
    dev.records.finish(number, refusal, &messages);
}

impl Push {
    /// Returns true if a reset has removed the subscription meanwhile.
    fn was_reset(&self, dev: &Dev) -> bool {
        let is_known =
            |one: &Arc<KnownSubscription>| dev.subscriptions.get(&NamespaceScope::All, &one.id).is_some();
        self.subscription.as_ref().is_some_and(|one| !is_known(one))
    }

    fn take_fault(&self, dev: &Dev) -> Option<InjectedFault> {
        let namespace = self.namespace();
        dev.faults.take(&Selector {
            namespace: &namespace,
            subscription: self.subscription.as_ref().map(|one| &*one.id),
            key: self.request.vapid.as_ref().map(|vapid| &*vapid.key),
            service: self.endpoint.service,
            topic: self.request.topic.as_deref(),
        })
    }

    fn namespace(&self) -> Namespace {
        let known = self.subscription.as_ref().map(|one| one.namespace.clone());
        known.unwrap_or_else(Namespace::default_namespace)
    }

    async fn perform(&self, dev: &Dev, request: Request<'_>, fault: Option<&InjectedFault>) -> PushResult {
        let service = self.endpoint.service;
        if let Some(status) = fault.and_then(|fault| StatusCode::from_u16(fault.status?).ok()) {
            return PushResult::refused(service.fault(status, fault.and_then(|fault| fault.retry_after)));
        }
        if let Some(vendor) = service.vendor()
            && let Some(answer) = vendor.refuse(&self.head, &self.body, dev.service.now())
        {
            return PushResult::refused(answer);
        }
        if service.vendor().is_none()
            && let Some(problem) = self.foreign_audience()
        {
            return PushResult::refused(request.server.error_style.answer(&problem.into()));
        }
        let is_held = self.target.is_some_and(|target| dev.held.contains(&target));
        // The next push after a held one is delivered at once, and so is one that cannot wait.
        let can_wait = !is_held && !self.request.is_offered();
        let outcome = fault
            .and_then(|fault| fault.outcome)
            .filter(|outcome| *outcome != FaultOutcome::Reorder || can_wait);
        if let Some(FaultOutcome::Lost | FaultOutcome::Reorder) = outcome
            && let Some(answer) = self.acceptance(dev).await
        {
            let state = if outcome == Some(FaultOutcome::Lost) { State::Lost } else { State::Accepted };
            let answer = service.translate(&self.head, answer);
            return PushResult { answer, messages: Vec::new(), state };
        }
        let own = Request { head: &self.head, ..request };
        let answer = publish(own, self.body.clone()).await;
        let mut messages: Vec<_> = message_id(dev, &answer).into_iter().collect();
        if outcome == Some(FaultOutcome::Duplicate) && answer.status().is_success() {
            messages.extend(message_id(dev, &publish(own, self.body.clone()).await));
        }
        let state = if answer.status().is_success() { State::Accepted } else { State::Refused };
        PushResult { answer: service.translate(&self.head, answer), messages, state }
    }

    /// Returns the problem of a token that was issued for a vendor, but was sent to this server's own URL.
    fn foreign_audience(&self) -> Option<Problem> {
        let aud = self.request.vapid.as_ref()?.aud.as_ref()?.as_str()?;
        let is_foreign = !self.endpoint.is_google_alias && ServiceName::of_audience(aud).is_some();
        is_foreign.then(|| Problem::VapidInvalid {
            claim: Claim::Audience,
            expected: "the origin of the push URL".into(),
            found: format!("\"{aud}\"").into(),
        })
    }

    /// Returns the response of a message that would be accepted; `None` if it would not be.
    async fn acceptance(&self, dev: &Dev) -> Option<Answer> {
        let (service, (inbox, id)) = (&dev.service, self.target?);
        let subscription = service.subscription(inbox, id).await.ok()??;
        let request = PublishRequest::parse(&self.head.headers, self.body.clone()).ok()?;
        let (now, limits) = (service.now(), service.limits.load());
        let sender =
            service.vapid.verify(&self.head.headers, TokenAudience::Own, now, limits.vapid_leeway).ok()?;
        let message = MessageId::from_bytes(service.random().ok()?);
        let context = AcceptContext {
            id: message,
            key: service.keyring.current(),
            receipt: None,
            sender,
            max_ttl: limits.max_ttl,
            aesgcm_in_body: None,
            now,
        };
        let accepted = accept(request, &subscription, context).ok()?;
        let url = Capability::Message(EntryRef::unstored(inbox, message));
        let location = [&*service.origin, &service.path(url, service.keyring.current()).ok()?].concat();
        let mut answer = empty(StatusCode::CREATED);
        answer.headers_mut().insert(LOCATION, HeaderValue::try_from(location).ok()?);
        answer.headers_mut().insert(HeaderName::from_static("ttl"), accepted.ttl.as_secs().into());
        Some(answer)
    }

    fn record(&self, answer: &Answer, state: State, fault: Option<InjectedFault>) -> PushRecord {
        let plaintext = match &self.subscription {
            Some(subscription) => subscription.decrypt(&self.head.headers, &self.body),
            None => Err("no namespace has this subscription".to_owned()),
        };
        PushRecord {
            id: String::new(),
            number: 0,
            namespace: self.namespace(),
            subscription: self.subscription.as_ref().map(|one| one.id.clone()),
            service: self.endpoint.service,
            endpoint: self.endpoint.url.clone(),
            sent: self.sent,
            status: answer.status().as_u16(),
            problem: (!answer.status().is_success()).then(|| problem(answer)),
            state,
            delivered: None,
            acknowledged: None,
            request: self.request.clone(),
            content: PushContent::new(self.body.clone(), plaintext),
            fault: fault.map(|fault| fault.id),
            deliveries: 0,
            target: self.target,
            messages: Vec::new(),
        }
    }
}

impl PushResult {
    const fn refused(answer: Answer) -> Self {
        Self { answer, messages: Vec::new(), state: State::Refused }
    }
}

impl ServiceName {
    /// Returns the service that a VAPID audience belongs to, if it is a vendor's.
    fn of_audience(audience: &str) -> Option<Self> {
        let host = audience.strip_prefix("https://")?.split([':', '/']).next()?;
        crate::vendor::Vendor::from_host(host).map(Self::Vendor)
    }

    /// Turns a response of this server into one of the service.
    fn translate(self, head: &Parts, answer: Answer) -> Answer {
        match self.vendor() {
            Some(vendor) => vendor.translate(head, answer),
            None => answer,
        }
    }

    /// Returns an injected failure in the form of the service.
    pub(crate) fn fault(self, status: StatusCode, retry_after: Option<u64>) -> Answer {
        if let Some(vendor) = self.vendor() {
            return vendor.fault(status, retry_after);
        }
        let body = json!({
            "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(),
            "detail": "A fault that a test has injected",
        });
        let mut answer = Response::new(Bytes::from(body.to_string()));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        answer
    }
}

/// Passes a push on to the service.
async fn publish(request: Request<'_>, body: Bytes) -> Answer {
    let Request { server, direct_peer, head } = request;
    match route::handle(server, direct_peer, head, Body::whole(body)).await {
        RouteOutcome::Answer(answer) => answer,
        // No push has another outcome.
        _ => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Returns the message whose URL a response has.
fn message_id(dev: &Dev, answer: &Answer) -> Option<MessageId> {
    let url = answer.headers().get(LOCATION)?.to_str().ok()?;
    match dev.service.keyring.open(url.strip_prefix(&*dev.service.origin)?)? {
        Capability::Message(entry) => Some(entry.message),
        _ => None,
    }
}

/// Returns the reason that a response gives for a refusal.
fn problem(answer: &Answer) -> String {
    let json: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let member = ["detail", "message", "reason"].into_iter().find_map(|name| json[name].as_str());
    let headers: &HeaderMap = answer.headers();
    let described = headers.get("x-wns-error-description").and_then(|value| value.to_str().ok());
    match member.or(described) {
        Some(reason) => reason.to_owned(),
        None => String::from_utf8_lossy(answer.body()).into_owned(),
    }
}
