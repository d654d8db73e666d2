//! Subscription sets (RFC 8030 §4.1, §6.1, §7.3.1).

use super::http2::established;
use crate::check::checks;
use crate::probe::{DrainResult, PATIENCE, PUSH, Probe, SET, TestEndpoint, targets};
use crate::stop::Stop;
use http::Method;

checks! {
    "a set is offered, and one that is sent back is used again" UserAgent
        ["R8030-4.1-a" "R8030-4.1-b"] [Sets] reuse;
    "an invalid set is refused" UserAgent ["R8030-4.1-c"] [Sets] invalid;
    "a set delivers the messages of its members" UserAgent
        ["R8030-6.1-a" "R8030-6.1-b" "R8030-6.1-c"] [Sets ServerPush] members;
    "an acknowledgement settles a message on the set and on the subscription" UserAgent
        ["R8030-6.1-d"] [Sets ServerPush MessageUrls] settled_once;
    "removing a set removes its members" UserAgent
        ["R8030-7.3.1-a" "R8030-7.3.1-b" "R8030-7.3.1-c"] [Sets ServerPush] removed;
}

/// Returns the value of `Link` for a set.
fn link(target: &str) -> String {
    format!("<{target}>; rel=\"{SET}\"")
}

/// Subscribes within the set of another subscription.
pub(super) async fn join(probe: &mut Probe, first: &TestEndpoint) -> Result<TestEndpoint, Stop> {
    let link = link(&first.set()?.expose());
    let made = probe.subscribe_with(&[("link", &link)], "").await?;
    let second = probe.read_endpoint(&made)?;
    if second.set == first.set {
        return Ok(second);
    }
    Err(Stop::skip("the service gives each subscription a set of its own"))
}

async fn reuse(probe: &mut Probe) -> Result<(), Stop> {
    let first = probe.subscribe().await?;
    let set = first.set()?.clone();
    probe.verify("R8030-4.1-a", true, "a set", "", "");
    let made = probe.subscribe_with(&[("link", &link(&set.expose()))], "").await?;
    let is_same = made.links(SET).contains(&set);
    probe.verify("R8030-4.1-b", is_same, "the set of the request", "another set, or none", &made.transcript);
    let is_new = !made.links(PUSH).contains(&first.push);
    let expected = "a push resource of its own";
    probe.verify("R8030-4.1-b", is_new, expected, "that of another member", &made.transcript);
    Ok(())
}

async fn invalid(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let gone = probe.subscribe().await?.set()?.clone();
    probe.send(Method::DELETE, &gone, &[], "").await?;
    let set = endpoint.set()?;
    for wrong in [
        format!("{}AAAA", set.expose()),
        format!("https://elsewhere.example{}", set.path()),
        "x".to_owned(),
        gone.expose(),
        endpoint.push.expose(),
        endpoint.subscription()?.expose(),
    ] {
        let made = probe.subscribe_with(&[("link", &link(&wrong))], "").await?;
        probe.verify_status("R8030-4.1-c", &made, &[400]);
    }
    Ok(())
}

async fn members(probe: &mut Probe) -> Result<(), Stop> {
    let one = probe.subscribe().await?;
    let two = join(probe, &one).await?;
    let set = one.set()?.clone();
    let empty = probe.drain(&set, &[]).await?;
    let found = empty.status.to_string();
    probe.verify(
        "R8030-6.1-c",
        empty.status == 204,
        "204 for an empty set with wait=0",
        found,
        &empty.transcript,
    );
    for (endpoint, text) in [(&one, "of the first"), (&two, "of the second")] {
        probe.accepted(endpoint, &[("ttl", "60")], text).await?;
    }
    let all = probe.drain(&set, &[]).await?;
    let mut texts = all.texts();
    texts.sort_unstable();
    let is_complete = texts == ["of the first", "of the second"];
    let found = format!("{texts:?}");
    probe.verify("R8030-6.1-a", is_complete, "the messages of both members", found, &all.transcript);
    if is_complete {
        names_subscriptions(probe, &all, [&one, &two]);
    }
    let high = probe.drain(&set, &[("urgency", "high")]).await?;
    let found = format!("{} and {} messages of normal urgency", high.status, high.messages.len());
    let is_empty = high.status == 204 && high.messages.is_empty();
    let expected = "204 without a message below the minimum urgency";
    probe.verify("R8030-6.1-c", is_empty, expected, found, &high.transcript);
    Ok(())
}

