//! Delivery receipts (RFC 8030 §5.1, §6.2, §6.3).

use super::removal::{end_text, status_at_end};
use crate::check::checks;
use crate::delivered_message::DeliveredMessage;
use crate::exchange::Exchange;
use crate::feature::Feature;
use crate::probe::{PATIENCE, Probe, RECEIPT, TestEndpoint};
use crate::stop::Stop;
use http::Method;
use webpush_client::url::CapabilityUrl;

checks! {
    "receipts are offered" Receipts ["R8030-5.1-a" "R8030-5.1-b"] [Subscribing] offered;
    "a receipt subscription is used again" Receipts ["R8030-5.1-c"] [Receipts] reuse;
    "an invalid receipt subscription is refused" Receipts ["R8030-5.1-d"] [Receipts] invalid;
    "a link alone asks for no receipt" Receipts ["R8030-5.1-f"] [Receipts ServerPush MessageUrls] link_alone;
    "an acknowledgement is pushed as 204" Receipts
        ["R8030-6.2-b" "R8030-6.3-a" "R8030-6.3-b" "R8030-6.3-c"] [Receipts ServerPush MessageUrls] acknowledged;
    "a message that expires is pushed as 410" Receipts
        ["R8030-6.2-e"] [Receipts ServerPush MessageUrls] expired;
    "removing a receipt subscription ends its monitoring" Receipts
        ["R8030-7.3-c" "R8030-7.3-a"] [Receipts ServerPush] removed;
    "the messages of a removed subscription end in 410" Receipts
        ["R8030-7.3-d"] [Receipts ServerPush MessageUrls] of_removed_subscription;
}

const WISH: (&str, &str) = ("prefer", "respond-async");

/// Sends a message that asks for a receipt, on a receipt subscription if there is one.
async fn send(
    probe: &mut Probe,
    endpoint: &TestEndpoint,
    ttl: &str,
    receipts: Option<&str>,
) -> Result<Exchange, Stop> {
    let link = receipts.map(|receipts| format!("<{receipts}>; rel=\"{RECEIPT}\""));
    let mut headers = vec![("ttl", ttl), WISH];
    headers.extend(link.as_deref().map(|link| ("link", link)));
    let sent = probe.push(endpoint, &headers, "with a receipt").await?;
    if sent.is_success() {
        sent.links(RECEIPT).iter().for_each(|receipts| probe.own(receipts));
    }
    Ok(sent)
}

/// Sends a message that asks for a receipt; returns its URL and the receipt subscription.
async fn with_receipts(
    probe: &mut Probe,
    endpoint: &TestEndpoint,
    ttl: &str,
) -> Result<(CapabilityUrl, CapabilityUrl), Stop> {
    let sent = send(probe, endpoint, ttl, None).await?;
    match (sent.location(), sent.links(RECEIPT).into_iter().next()) {
        (Some(message), Some(receipts)) => Ok((message, receipts)),
        _ => Err(Stop::skip("a message has no URL, or no receipt subscription")),
    }
}

async fn offered(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let sent = send(probe, &endpoint, "60", None).await?;
    let has_link = !sent.links(RECEIPT).is_empty();
    let found = format!("{} and {} links to a receipt subscription", sent.status, sent.links(RECEIPT).len());
    let is_offered = sent.status == 202 || has_link;
    probe.verify("R8030-5.1-a", is_offered, "receipts", found.clone(), &sent.transcript);
    if !is_offered {
        return Err(Stop::skip(Feature::Receipts.reason()));
    }
    let is_complete = sent.status == 202 && sent.location().is_some() && has_link;
    probe.verify("R8030-5.1-b", is_complete, "202 with Location and Link", found, &sent.transcript);
    Ok(())
}

async fn reuse(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let (_, receipts) = with_receipts(probe, &endpoint, "60").await?;
    let again = send(probe, &endpoint, "60", Some(&receipts.expose())).await?;
    let is_same = again.links(RECEIPT).contains(&receipts);
    let expected = "the receipt subscription of the request";
    probe.verify("R8030-5.1-c", is_same, expected, "another one, or none", &again.transcript);
    Ok(())
}

async fn invalid(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let (_, receipts) = with_receipts(probe, &endpoint, "60").await?;
    let (_, gone) = with_receipts(probe, &endpoint, "60").await?;
    probe.send(Method::DELETE, &gone, &[], "").await?;
    let other = endpoint.set.as_ref().map_or_else(|| endpoint.subscription(), Ok)?;
    for wrong in [
        format!("{}AAAA", receipts.expose()),
        format!("https://elsewhere.example{}", receipts.path()),
        "x".to_owned(),
        gone.expose(),
        endpoint.push.expose(),
        other.expose(),
    ] {
        let sent = send(probe, &endpoint, "60", Some(&wrong)).await?;
        probe.verify_status("R8030-5.1-d", &sent, &[400]);
    }
    Ok(())
}

async fn link_alone(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let (_, receipts) = with_receipts(probe, &endpoint, "60").await?;
    let link = format!("<{}>; rel=\"{RECEIPT}\"", receipts.expose());
    let sent = probe.push(&endpoint, &[("ttl", "60"), ("link", &link)], "without a wish").await?;
    let found = sent.status.to_string();
    probe.verify("R8030-5.1-f", sent.is_success(), "201", found, &sent.transcript);
    let Some(message) = sent.location() else { return Ok(()) };
    probe.send(Method::DELETE, &message, &[], "").await?;
    let delivery = probe.drain(&receipts, &[]).await?;
    let is_silent = delivery.messages.iter().all(|receipt| receipt.url != message.expose());
    probe.verify("R8030-5.1-f", is_silent, "no receipt", "a receipt", &delivery.transcript);
    Ok(())
}

