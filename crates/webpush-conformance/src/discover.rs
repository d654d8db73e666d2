//! Finds out by asking what a service offers.

use crate::autopush_agent::{AutopushAgent, AutopushClient};
use crate::check::Part;
use crate::feature::Feature;
use crate::options::{ConformError, Profile, ServiceOptions};
use crate::probe::{EndpointSource, HttpChoice, LiveMonitor, PUSH, Probe, RECEIPT, SharedProbe, finish};
use crate::stop::Stop;
use bytes::Bytes;
use http::{Method, Request};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use webpush_client::connection::{Connector, Protocols};
use webpush_client::url::CapabilityUrl;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The knowledge before the first check.
pub(crate) struct Discovery {
    /// The state that the checks share.
    pub(crate) shared: Rc<SharedProbe>,
    /// The parts to check.
    pub(crate) parts: BTreeSet<Part>,
    /// Facts for the report.
    pub(crate) facts: Vec<(String, String)>,
}

/// Asks a service.
///
/// # Errors
/// [`ConformError`] if it cannot be reached, or offers nothing that can be checked.
pub(crate) async fn discover(options: ServiceOptions) -> Result<Discovery, ConformError> {
    let ServiceOptions { url, connector, http, profile, subscribe_token, subscription, sender, now, .. } =
        options;
    let versions = versions(&connector, &url).await?;
    let authorization = subscribe_token.as_ref().map(|token| format!("Bearer {token}"));
    if let Some(given) = subscription {
        let secret = given.endpoint.path().to_owned();
        let source = EndpointSource::Subscription(Box::new(given));
        let mut shared = SharedProbe::new(connector, http, source, url, now);
        shared.hide(&secret);
        shared.sender = sender.map(Rc::new);
        let parts = BTreeSet::from([Part::Sender]);
        let facts = facts(&versions, &shared, Profile::Vendor);
        return Ok(Discovery { shared: Rc::new(shared), parts, facts });
    }
    if profile == Some(Profile::Vendor) {
        return Err(ConformError::NoSubscription);
    }
    let subscribe = subscribe_url(&connector, http, &url, authorization.as_deref(), now).await?;
    let client = AutopushClient::new(connector.clone(), url.clone());
    let socket = tokio::time::timeout(PATIENCE, AutopushAgent::hello(&client, None)).await;
    let autopush = matches!(socket, Ok(Ok(_))).then_some(client);
    let chosen = profile.unwrap_or(match (&subscribe, &autopush) {
        (None, Some(_)) => Profile::Autopush,
        _ => Profile::PushService,
    });
    let source = match (chosen, subscribe, &autopush) {
        (Profile::Autopush, _, Some(socket)) => EndpointSource::Autopush(socket.clone()),
        (Profile::Autopush, ..) | (_, None, None) => return Err(ConformError::NoService),
        (_, Some(subscribe), _) => EndpointSource::Subscribe(subscribe),
        // The profile promises subscriptions, which the checks will miss.
        (Profile::PushService, None, Some(_)) => EndpointSource::Subscribe(url.clone()),
        (_, None, Some(socket)) => EndpointSource::Autopush(socket.clone()),
    };
    let mut shared = SharedProbe::new(connector, http, source, url.clone(), now);
    shared.hide(url.path());
    subscribe_token.iter().for_each(|token| shared.hide(token));
    shared.subscribe_authorization = authorization;
    shared.autopush = autopush;
    let shared = Rc::new(shared);
    let legacy = features(&shared).await;
    let mut parts = BTreeSet::from([Part::Sender]);
    match chosen {
        Profile::PushService => {
            parts.extend([Part::UserAgent, Part::Receipts, Part::EventStream]);
            if profile.is_none() {
                parts.insert(Part::UnifiedPush);
                parts.extend(shared.autopush.iter().map(|_| Part::Autopush));
                parts.extend(legacy.then_some(Part::Legacy));
            }
        }
        Profile::Autopush => parts.extend([Part::Autopush]),
        Profile::UnifiedPush => parts.extend([Part::UnifiedPush]),
        Profile::Vendor => {}
    }
    let facts = facts(&versions, &shared, chosen);
    Ok(Discovery { shared, parts, facts })
}

/// Returns the versions of HTTP that work.
async fn versions(connector: &Connector, url: &CapabilityUrl) -> Result<Vec<&'static str>, ConformError> {
    let mut found = Vec::new();
    let mut failure = None;
    for (name, protocols) in [("1.1", Protocols::Http1), ("2", Protocols::Http2WithoutPush)] {
        let asked = tokio::time::timeout(PATIENCE, async {
            let mut connection = connector.connect(url, protocols).await?;
            let mut request = Request::new(Bytes::new());
            *request.uri_mut() = url.uri().clone();
            connection.exchange(request).await
        });
        match asked.await {
            Ok(Ok(_)) => found.push(name),
            Ok(Err(error)) => {
                failure.get_or_insert(error);
            }
            Err(_) => {}
        }
    }
    match failure {
        Some(error) if found.is_empty() => Err(ConformError::Unreachable(error)),
        _ => Ok(found),
    }
}

