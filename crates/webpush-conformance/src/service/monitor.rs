//! Monitoring (RFC 8030 §6).

use crate::check::checks;
use crate::delivered_message::DeliveredMessage;
use crate::exchange::field;
use crate::feature::Feature;
use crate::probe::{HttpChoice, PATIENCE, PUSH, Probe, targets};
use crate::stop::Stop;
use webpush_client::url::CapabilityUrl;

checks! {
    "messages are pushed while the user agent monitors" UserAgent
        ["R8030-6-a" "R8030-6-b" "R8030-6-c" "R8030-6-d" "H2-c" "H2-d"] [Subscribing] live;
    "stored messages are delivered in order" UserAgent
        ["R8030-6-e" "R8030-6-f" "R8030-6-g" "R8030-7.2-a"] [Subscribing Receiving] stored;
    "preferences are a list" UserAgent ["R8030-6-h" "R7240-a"] [Subscribing ServerPush] preferences;
}

const TTL: (&str, &str) = ("ttl", "60");

async fn live(probe: &mut Probe) -> Result<(), Stop> {
    if probe.shared().http == HttpChoice::Http1 {
        return Err(Stop::skip("the run is limited to HTTP/1.1"));
    }
    if !probe.offers(Feature::ServerPush) {
        let expected = "HTTP/2 with server push for GET of a subscription";
        let found = probe.shared().no_push();
        if found.is_empty() {
            return Err(Stop::skip("no subscription could be monitored"));
        }
        probe.verify("R8030-6-a", false, expected, found, "");
        return Err(Stop::skip(Feature::ServerPush.reason()));
    }
    let endpoint = probe.subscribe().await?;
    let subscription = endpoint.subscription()?.clone();
    let mut monitor = probe.monitor(&subscription, &[]).await?;
    for text in ["one", "two"] {
        let headers = [TTL, ("content-type", "text/plain"), ("content-encoding", "aes128gcm")];
        let sent = probe.accepted(&endpoint, &headers, text).await?;
        let pushed = monitor.next_within(PATIENCE).await?;
        let found = if monitor.has_ended() { "the request ended" } else { "no push for 5 s" };
        let expected = "a push on the open monitoring request";
        probe.verify("R8030-6-a", pushed.is_some(), expected, found, &sent.transcript);
        let Some(pushed) = pushed else { return Err(Stop::skip("no message was pushed")) };
        promise(probe, &pushed, &subscription, sent.location().as_ref());
        response(probe, &pushed, text, &endpoint.push);
    }
    Ok(())
}

/// Verifies a promised request.
fn promise(
    probe: &mut Probe,
    pushed: &DeliveredMessage,
    subscription: &CapabilityUrl,
    message: Option<&CapabilityUrl>,
) {
    let shown = &pushed.transcript;
    if let Some(message) = message {
        let is_same = pushed.url == message.expose();
        let expected = format!("a promise of GET {}", message.expose());
        probe.verify("R8030-6-b", is_same, &expected, format!("{} {}", pushed.method, pushed.url), shown);
    }
    let url = CapabilityUrl::parse(&pushed.url);
    let is_whole =
        pushed.method == "GET" && url.is_ok() && !pushed.request_headers.contains_key("content-length");
    let found = format!("{} {}", pushed.method, pushed.url);
    probe.verify("H2-c", is_whole, "GET with scheme, authority and path", found.clone(), shown);
    let is_here = url.is_ok_and(|url| url.origin() == subscription.origin());
    probe.verify("H2-d", is_here, &format!("an origin of {}", subscription.origin()), found, shown);
}

