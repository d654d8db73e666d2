//! The main path of the legacy (2015) API.

use crate::check::checks;
use crate::exchange::Exchange;
use crate::probe::{PATIENCE, PUSH, Probe};
use crate::stop::Stop;
use http::Method;
use webpush_client::url::CapabilityUrl;

checks! {
    "registering, subscribing and sending" Legacy
        ["D1-reg-a" "D1-sub-a" "D1-send-a" "D1-last-a" "D1-delete-a"] [] exchange;
    "the messages of a registration are pushed" Legacy ["D1-monitor-a"] [ServerPush] monitored;
}

/// The relation of the resource that makes subscriptions.
const SUB: &str = "urn:ietf:params:push:sub";

struct LegacyChannel {
    registration: CapabilityUrl,
    /// The URL for the user agent.
    own: CapabilityUrl,
    /// The URL for senders.
    update: CapabilityUrl,
}

async fn register(probe: &mut Probe) -> Result<Exchange, Stop> {
    let url = probe.shared().service.below("devices").map_err(|error| Stop::skip(error.to_string()))?;
    let authorization = probe.shared().subscribe_authorization.clone();
    let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    let made = probe.send(Method::POST, &url, &headers, "").await?;
    made.location().iter().filter(|_| made.is_success()).for_each(|url| probe.own(url));
    Ok(made)
}

async fn subscribe(probe: &mut Probe) -> Result<LegacyChannel, Stop> {
    let made = register(probe).await?;
    let sub = made.links(SUB).into_iter().next();
    let is_complete = made.status == 201 && made.location().is_some() && sub.is_some();
    let found = made.status.to_string();
    probe.verify("D1-reg-a", is_complete, "201 with Location and a sub link", found, &made.transcript);
    let (Some(registration), Some(sub)) = (made.location(), sub) else {
        return Err(Stop::skip("there is no registration"));
    };
    let made = probe.send(Method::POST, &sub, &[], "").await?;
    let update = made.location();
    let found = made.status.to_string();
    let is_complete = made.status == 201 && update.is_some();
    probe.verify("D1-sub-a", is_complete, "201 with Location", found, &made.transcript);
    let Some(update) = update else { return Err(Stop::skip("there is no subscription")) };
    // A service of the drafts has one URL for both sides.
    let own = made.links(PUSH).into_iter().next().unwrap_or_else(|| update.clone());
    Ok(LegacyChannel { registration, own, update })
}

async fn exchange(probe: &mut Probe) -> Result<(), Stop> {
    let channel = subscribe(probe).await?;
    let empty = probe.send(Method::GET, &channel.own, &[], "").await?;
    probe.verify_status("D1-last-a", &empty, &[204]);
    let sent = probe.send(Method::PUT, &channel.update, &[], "the last").await?;
    let is_kept =
        sent.status == 200 && sent.field("cache-control").is_some_and(|all| all.contains("max-age"));
    let found = sent.status.to_string();
    probe.verify("D1-send-a", is_kept, "200 with Cache-Control: max-age", found, &sent.transcript);
    let last = probe.send(Method::GET, &channel.own, &[], "").await?;
    let is_last = last.status == 200 && last.body == "the last";
    let found = last.status.to_string();
    probe.verify("D1-last-a", is_last, "200 with the last message", found, &last.transcript);
    let deleted = probe.send(Method::DELETE, &channel.own, &[], "").await?;
    let late = probe.send(Method::PUT, &channel.update, &[], "too late").await?;
    let is_gone = deleted.is_success() && matches!(late.status, 400..=499);
    let found = format!("{} after DELETE returned {}", late.status, deleted.status);
    probe.verify("D1-delete-a", is_gone, "4xx for senders", found, &late.transcript);
    Ok(())
}

async fn monitored(probe: &mut Probe) -> Result<(), Stop> {
    let channel = subscribe(probe).await?;
    let mut monitor = probe.monitor(&channel.registration, &[]).await?;
    let sent = probe.send(Method::PUT, &channel.update, &[], "pushed").await?;
    let pushed = monitor.next_within(PATIENCE).await?;
    let is_pushed = pushed.is_some_and(|message| message.body == b"pushed");
    probe.verify("D1-monitor-a", is_pushed, "a push of the message", "none for 5 s", &sent.transcript);
    Ok(())
}
