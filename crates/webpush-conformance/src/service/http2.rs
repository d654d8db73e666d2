//! The rules of HTTP/2 for server push (RFC 9113 §8.4).

use crate::check::checks;
use crate::probe::{LiveMonitor, PATIENCE, Probe, TestEndpoint, receive_promise};
use crate::stop::Stop;
use bytes::Bytes;
use http::Request;
use webpush_client::connection::Protocols;

checks! {
    "a client that has turned server push off gets no promise" UserAgent
        ["H2-a"] [Subscribing ServerPush] without_push;
    "a message whose push was reset comes again" UserAgent ["H2-f"] [Subscribing ServerPush] reset;
    "a message on a lost connection comes again" UserAgent ["H2-g"] [Subscribing ServerPush] lost;
}

const TTL: (&str, &str) = ("ttl", "60");

/// Waits until a monitoring request is effective: a message for it arrives.
pub(super) async fn established(
    probe: &mut Probe,
    endpoint: &TestEndpoint,
    monitor: &mut LiveMonitor,
) -> Result<(), Stop> {
    probe.accepted(endpoint, &[TTL], "established").await?;
    let arrived = monitor.next_within(PATIENCE).await?;
    arrived.map(drop).ok_or_else(|| Stop::skip("a message did not arrive on the open request"))
}

async fn without_push(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let subscription = endpoint.subscription()?.clone();
    let sent = probe.accepted(&endpoint, &[TTL], "stored").await?;
    let mut connection = probe.connect(&subscription, Protocols::Http2WithoutPush).await?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = subscription.uri().clone();
    request.headers_mut().insert("prefer", http::HeaderValue::from_static("wait=0"));
    // A promise would end the connection with an error.
    let response = tokio::time::timeout(PATIENCE, connection.exchange(request)).await;
    let (is_refused, found) = match response {
        Ok(Ok(response)) => (true, response.status.to_string()),
        Ok(Err(error)) => (false, error.sentence()),
        Err(_) => (true, "no response".to_owned()),
    };
    probe.verify("H2-a", is_refused, "a response without a promise", found, &sent.transcript);
    Ok(())
}

/// Monitors again, and verifies that these messages come, in any order.
async fn comes_again(
    probe: &mut Probe,
    id: &'static str,
    endpoint: &TestEndpoint,
    texts: &[&str],
) -> Result<(), Stop> {
    let again = probe.drain(endpoint.subscription()?, &[]).await?;
    let mut found = again.texts();
    found.sort_unstable();
    let expected = format!("{texts:?} on the next request");
    probe.verify(id, found == texts, &expected, format!("{found:?}"), &again.transcript);
    Ok(())
}

async fn reset(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let mut monitor = probe.monitor(endpoint.subscription()?, &[]).await?;
    probe.accepted(&endpoint, &[TTL], "kept").await?;
    let promise = tokio::time::timeout(PATIENCE, monitor.promise()).await;
    match promise {
        // Resets the stream.
        Ok(Ok(Some(promise))) => drop(promise),
        _ => return Err(Stop::skip("no message was pushed")),
    }
    comes_again(probe, "H2-f", &endpoint, &["kept"]).await
}

async fn lost(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let mut monitor = probe.monitor(endpoint.subscription()?, &[]).await?;
    probe.accepted(&endpoint, &[TTL], "kept").await?;
    let promise = tokio::time::timeout(PATIENCE, monitor.promise()).await;
    let Ok(Ok(Some(promise))) = promise else { return Err(Stop::skip("no message was pushed")) };
    receive_promise(promise).await?;
    drop(monitor);
    probe.accepted(&endpoint, &[TTL], "later").await?;
    comes_again(probe, "H2-g", &endpoint, &["kept", "later"]).await
}
