//! Subscriptions that are restricted to one sender (RFC 8292 §4).

use crate::check::checks;
use crate::delivered_message::texts;
use crate::feature::Feature;
use crate::probe::Probe;
use crate::signer::{JOSE, Signer, restricted};
use crate::stop::Stop;
use serde_json::json;
use webpush_core::base64url;

checks! {
    "a restricted subscription takes the messages of its sender only" Sender
        ["R8292-4.1-a" "R8292-4.2-a" "R8292-3-b"] [] sender_only;
    "a restricted subscription refuses each invalid token" Sender
        ["R8292-4.2-b" "R8292-4.2-c" "R8292-4.2-d" "R8292-4.2-e" "R8292-2-b" "R8292-2-c" "R8292-3.2-a"] []
        invalid_tokens;
}

const TTL: (&str, &str) = ("ttl", "60");

async fn sender_only(probe: &mut Probe) -> Result<(), Stop> {
    let (endpoint, signer) = restricted(probe).await?;
    let authorization = signer.authorization(probe, &signer.claims(&endpoint))?;
    let sent = probe.push(&endpoint, &[TTL, ("authorization", &authorization)], "signed").await?;
    let found = format!("{} for a message of its sender", sent.status);
    probe.verify(
        "R8292-4.1-a",
        sent.is_success(),
        "201 for a message of its sender",
        found,
        &sent.transcript,
    );
    let other = Signer::generate(probe)?;
    let foreign = other.authorization(probe, &other.claims(&endpoint))?;
    let refused = probe.push(&endpoint, &[TTL, ("authorization", &foreign)], "of another").await?;
    let is_refused = matches!(refused.status, 400..=499);
    let found = format!("{} for a message of another sender", refused.status);
    probe.verify("R8292-4.1-a", is_refused, "403 or 401 for another sender", found, &refused.transcript);
    let none = ("authorization", "Basic dDpr");
    let refused = probe.push(&endpoint, &[TTL, none], "unsigned").await?;
    let is_refused = matches!(refused.status, 400..=499);
    let found = refused.status.to_string();
    probe.verify("R8292-4.2-a", is_refused, "401 without a token", found, &refused.transcript);
    if !is_refused {
        return Err(Stop::skip("the service takes messages without a token"));
    }
    let challenge = refused.field("www-authenticate").unwrap_or_default().to_ascii_lowercase();
    let is_asked = refused.status != 401 || challenge.contains("vapid");
    let found = format!("{} with WWW-Authenticate: {challenge}", refused.status);
    let expected = "401 with WWW-Authenticate: vapid";
    probe.verify("R8292-3-b", is_asked, expected, found, &refused.transcript);
    let of_proxy = [TTL, none, ("proxy-authorization", &authorization)];
    let refused = probe.push(&endpoint, &of_proxy, "for a proxy").await?;
    let is_refused = matches!(refused.status, 400..=499);
    let found = format!("{} for a token in Proxy-Authorization", refused.status);
    probe.verify("R8292-3-b", is_refused, "401", found, &refused.transcript);
    if probe.offers(Feature::Receiving) {
        let received = texts(&probe.received(&endpoint).await?);
        let found = format!("{received:?}");
        let expected = "the message of its sender only";
        probe.verify("R8292-4.2-a", received == ["signed"], expected, found, &sent.transcript);
    }
    Ok(())
}

async fn invalid_tokens(probe: &mut Probe) -> Result<(), Stop> {
    let (endpoint, signer) = restricted(probe).await?;
    let valid = signer.authorization(probe, &signer.claims(&endpoint))?;
    let sent = probe.push(&endpoint, &[TTL, ("authorization", "Basic dDpr")], "unsigned").await?;
    if sent.is_success() {
        return Err(Stop::skip("the service does not restrict subscriptions"));
    }
    let sent = probe.push(&endpoint, &[TTL, ("authorization", &valid)], "signed").await?;
    if !sent.is_success() {
        return Err(Stop::skip(format!("the service refuses the valid token with {}", sent.status)));
    }
    let other = Signer::generate(probe)?;
    let (origin, key, end) = (endpoint.push.origin(), signer.public(), signer.seconds(3600));
    let claims = signer.claims(&endpoint);
    let token = signer.token(probe, JOSE, &claims)?;
    let with = |aud: &str, exp: i64| signer.authorization(probe, &json!({"aud": aud, "exp": exp}));
    let by = |alg: &str| signer.token(probe, &format!(r#"{{"typ":"JWT","alg":"{alg}"}}"#), &claims);
    let off_curve = base64url::encode([4; 65]);
    let cases = [
        ("R8292-4.2-b", format!("vapid t=x.y.z, k={key}")),
        ("R8292-4.2-c", format!("vapid t={token}")),
        ("R8292-4.2-c", format!("vapid k={key}")),
        ("R8292-4.2-c", format!("vapid t={}, k={key}", other.token(probe, JOSE, &claims)?)),
        ("R8292-4.2-d", with(&origin, signer.seconds(-7200))?),
        ("R8292-4.2-d", with(&origin, signer.seconds(25 * 3600))?),
        ("R8292-2-b", signer.authorization(probe, &json!({"aud": origin}))?),
        ("R8292-2-c", format!("vapid t={}, k={key}", by("none")?)),
        ("R8292-2-c", format!("vapid t={}, k={key}", by("HS256")?)),
        ("R8292-3.2-a", format!("vapid t={token}, k={off_curve}")),
        ("R8292-4.2-e", with("https://elsewhere.example", end)?),
        ("R8292-4.2-e", other.authorization(probe, &claims)?),
    ];
    for (id, authorization) in cases {
        let sent = probe.push(&endpoint, &[TTL, ("authorization", &authorization)], "forged").await?;
        let is_refused = matches!(sent.status, 400..=499);
        probe.verify(id, is_refused, "403 or 401", sent.status.to_string(), &sent.transcript);
    }
    Ok(())
}