/// Verifies a pushed response.
fn response(probe: &mut Probe, pushed: &DeliveredMessage, text: &str, push: &CapabilityUrl) {
    let shown = &pushed.transcript;
    let is_exact = pushed.status == 200 && pushed.body == text.as_bytes();
    let found = format!("{} with {} bytes", pushed.status, pushed.body.len());
    probe.verify("R8030-6-b", is_exact, "200 with the body that was sent", found, shown);
    let is_linked = targets(&pushed.headers, push, PUSH).contains(push);
    probe.verify("R8030-6-c", is_linked, "a Link to the push resource", "no such link", shown);
    let has =
        |name: &str, value: &str| field(&pushed.headers, name).is_some_and(|found| found.contains(value));
    let lacks: Vec<&str> = [
        ("date", ""),
        ("cache-control", "private"),
        ("content-type", "text/plain"),
        ("content-length", &text.len().to_string()),
    ]
    .iter()
    .filter(|(name, value)| !has(name, value))
    .map(|(name, _)| *name)
    .collect();
    let found = format!("without {}", lacks.join(", "));
    probe.verify("R8030-6-d", lacks.is_empty(), "the fields of the example in §6", found, shown);
}

async fn stored(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let subscription = endpoint.subscription()?.clone();
    let empty = probe.drain(&subscription, &[]).await?;
    let is_empty = empty.status == 204 && empty.messages.is_empty();
    let found = format!("{} and {} messages", empty.status, empty.messages.len());
    probe.verify("R8030-6-g", is_empty, "204 without a message", found, &empty.transcript);
    let texts = ["1", "2", "3", "4", "5"];
    for text in texts {
        probe.accepted(&endpoint, &[TTL], text).await?;
    }
    let delivery = probe.drain(&subscription, &[]).await;
    if let Err(Stop::Error(error)) = &delivery {
        probe.verify("R8030-6-f", false, "the end of the request after the last message", error, "");
    }
    let delivery = delivery?;
    let found = format!("{:?}", delivery.texts());
    let shown = delivery.transcript.clone();
    probe.verify("R8030-6-e", delivery.texts() == texts, "the five messages in order", found.clone(), &shown);
    probe.verify("R8030-6-f", delivery.messages.len() == texts.len(), "all five messages", found, &shown);
    if probe.pushes() {
        let found = delivery.status.to_string();
        probe.verify("R8030-6-g", delivery.status == 200, "200 after pushes", found, &shown);
        let is_date = |value: &str| value.ends_with(" GMT");
        let dated = delivery
            .messages
            .iter()
            .all(|message| field(&message.headers, "last-modified").is_some_and(is_date));
        probe.verify("R8030-7.2-a", dated, "Last-Modified with a date", "none", &shown);
    } else {
        probe.skip("R8030-7.2-a", Feature::ServerPush.reason());
    }
    held(probe, &texts).await
}

/// Verifies that a request that stays open begins with the stored messages.
async fn held(probe: &mut Probe, texts: &[&'static str]) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    for text in texts {
        probe.accepted(&endpoint, &[TTL], *text).await?;
    }
    let mut monitor = probe.monitor(endpoint.subscription()?, &[]).await?;
    let mut found = Vec::new();
    while found.len() < texts.len()
        && let Some(message) = monitor.next_within(PATIENCE).await?
    {
        found.push(String::from_utf8_lossy(&message.body).into_owned());
    }
    let expected = "the five messages in order on an open request";
    probe.verify("R8030-6-e", found == texts, expected, format!("{found:?}"), &monitor.end().1);
    Ok(())
}

async fn preferences(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let subscription = endpoint.subscription()?.clone();
    let headers = [("prefer", "foo; x=\"a, b\", Wait=0; y")];
    let ended = {
        let monitor = probe.monitor(&subscription, &headers).await?;
        crate::probe::finish(monitor).await
    };
    let (is_applied, shown, found) = match &ended {
        Ok(delivery) => {
            (matches!(delivery.status, 200..=299), delivery.transcript.clone(), delivery.status.to_string())
        }
        Err(stop) => (false, String::new(), stop.to_string()),
    };
    probe.verify(
        "R8030-6-h",
        is_applied,
        "the end of the request for wait=0 among other preferences",
        found,
        &shown,
    );
    if !shown.to_ascii_lowercase().contains("preference-applied: wait=0") {
        return Err(Stop::skip("the service does not name the preferences that it applies, an option"));
    }
    probe.verify("R7240-a", true, "Preference-Applied", "", "");
    Ok(())
}