/// Returns the URL at which POST subscribes: the given one, or `subscribe` below it.
async fn subscribe_url(
    connector: &Connector,
    http: HttpChoice,
    url: &CapabilityUrl,
    authorization: Option<&str>,
    now: fn() -> webpush_core::time::Timestamp,
) -> Result<Option<CapabilityUrl>, ConformError> {
    let below = url.below("subscribe").ok();
    for candidate in [Some(url.clone()), below].into_iter().flatten() {
        let source = EndpointSource::Subscribe(candidate.clone());
        let mut shared = SharedProbe::new(connector.clone(), http, source, url.clone(), now);
        shared.subscribe_authorization = authorization.map(str::to_owned);
        let mut probe = Probe::new(Rc::new(shared));
        let made = tokio::time::timeout(PATIENCE, probe.subscribe_with(&[], "")).await;
        probe.clean().await;
        let Ok(Ok(made)) = made else { continue };
        if made.is_success() && (made.location().is_some() || !made.links(PUSH).is_empty()) {
            return Ok(Some(candidate));
        }
        let challenge = made.field("www-authenticate").unwrap_or_default();
        if made.status == 401 && challenge.to_ascii_lowercase().starts_with("bearer") {
            return Err(ConformError::TokenRequired);
        }
    }
    Ok(None)
}

/// Asks for the features; returns true if the legacy (2015) API is one.
async fn features(shared: &Rc<SharedProbe>) -> bool {
    let mut known = BTreeSet::new();
    known.extend(shared.service.is_https().then_some(Feature::Tls));
    let is_socket = matches!(shared.source, EndpointSource::Autopush(_));
    known.extend(is_socket.then_some(Feature::Receiving));
    let mut probe = Probe::new(Rc::clone(shared));
    let (found, no_push) = answers(&mut probe).await;
    let legacy = is_legacy(&mut probe).await;
    probe.clean().await;
    known.extend(found);
    shared.set_features(known);
    shared.set_no_push(no_push);
    legacy
}

/// Returns the offered features, and why there is no server push; empty if that could not be asked.
async fn answers(probe: &mut Probe) -> (BTreeSet<Feature>, String) {
    let mut found = BTreeSet::new();
    let mut no_push = String::new();
    if matches!(probe.shared().source, EndpointSource::Subscribe(_)) {
        found.insert(Feature::Subscribing);
    }
    let Ok(endpoint) = probe.endpoint().await else { return (found, no_push) };
    found.extend(endpoint.set.as_ref().map(|_| Feature::Sets));
    if let Ok(sent) = probe.push(&endpoint, &[("ttl", "60")], "question").await {
        found.extend(sent.location().filter(|_| sent.is_success()).map(|_| Feature::MessageUrls));
    }
    if let Some(subscription) = &endpoint.subscription {
        let wish = [("ttl", "60"), ("prefer", "respond-async")];
        if let Ok(sent) = probe.push(&endpoint, &wish, "question").await {
            let receipts = sent.links(RECEIPT);
            receipts.iter().for_each(|receipts| probe.own(receipts));
            found.extend(receipts.first().filter(|_| sent.status == 202).map(|_| Feature::Receipts));
        }
        match server_push(probe, subscription).await {
            Ok(()) => found.extend([Feature::ServerPush, Feature::Receiving]),
            Err(stop) => no_push = stop.to_string(),
        }
        if events(probe, subscription).await.is_ok() {
            found.extend([Feature::EventStream, Feature::Receiving]);
        }
    }
    (found, no_push)
}

async fn server_push(probe: &Probe, subscription: &CapabilityUrl) -> Result<(), Stop> {
    if probe.shared().http == HttpChoice::Http1 {
        return Err(Stop::skip("the run is limited to HTTP/1.1"));
    }
    let connector = probe.shared().connector.clone();
    let monitor = LiveMonitor::push(probe, subscription, &[("prefer", "wait=0")], connector).await?;
    let delivery = finish(monitor).await?;
    if matches!(delivery.status, 200..=299) && !delivery.messages.is_empty() {
        return Ok(());
    }
    Err(Stop::skip(format!("{} and {} pushed messages", delivery.status, delivery.messages.len())))
}

async fn events(probe: &Probe, subscription: &CapabilityUrl) -> Result<(), Stop> {
    let monitor = LiveMonitor::events(probe, subscription, &[("prefer", "wait=0")], None).await?;
    let delivery = finish(monitor).await?;
    if delivery.status == 200 { Ok(()) } else { Err(Stop::skip("no events")) }
}

async fn is_legacy(probe: &mut Probe) -> bool {
    let Ok(url) = probe.shared().service.below("devices") else { return false };
    let authorization = probe.shared().subscribe_authorization.clone();
    let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    let Ok(made) = probe.send(Method::POST, &url, &headers, "").await else { return false };
    let Some(registration) = made.location().filter(|_| made.status == 201) else { return false };
    probe.own(&registration);
    !made.links("urn:ietf:params:push:sub").is_empty()
}

fn facts(versions: &[&str], shared: &SharedProbe, profile: Profile) -> Vec<(String, String)> {
    let offered: Vec<&str> = [
        (Feature::Subscribing, "RFC 8030 subscriptions"),
        (Feature::ServerPush, "server push"),
        (Feature::EventStream, "server-sent events"),
        (Feature::Sets, "sets"),
        (Feature::Receipts, "receipts"),
    ]
    .iter()
    .filter(|(feature, _)| shared.offers(*feature))
    .map(|(_, name)| *name)
    .chain(shared.autopush.iter().map(|_| "WebSocket for Firefox"))
    .collect();
    let fact = |name: &str, value: String| (name.to_owned(), value);
    vec![
        fact("profile", profile.to_string()),
        fact("HTTP versions", versions.join(", ")),
        fact("offers", if offered.is_empty() { "-".to_owned() } else { offered.join(", ") }),
    ]
}
