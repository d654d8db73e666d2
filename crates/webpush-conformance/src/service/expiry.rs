//! The end of a TTL (RFC 8030 §5.2, §7.2).

use crate::check::checks;
use crate::delivered_message::texts;
use crate::probe::{PATIENCE, Probe};
use crate::stop::Stop;
use http::Method;
use std::time::Duration;

checks! {
    "an expired message is not delivered" Sender ["R8030-5.2-d"] [Receiving] not_delivered;
    "a subscription with expired messages looks empty" UserAgent ["R8030-7.2-b"] [Subscribing Receiving] looks_empty;
    "a message with TTL 0 is delivered now or never" UserAgent ["R8030-5.2-e"] [Subscribing Receiving] now_or_never;
}

/// A TTL of one second has certainly run out after this time.
const AFTER_A_SECOND: Duration = Duration::from_millis(2_200);

async fn not_delivered(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let short = probe.accepted(&endpoint, &[("ttl", "1")], "short").await?;
    probe.accepted(&endpoint, &[("ttl", "60")], "long").await?;
    tokio::time::sleep(AFTER_A_SECOND).await;
    let received = texts(&probe.received(&endpoint).await?);
    if !received.iter().any(|text| text == "long") {
        return Err(Stop::skip("the message with a longer TTL did not arrive"));
    }
    let is_gone = !received.iter().any(|text| text == "short");
    let expected = "no message with a TTL of 1 s after 2 s";
    probe.verify("R8030-5.2-d", is_gone, expected, "it was delivered", &short.transcript);
    if let Some(url) = short.location() {
        let read = probe.send(Method::GET, &url, &[], "").await?;
        let found = format!("{} for GET of its URL", read.status);
        probe.verify("R8030-5.2-d", !read.is_success(), "404 for its URL", found, &read.transcript);
    }
    Ok(())
}

async fn looks_empty(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    probe.accepted(&endpoint, &[("ttl", "1")], "short").await?;
    tokio::time::sleep(AFTER_A_SECOND).await;
    let delivery = probe.drain(endpoint.subscription()?, &[]).await?;
    if !delivery.messages.is_empty() {
        return Err(Stop::skip("an expired message was delivered"));
    }
    let fresh = probe.subscribe().await?;
    let never = probe.drain(fresh.subscription()?, &[]).await?.status;
    let found = format!("{} instead of {never}", delivery.status);
    let expected = "the response of a subscription without a message";
    probe.verify("R8030-7.2-b", delivery.status == never, expected, found, &delivery.transcript);
    Ok(())
}

async fn now_or_never(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let early = probe.accepted(&endpoint, &[("ttl", "0")], "nobody listens").await?;
    probe.accepted(&endpoint, &[("ttl", "60")], "stored").await?;
    let subscription = endpoint.subscription()?.clone();
    let mut monitor = probe.monitor(&subscription, &[]).await?;
    let first = monitor.next_within(PATIENCE).await?;
    let first = first.ok_or_else(|| Stop::skip("a stored message did not arrive"))?;
    let is_dropped = first.body == b"stored";
    let expected = "no message with TTL 0 that was sent while nobody listened";
    probe.verify("R8030-5.2-e", is_dropped, expected, "it was stored and delivered later", &early.transcript);
    let sent = probe.accepted(&endpoint, &[("ttl", "0")], "now").await?;
    let mut arrived = monitor.next_within(PATIENCE).await?;
    if arrived.as_ref().is_some_and(|message| message.body == b"stored") {
        arrived = monitor.next_within(PATIENCE).await?;
    }
    let is_now = arrived.is_some_and(|message| message.body == b"now");
    let expected = "the message with TTL 0 on the open request";
    probe.verify("R8030-5.2-e", is_now, expected, "it did not arrive", &sent.transcript);
    Ok(())
}
