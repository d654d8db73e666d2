//! The demands of UnifiedPush on an endpoint.

use crate::check::checks;
use crate::probe::Probe;
use crate::stop::Stop;
use http::Method;

checks! {
    "a push URL is discoverable, and short enough" UnifiedPush ["UP-a" "UP-b"] [] discovery;
    "a push URL takes 4096 bytes" UnifiedPush ["UP-c"] [] size;
}

/// Longest push URL.
const MAX_URL_BYTES: usize = 1000;

async fn discovery(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let length = endpoint.push.expose().len();
    probe.verify("UP-b", length <= MAX_URL_BYTES, "at most 1000 bytes", format!("{length} bytes"), "");
    let separator = if endpoint.push.path().contains('?') { '&' } else { '?' };
    let url = endpoint.push.join(&format!("{}{separator}up=1", endpoint.push.path()));
    let Ok(url) = url else { return Err(Stop::skip("the push URL cannot be extended")) };
    let found = probe.send(Method::GET, &url, &[], "").await?;
    let json: serde_json::Value = serde_json::from_slice(&found.body).unwrap_or_default();
    if found.status != 200 || json["unifiedpush"]["version"] != 1 {
        return Err(Stop::skip("the service offers no discovery, which UnifiedPush no longer requires"));
    }
    probe.verify("UP-a", true, "the JSON", "", "");
    Ok(())
}

async fn size(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    for length in [1, 4096] {
        let headers = [("ttl", "60"), ("content-encoding", "aes128gcm")];
        let sent = probe.push(&endpoint, &headers, vec![b'x'; length]).await?;
        let found = format!("{} for {length} bytes", sent.status);
        probe.verify("UP-c", sent.is_success(), "201", found, &sent.transcript);
    }
    Ok(())
}
