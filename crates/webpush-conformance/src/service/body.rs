//! Bodies and their codings (RFC 8291, RFC 8188).

use crate::check::checks;
use crate::exchange::field;
use crate::probe::Probe;
use crate::signer::restricted;
use crate::stop::Stop;
use http::Method;

checks! {
    "a coding is delivered as it was sent" Sender ["R8291-4-b"] [Receiving] codings;
    "the fields of aesgcm are delivered" UserAgent ["R8291-old"] [Subscribing Receiving] aesgcm;
}

const TTL: (&str, &str) = ("ttl", "60");
/// The start of a gzip file, then no gzip.
const NO_GZIP: &[u8] = b"\x1f\x8b\x08 no gzip";

async fn codings(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let all: &[&str] = match endpoint.agent {
        Some(_) => &["aes128gcm"],
        None => &["aes128gcm", "gzip", "br", "deflate", "gzip, aes128gcm"],
    };
    for coding in all {
        let sent = probe.push(&endpoint, &[TTL, ("content-encoding", coding)], NO_GZIP).await?;
        let found = format!("{} for Content-Encoding: {coding}", sent.status);
        probe.verify("R8291-4-b", sent.is_success(), "201", found, &sent.transcript);
        if let Some(url) = sent.location() {
            let read = probe.send(Method::GET, &url, &[], "").await?;
            let is_same = read.field("content-encoding") == Some(coding) && read.body == NO_GZIP;
            let found = format!("{:?} with {} bytes", read.field("content-encoding"), read.body.len());
            let expected = format!("{coding} for GET of its URL");
            // To read messages is an option of the service.
            let is_same = is_same || read.status != 200;
            probe.verify("R8291-4-b", is_same, &expected, found, &read.transcript);
        }
    }
    let received = probe.received(&endpoint).await?;
    let found: Vec<_> = received
        .iter()
        .map(|message| {
            (field(&message.headers, "content-encoding").unwrap_or("none"), message.body.as_slice())
        })
        .collect();
    let is_same = found.len() == all.len() && all.iter().all(|coding| found.contains(&(coding, NO_GZIP)));
    let shown: Vec<_> = received.iter().map(|message| message.transcript.clone()).collect();
    let codings: Vec<_> =
        found.iter().map(|(coding, body)| format!("{coding} ({} bytes)", body.len())).collect();
    probe.verify("R8291-4-b", is_same, &all.join(", "), codings.join(", "), &shown.join("\n\n"));
    Ok(())
}

async fn aesgcm(probe: &mut Probe) -> Result<(), Stop> {
    let (endpoint, signer) = restricted(probe).await?;
    let authorization = signer.authorization(probe, &signer.claims(&endpoint))?;
    let crypto_key = format!("dh=BDH;p256ecdsa={}", signer.public());
    let fields = [("content-encoding", "aesgcm"), ("encryption", "salt=AAAA"), ("crypto-key", "dh=BDH")];
    let signed = [TTL, ("authorization", authorization.as_str()), ("crypto-key", crypto_key.as_str())];
    let headers = [&signed[..], &fields[..2]].concat();
    probe.accepted(&endpoint, &headers, "aesgcm").await?;
    let received = probe.received(&endpoint).await?;
    let Some(message) = received.first() else { return Err(Stop::skip("the message did not arrive")) };
    if fields.iter().any(|(name, value)| field(&message.headers, name) != Some(*value)) {
        return Err(Stop::skip("the service does not forward the fields of aesgcm, an option"));
    }
    probe.verify("R8291-old", true, "the fields without p256ecdsa", "", "");
    Ok(())
}
