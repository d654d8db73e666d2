//! Removing subscriptions (RFC 8030 §7.3).

use super::http2::established;
use crate::check::checks;
use crate::probe::{LiveMonitor, PATIENCE, Probe};
use crate::stop::Stop;
use http::Method;

checks! {
    "a removed subscription is gone for both sides" UserAgent
        ["R8030-7.3-b" "R8030-7.3-c"] [Subscribing] gone;
    "an open request on a removed subscription ends with 404" UserAgent
        ["R8030-7.3-a"] [Subscribing Receiving] ends;
}

/// Waits for the end of a monitoring request; returns its status, 0 if it did not end in time.
pub(super) async fn status_at_end(mut monitor: LiveMonitor) -> (u16, String) {
    let end = async { while monitor.next().await.is_some_and(|next| next.is_ok()) {} };
    // The status tells whether it has ended.
    let _ = tokio::time::timeout(PATIENCE, end).await;
    monitor.end()
}

/// Describes the status of [`status_at_end`].
pub(super) fn end_text(status: u16) -> String {
    match status {
        0 => "the request stayed open for 5 s, or its connection failed".to_owned(),
        status => status.to_string(),
    }
}

async fn gone(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let subscription = endpoint.subscription()?.clone();
    let deleted = probe.send(Method::DELETE, &subscription, &[], "").await?;
    let found = deleted.status.to_string();
    probe.verify("R8030-7.3-c", deleted.is_success(), "204 for DELETE", found, &deleted.transcript);
    let again = probe.send(Method::DELETE, &subscription, &[], "").await?;
    let found = format!("{} for the second DELETE", again.status);
    probe.verify("R8030-7.3-c", again.status == 404, "404 afterwards", found, &again.transcript);
    let sent = probe.push(&endpoint, &[("ttl", "60")], "too late").await?;
    probe.verify_status("R8030-7.3-b", &sent, &[404]);
    Ok(())
}

async fn ends(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let subscription = endpoint.subscription()?.clone();
    let mut monitor = probe.monitor(&subscription, &[]).await?;
    established(probe, &endpoint, &mut monitor).await?;
    probe.send(Method::DELETE, &subscription, &[], "").await?;
    let (status, transcript) = status_at_end(monitor).await;
    let expected = "404 at the end of the open request";
    probe.verify("R8030-7.3-a", status == 404, expected, end_text(status), &transcript);
    let later = probe.drain(&subscription, &[]).await?;
    let found = later.status.to_string();
    let expected = "404 for a later request";
    probe.verify("R8030-7.3-a", later.status == 404, expected, found, &later.transcript);
    Ok(())
}
