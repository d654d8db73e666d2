//! Replacing messages by topic (RFC 8030 §5.4).

use crate::check::checks;
use crate::delivered_message::texts;
use crate::probe::{Probe, RECEIPT};
use crate::stop::Stop;
use http::Method;
use webpush_client::url::CapabilityUrl;

checks! {
    "a message replaces another with its topic" Sender ["R8030-5.4-b" "R8030-5.4-e"] [Receiving] replaced;
    "a message with TTL 0 replaces another as well" Sender ["R8030-5.4-b"] [Receiving] ttl_zero;
    "a replacement also replaces the attributes" UserAgent ["R8030-5.4-c"] [Subscribing Receiving] attributes;
    "a replaced message owes no receipt, and its replacement does" Receipts
        ["R8030-5.4-d" "R8030-5.4-c"] [Receipts ServerPush MessageUrls] receipts;
}

async fn replaced(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let other = probe.endpoint().await?;
    // No other check uses this topic, so only this one fails if subscriptions share topics.
    let topic = [("ttl", "60"), ("topic", "news")];
    let old = probe.accepted(&endpoint, &topic, "old").await?;
    probe.accepted(&other, &topic, "of another subscription").await?;
    probe.accepted(&endpoint, &[("ttl", "60"), ("topic", "News")], "of another topic").await?;
    let new = probe.accepted(&endpoint, &topic, "new").await?;
    if let (Some(old), Some(current)) = (old.location(), new.location()) {
        let differ = old != current;
        probe.verify("R8030-5.4-b", differ, "a new URL for the new message", "the old URL", &new.transcript);
        let read = probe.send(Method::GET, &old, &[], "").await?;
        probe.verify(
            "R8030-5.4-b",
            !read.is_success(),
            "404 for the old message",
            read.status.to_string(),
            &read.transcript,
        );
    }
    let received = texts(&probe.received(&endpoint).await?);
    let has = |text: &str| received.iter().any(|one| one == text);
    let found = format!("{received:?}");
    let is_replaced = has("new") && !has("old");
    probe.verify(
        "R8030-5.4-b",
        is_replaced,
        "the new message without the old one",
        found.clone(),
        &new.transcript,
    );
    let is_kept = has("of another topic");
    probe.verify("R8030-5.4-e", is_kept, "the message of another topic", found, &new.transcript);
    let elsewhere = texts(&probe.received(&other).await?);
    let is_kept = elsewhere == ["of another subscription"];
    let found = format!("{elsewhere:?}");
    probe.verify("R8030-5.4-e", is_kept, "the message of another subscription", found, &new.transcript);
    Ok(())
}

async fn ttl_zero(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let with = |ttl| [("ttl", ttl), ("topic", "dropped")];
    probe.accepted(&endpoint, &with("60"), "old").await?;
    let new = probe.accepted(&endpoint, &with("0"), "new").await?;
    let received = texts(&probe.received(&endpoint).await?);
    let is_replaced = !received.iter().any(|text| text == "old");
    let expected = "no message that was replaced by one with TTL 0";
    probe.verify("R8030-5.4-b", is_replaced, expected, format!("{received:?}"), &new.transcript);
    Ok(())
}

async fn attributes(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let with = |urgency| [("ttl", "60"), ("topic", "attributes"), ("urgency", urgency)];
    probe.accepted(&endpoint, &[("ttl", "60"), ("urgency", "low")], "another").await?;
    probe.accepted(&endpoint, &with("high"), "old").await?;
    let new = probe.accepted(&endpoint, &with("very-low"), "new").await?;
    let subscription = endpoint.subscription()?.clone();
    let high = probe.drain(&subscription, &[("urgency", "high")]).await?;
    if high.texts().contains(&"another".to_owned()) {
        return Err(Stop::skip("the service does not respect the minimum urgency"));
    }
    let is_low = !high.texts().contains(&"new".to_owned());
    let expected = "a replacement with the urgency of its own request";
    probe.verify("R8030-5.4-c", is_low, expected, "it has the urgency of the old message", &new.transcript);
    Ok(())
}

async fn receipts(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let [ttl, topic, wish] = [("ttl", "60"), ("topic", "receipt"), ("prefer", "respond-async")];
    // Its receipt shows that receipts arrive.
    let other = probe.accepted(&endpoint, &[ttl, wish], "other").await?;
    let receipts = other.links(RECEIPT).into_iter().next();
    let receipts = receipts.ok_or_else(|| Stop::skip("the service returned no receipt subscription"))?;
    probe.own(&receipts);
    let link = format!("<{}>; rel=\"{RECEIPT}\"", receipts.expose());
    let mut urls = Vec::new();
    for text in ["old", "new"] {
        let sent = probe.accepted(&endpoint, &[ttl, topic, wish, ("link", &link)], text).await?;
        let links = sent.links(RECEIPT);
        links.iter().for_each(|own| probe.own(own));
        if !links.contains(&receipts) {
            return Err(Stop::skip("the service gives each message a receipt subscription of its own"));
        }
        urls.extend(sent.location());
    }
    let (Some(other), [old, new]) = (other.location(), &urls[..]) else {
        return Err(Stop::skip("a message has no URL"));
    };
    if probe.send(Method::DELETE, old, &[], "").await?.is_success() {
        return Err(Stop::skip("the message was not replaced"));
    }
    for message in [new, &other] {
        probe.send(Method::DELETE, message, &[], "").await?;
    }
    let delivery = probe.drain(&receipts, &[]).await?;
    let has = |message: &CapabilityUrl| {
        delivery.messages.iter().filter(|receipt| receipt.url == message.expose()).count()
    };
    let (of_old, of_new, of_other) = (has(old), has(new), has(&other));
    let shown = &delivery.transcript;
    probe.verify("R8030-5.4-d", of_old == 0, "no receipt for the replaced message", "a receipt", shown);
    if of_other == 0 {
        return Err(Stop::skip("no receipt arrived"));
    }
    let found = format!("{of_new} receipts");
    probe.verify("R8030-5.4-c", of_new == 1, "one receipt for the new message", found, shown);
    Ok(())
}
