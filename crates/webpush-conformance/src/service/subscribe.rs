//! Creating subscriptions (RFC 8030 §4).

use crate::check::checks;
use crate::exchange::Exchange;
use crate::feature::Feature;
use crate::probe::{PUSH, Probe, RECEIPT, SET};
use crate::stop::Stop;
use webpush_client::connection::Protocols;

checks! {
    "subscribing returns the URLs of the resources" UserAgent
        ["R8030-4-a" "R8030-4-b" "R8030-4-c" "R8030-4-d" "R8030-2.1-a" "R8030-2.1-b" "R8030-8-a"] [] urls;
    "a subscription needs no set" UserAgent ["R8030-4.1-e" "R8030-8.2-d"] [Receiving] without_set;
    "clients with HTTP/1.1 and with HTTP/2 are served over TLS" UserAgent
        ["R8030-3-a" "R8030-3-c"] [Tls] versions;
}

async fn urls(probe: &mut Probe) -> Result<(), Stop> {
    let made = probe.subscribe_with(&[], "").await?;
    probe.verify_status("R8030-4-a", &made, &[201]);
    let shown = &made.transcript;
    if !made.is_success() {
        return Err(Stop::skip(format!("subscribing returned {}", made.status)));
    }
    let location = made.location();
    let found = made.field("location").unwrap_or("no Location").to_owned();
    probe.verify("R8030-4-b", location.is_some(), "a URL in Location", found.clone(), shown);
    let is_absolute = found.contains("://");
    probe.verify("R8030-4-d", is_absolute, "an absolute URL in Location", found, shown);
    let push = made.links(PUSH);
    let found = format!("{} links with that relation", push.len());
    probe.verify(
        "R8030-4-c",
        !push.is_empty(),
        "a Link with rel=\"urn:ietf:params:push\"",
        found.clone(),
        shown,
    );
    if !push.is_empty() {
        let distinct = push.iter().all(|url| *url == push[0]);
        probe.verify("R8030-2.1-a", distinct, "one push resource", found, shown);
    }
    scheme(probe, &made);
    let (Some(subscription), Some(push)) = (location, push.into_iter().next()) else { return Ok(()) };
    let differ = subscription != push;
    probe.verify("R8030-2.1-b", differ, "two URLs", "one URL for both sides", shown);
    if differ {
        let removed = probe.send(http::Method::DELETE, &push, &[], "").await?;
        let found = format!("{} for DELETE of the push resource", removed.status);
        let is_refused = !removed.is_success();
        probe.verify(
            "R8030-2.1-b",
            is_refused,
            "an error for DELETE of the push resource",
            found,
            &removed.transcript,
        );
    }
    Ok(())
}

fn scheme(probe: &mut Probe, made: &Exchange) {
    if !probe.offers(Feature::Tls) {
        return probe.skip("R8030-8-a", Feature::Tls.reason());
    }
    let all = made.location().into_iter().chain([PUSH, SET, RECEIPT].iter().flat_map(|rel| made.links(rel)));
    let plain = all.filter(|url| !url.is_https()).count();
    let found = format!("{plain} other URLs");
    probe.verify("R8030-8-a", plain == 0, "https URLs only", found, &made.transcript);
}

async fn without_set(probe: &mut Probe) -> Result<(), Stop> {
    let one = probe.subscribe_with(&[], "").await?;
    let two = probe.subscribe_with(&[], "").await?;
    let (first, second) = (probe.read_endpoint(&one)?, probe.read_endpoint(&two)?);
    let differ = first.push != second.push && first.subscription != second.subscription;
    probe.verify("R8030-8.2-d", differ, "new URLs for each subscription", "the same URLs", &two.transcript);
    let differ = first.set.is_none() || first.set != second.set;
    probe.verify("R8030-4.1-e", differ, "two sets", "the same set", &two.transcript);
    probe.accepted(&first, &[("ttl", "60")], "for the first").await?;
    let other = second.set.as_ref().map_or_else(|| second.subscription(), Ok)?;
    let delivery = probe.drain(other, &[]).await?;
    let found = format!("{} messages of another subscription", delivery.messages.len());
    let is_empty = delivery.messages.is_empty();
    probe.verify("R8030-4.1-e", is_empty, "no message of another subscription", found, &delivery.transcript);
    Ok(())
}

async fn versions(probe: &mut Probe) -> Result<(), Stop> {
    let url = probe.shared().service.clone();
    let mut failures = Vec::new();
    for (name, protocols) in [("HTTP/1.1", Protocols::Http1), ("HTTP/2", Protocols::Http2WithoutPush)] {
        if let Err(error) = probe.connect(&url, protocols).await {
            failures.push(format!("{name}: {error}"));
        }
    }
    // The checks themselves could not run without TLS 1.2 and a trusted certificate.
    probe.verify("R8030-3-a", failures.len() < 2, "a TLS connection", failures.join("; "), "");
    probe.verify("R8030-3-c", failures.is_empty(), "both versions of HTTP", failures.join("; "), "");
    Ok(())
}