/// Verifies a receipt.
fn verify(
    probe: &mut Probe,
    id: &'static str,
    receipt: &DeliveredMessage,
    message: &CapabilityUrl,
    status: u16,
) {
    let found = format!("{} with {} bytes", receipt.status, receipt.body.len());
    let expected = format!("{status} without a body");
    let is_right = receipt.status == status && receipt.body.is_empty();
    probe.verify(id, is_right, &expected, found, &receipt.transcript);
    if id == "R8030-6.2-b" {
        let is_valid = matches!(receipt.status, 204 | 410) && receipt.body.is_empty();
        let found = receipt.status.to_string();
        probe.verify("R8030-6.3-b", is_valid, "204 or 410 without a body", found, &receipt.transcript);
        let is_same = receipt.url == message.expose() && receipt.method == "GET";
        let expected = format!("a promise of GET {}", message.expose());
        let found = format!("{} {}", receipt.method, receipt.url);
        probe.verify("R8030-6.3-a", is_same, &expected, found, &receipt.transcript);
    }
}

async fn acknowledged(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let (message, receipts) = with_receipts(probe, &endpoint, "60").await?;
    let mut monitor = probe.monitor(&receipts, &[]).await?;
    let deleted = probe.send(Method::DELETE, &message, &[], "").await?;
    let receipt = monitor.next_within(PATIENCE).await?;
    let expected = "a receipt on the open request";
    let found = if monitor.has_ended() { "the request ended" } else { "none for 5 s" };
    probe.verify("R8030-6.2-b", receipt.is_some(), expected, found, &deleted.transcript);
    let Some(receipt) = &receipt else { return Err(Stop::skip("no receipt arrived")) };
    verify(probe, "R8030-6.2-b", receipt, &message, 204);
    drop(monitor);
    let (later, receipts) = with_receipts(probe, &endpoint, "60").await?;
    probe.send(Method::DELETE, &later, &[], "").await?;
    let delivery = probe.drain(&receipts, &[]).await?;
    let is_kept = delivery.messages.iter().any(|receipt| receipt.url == later.expose());
    let found = format!("{} and {} receipts", delivery.status, delivery.messages.len());
    probe.verify("R8030-6.3-c", is_kept, "the receipt with wait=0", found, &delivery.transcript);
    Ok(())
}

async fn expired(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let (message, receipts) = with_receipts(probe, &endpoint, "1").await?;
    let mut monitor = probe.monitor(&receipts, &[]).await?;
    let receipt = monitor.next_within(2 * PATIENCE).await?;
    match receipt {
        Some(receipt) => verify(probe, "R8030-6.2-e", &receipt, &message, 410),
        None => probe.verify("R8030-6.2-e", false, "410 after the TTL of 1 s", "no receipt for 10 s", ""),
    }
    Ok(())
}

async fn removed(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let (message, receipts) = with_receipts(probe, &endpoint, "60").await?;
    let mut monitor = probe.monitor(&receipts, &[]).await?;
    probe.send(Method::DELETE, &message, &[], "").await?;
    if monitor.next_within(PATIENCE).await?.is_none() {
        return Err(Stop::skip("no receipt arrived on the open request"));
    }
    let link = receipts.expose();
    let pending = send(probe, &endpoint, "60", Some(&link)).await?.location();
    let deleted = probe.send(Method::DELETE, &receipts, &[], "").await?;
    let found = deleted.status.to_string();
    probe.verify("R8030-7.3-c", deleted.is_success(), "204 for DELETE", found, &deleted.transcript);
    let again = probe.send(Method::DELETE, &receipts, &[], "").await?;
    let found = format!("{} for the second DELETE", again.status);
    probe.verify("R8030-7.3-c", again.status == 404, "404 afterwards", found, &again.transcript);
    if let Some(message) = pending {
        let settled = probe.send(Method::DELETE, &message, &[], "").await?;
        let found = format!("{} for DELETE of a message that owes a receipt there", settled.status);
        let expected = "204 for its acknowledgement";
        probe.verify("R8030-7.3-c", settled.is_success(), expected, found, &settled.transcript);
    }
    let (status, transcript) = status_at_end(monitor).await;
    let expected = "404 at the end of the open request";
    probe.verify("R8030-7.3-a", status == 404, expected, end_text(status), &transcript);
    Ok(())
}

async fn of_removed_subscription(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let (message, receipts) = with_receipts(probe, &endpoint, "60").await?;
    let mut monitor = probe.monitor(&receipts, &[]).await?;
    probe.send(Method::DELETE, endpoint.subscription()?, &[], "").await?;
    match monitor.next_within(PATIENCE).await? {
        Some(receipt) => verify(probe, "R8030-7.3-d", &receipt, &message, 410),
        None => probe.verify("R8030-7.3-d", false, "410 for its message", "no receipt for 5 s", ""),
    }
    let member = probe.subscribe().await?;
    let Some(set) = &member.set else { return Ok(()) };
    let (message, receipts) = with_receipts(probe, &member, "60").await?;
    let mut monitor = probe.monitor(&receipts, &[]).await?;
    probe.send(Method::DELETE, set, &[], "").await?;
    match monitor.next_within(PATIENCE).await? {
        Some(receipt) => verify(probe, "R8030-7.3-d", &receipt, &message, 410),
        None => probe.verify("R8030-7.3-d", false, "410 after DELETE of the set", "no receipt for 5 s", ""),
    }
    Ok(())
}
