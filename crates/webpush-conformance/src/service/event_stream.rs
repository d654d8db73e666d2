//! Messages as server-sent events, where a service offers them.

use crate::check::checks;
use crate::delivered_message::texts;
use crate::exchange::field;
use crate::probe::{LiveMonitor, PATIENCE, Probe, finish};
use crate::stop::Stop;
use http::Method;

checks! {
    "messages arrive as events" EventStream
        ["SSE-a" "SSE-b" "SSE-c" "SSE-f"] [Subscribing EventStream] events;
    "an event stream ends with wait=0, without acknowledged messages" EventStream
        ["SSE-d" "SSE-e"] [Subscribing EventStream MessageUrls] settled;
}

const TTL: (&str, &str) = ("ttl", "60");
const WAIT: (&str, &str) = ("prefer", "wait=0");

async fn events(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let subscription = endpoint.subscription()?.clone();
    let coding = ("content-encoding", "aes128gcm");
    let sent = probe.accepted(&endpoint, &[TTL, coding], "stored").await?;
    let mut monitor = LiveMonitor::events(probe, &subscription, &[], None).await?;
    // The client accepts no other status and no other type.
    probe.verify(
        "SSE-a",
        !monitor.has_ended(),
        "200 with text/event-stream",
        "another response",
        &sent.transcript,
    );
    let stored = monitor.next_within(PATIENCE).await?;
    let is_whole = stored.as_ref().is_some_and(|message| {
        message.body == b"stored"
            && field(&message.headers, "content-encoding") == Some("aes128gcm")
            && sent.location().is_none_or(|url| url.expose() == message.url)
    });
    let found = if stored.is_some() { "another event" } else { "no event for 5 s" };
    let expected = "an event with the URL, the coding and the body of the message";
    probe.verify("SSE-b", is_whole, expected, found, &sent.transcript);
    let after = monitor.last_event_id();
    let sent = probe.accepted(&endpoint, &[TTL], "live").await?;
    let live = monitor.next_within(PATIENCE).await?;
    let is_live = live.is_some_and(|message| message.body == b"live");
    probe.verify("SSE-c", is_live, "an event on the open stream", "none for 5 s", &sent.transcript);
    drop(monitor);
    let Some(after) = after else { return Err(Stop::skip("the events have no ID")) };
    let mut again = LiveMonitor::events(probe, &subscription, &[], Some(&after)).await?;
    let next = again.next_within(PATIENCE).await?;
    let found = next.map_or_else(|| "no event for 5 s".to_owned(), |message| texts(&[message]).join(""));
    let (_, shown) = again.end();
    let is_next = found == "live";
    probe.verify("SSE-f", is_next, "the event after the ID", found, &shown);
    Ok(())
}

async fn settled(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let subscription = endpoint.subscription()?.clone();
    let empty = finish(LiveMonitor::events(probe, &subscription, &[WAIT], None).await?).await?;
    let found = empty.status.to_string();
    probe.verify("SSE-e", empty.status == 204, "204 without a message", found, &empty.transcript);
    let sent = probe.accepted(&endpoint, &[TTL], "acknowledged").await?;
    let stored = finish(LiveMonitor::events(probe, &subscription, &[WAIT], None).await?).await?;
    let found = format!("{:?}", stored.texts());
    probe.verify(
        "SSE-e",
        stored.texts() == ["acknowledged"],
        "one event, then the end",
        found,
        &stored.transcript,
    );
    let Some(message) = sent.location() else { return Err(Stop::skip("the message has no URL")) };
    probe.send(Method::DELETE, &message, &[], "").await?;
    let rest = finish(LiveMonitor::events(probe, &subscription, &[WAIT], None).await?).await?;
    let is_settled = rest.messages.is_empty();
    probe.verify("SSE-d", is_settled, "no acknowledged message", "it came again", &rest.transcript);
    Ok(())
}