/// The RFC puts the link on the promised request, and its example on the response: either will do.
fn names_subscriptions(probe: &mut Probe, all: &DrainResult, endpoints: [&TestEndpoint; 2]) {
    for message in &all.messages {
        let endpoint = if message.body == b"of the first" { endpoints[0] } else { endpoints[1] };
        let named = [&message.request_headers, &message.headers]
            .iter()
            .any(|headers| targets(headers, &endpoint.push, PUSH).contains(&endpoint.push));
        let expected = "a Link to the push resource of the subscription";
        probe.verify("R8030-6.1-b", named, expected, "no such link", &message.transcript);
    }
}

async fn settled_once(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let set = endpoint.set()?.clone();
    let mut on_set = probe.monitor(&set, &[]).await?;
    let mut on_subscription = probe.monitor(endpoint.subscription()?, &[]).await?;
    let sent = probe.accepted(&endpoint, &[("ttl", "60")], "to both").await?;
    let both = [on_set.next_within(PATIENCE).await?, on_subscription.next_within(PATIENCE).await?];
    let arrived = both.iter().flatten().count();
    let found = format!("it arrived on {arrived} of them");
    probe.verify("R8030-6.1-d", arrived == 2, "the message on both", found, &sent.transcript);
    let Some(message) = sent.location() else { return Ok(()) };
    probe.send(Method::DELETE, &message, &[], "").await?;
    for url in [&set, endpoint.subscription()?] {
        let rest = probe.drain(url, &[]).await?;
        let is_empty = rest.messages.is_empty();
        probe.verify(
            "R8030-6.1-d",
            is_empty,
            "nothing after one acknowledgement",
            "it came again",
            &rest.transcript,
        );
    }
    Ok(())
}

async fn removed(probe: &mut Probe) -> Result<(), Stop> {
    let one = probe.subscribe().await?;
    let two = join(probe, &one).await?;
    let three = join(probe, &one).await?;
    let set = one.set()?.clone();
    let mut on_set = probe.monitor(&set, &[]).await?;
    established(probe, &three, &mut on_set).await?;
    let gone = probe.send(Method::DELETE, three.subscription()?, &[], "").await?;
    let kept = probe.accepted(&one, &[("ttl", "60")], "kept").await?;
    let arrived = on_set.next_within(PATIENCE).await?;
    let is_open = arrived.is_some_and(|message| message.body == b"kept");
    let expected = "a message of another member on the request that was open";
    probe.verify("R8030-7.3.1-c", is_open, expected, "none for 5 s", &kept.transcript);
    let stored = probe.drain(&set, &[]).await?;
    let found = format!("{:?}", stored.texts());
    let is_dropped = !stored.texts().contains(&"established".to_owned());
    let expected = "no message of the removed member";
    probe.verify("R8030-7.3.1-c", is_dropped, expected, found, &stored.transcript);
    let refused = probe.push(&three, &[("ttl", "60")], "to the removed member").await?;
    let is_refused = gone.is_success() && matches!(refused.status, 404 | 410);
    let found = format!("{} after DELETE returned {}", refused.status, gone.status);
    probe.verify("R8030-7.3.1-c", is_refused, "404 for the removed member only", found, &refused.transcript);
    let mut on_member = probe.monitor(two.subscription()?, &[]).await?;
    established(probe, &two, &mut on_member).await?;
    let deleted = probe.send(Method::DELETE, &set, &[], "").await?;
    for monitor in [on_set, on_member] {
        let (status, transcript) = super::removal::status_at_end(monitor).await;
        let found = super::removal::end_text(status);
        probe.verify(
            "R8030-7.3.1-a",
            status == 404,
            "404 at the end of the open request",
            found,
            &transcript,
        );
    }
    for endpoint in [&one, &two] {
        let refused = probe.push(endpoint, &[("ttl", "60")], "to a member").await?;
        let found = format!("{} after DELETE of the set returned {}", refused.status, deleted.status);
        let is_gone = matches!(refused.status, 404 | 410);
        probe.verify("R8030-7.3.1-b", is_gone, "404 for each member", found, &refused.transcript);
    }
    let again = probe.send(Method::DELETE, &set, &[], "").await?;
    let found = format!("{} for the second DELETE", again.status);
    probe.verify("R8030-7.3.1-b", again.status == 404, "404 afterwards", found, &again.transcript);
    Ok(())
}
