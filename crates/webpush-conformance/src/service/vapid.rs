//! Tokens of senders in every valid form, and what becomes of them (RFC 8292).

use crate::check::checks;
use crate::probe::Probe;
use crate::signer::{JOSE, OPTIONS, Signer, restricted};
use crate::stop::Stop;
use http::{HeaderMap, Method};
use serde_json::json;
use webpush_core::base64url;

checks! {
    "every valid form of a token is accepted" Sender
        ["R8292-2-a" "R8292-2.1-a" "R8292-2.2-a" "R8292-3-a"] [] valid_forms;
    "an invalid token is refused on any subscription" Sender ["R8292-2-d"] [] unrestricted;
    "the user agent sees neither token nor key" Sender ["R8292-4.2-f"] [Receiving] not_forwarded;
    "the key of the token must not encrypt" Sender ["R8292-3.2-b"] [] same_key;
    "credentials of the older drafts" Sender ["R8292-old" "R8292-4.2-f"] [] drafts;
    "options of another type, and unknown options, are ignored" UserAgent
        ["R8292-4.1-b" "R8292-4.1-c"] [Subscribing] ignored_options;
    "malformed options are refused" UserAgent ["R8292-4.1-d"] [Subscribing] malformed_options;
    "the type of the options may have any case and parameters" UserAgent
        ["R8292-4.1-a"] [Subscribing] media_type;
}

const TTL: (&str, &str) = ("ttl", "60");

async fn valid_forms(probe: &mut Probe) -> Result<(), Stop> {
    let (endpoint, signer) = restricted(probe).await?;
    let (origin, key) = (endpoint.push.origin(), signer.public());
    let token = signer.token(probe, JOSE, &signer.claims(&endpoint))?;
    let array = json!({"aud": ["https://elsewhere.example", origin], "exp": signer.seconds(3600), "sub": "mailto:a@example.net"});
    let minimal = json!({"aud": origin, "exp": signer.seconds(3600)});
    let extra = json!({"aud": origin, "exp": signer.seconds(3600), "iat": signer.seconds(0), "jti": "x", "sub": "mailto:a@example.net"});
    let forms = [
        ("R8292-3-a", format!("vapid t={token}, k={key}")),
        ("R8292-3-a", format!("vapid t={token},k={key}")),
        ("R8292-3-a", format!("VAPID k={key}, t={token}")),
        ("R8292-3-a", format!("vapid realm=\"a, b\", t=\"{token}\", x=1, k={key}")),
        ("R8292-2-a", signer.authorization(probe, &array)?),
        ("R8292-2.1-a", signer.authorization(probe, &minimal)?),
        ("R8292-2.2-a", signer.authorization(probe, &extra)?),
    ];
    for (id, authorization) in forms {
        let sent = probe.push(&endpoint, &[TTL, ("authorization", &authorization)], "signed").await?;
        let found = sent.status.to_string();
        probe.verify(id, sent.is_success(), "201", found, &sent.transcript);
    }
    Ok(())
}

async fn unrestricted(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let signer = Signer::new(probe)?;
    let claims = json!({"aud": "https://elsewhere.example", "exp": signer.seconds(3600)});
    let authorization = signer.authorization(probe, &claims)?;
    let sent = probe.push(&endpoint, &[TTL, ("authorization", &authorization)], "for another").await?;
    if sent.is_success() {
        return Err(Stop::skip(
            "the service ignores tokens on subscriptions that are not restricted, an option",
        ));
    }
    let is_refused = matches!(sent.status, 400..=499);
    probe.verify("R8292-2-d", is_refused, "403 or 401", sent.status.to_string(), &sent.transcript);
    Ok(())
}

async fn not_forwarded(probe: &mut Probe) -> Result<(), Stop> {
    let (endpoint, signer) = restricted(probe).await?;
    let key = signer.public();
    let authorization = signer.authorization(probe, &signer.claims(&endpoint))?;
    let crypto_key = format!("dh=BDH;p256ecdsa={key}");
    let headers = [TTL, ("authorization", authorization.as_str()), ("crypto-key", crypto_key.as_str())];
    let sent = probe.accepted(&endpoint, &headers, "signed").await?;
    let received = probe.received(&endpoint).await?;
    let Some(message) = received.first() else { return Err(Stop::skip("the message did not arrive")) };
    let hides = |headers: &HeaderMap| {
        let shown = format!("{headers:?}");
        !shown.contains(&key) && !shown.contains("eyJ") && !headers.contains_key("authorization")
    };
    let is_hidden = hides(&message.request_headers) && hides(&message.headers);
    let expected = "neither token nor key in the delivered message";
    probe.verify("R8292-4.2-f", is_hidden, expected, "one of them", &message.transcript);
    if let Some(url) = sent.location() {
        let read = probe.send(Method::GET, &url, &[], "").await?;
        let is_hidden = hides(&read.headers);
        let expected = "neither token nor key for GET of the message";
        probe.verify("R8292-4.2-f", is_hidden, expected, "one of them", &read.transcript);
    }
    Ok(())
}

async fn same_key(probe: &mut Probe) -> Result<(), Stop> {
    let (endpoint, signer) = restricted(probe).await?;
    let authorization = signer.authorization(probe, &signer.claims(&endpoint))?;
    let other = Signer::generate(probe)?.public();
    // The header of RFC 8188: salt, record size, and the key of the sender.
    let body = |key: &str| {
        let key = base64url::decode_lenient(key).unwrap_or_default();
        [&[7; 16][..], &4096_u32.to_be_bytes(), &[65], &key, &[0; 40]].concat()
    };
    let headers = [TTL, ("authorization", authorization.as_str()), ("content-encoding", "aes128gcm")];
    let sent = probe.push(&endpoint, &headers, body(&signer.public())).await?;
    probe.verify_status("R8292-3.2-b", &sent, &[400]);
    let sent = probe.push(&endpoint, &headers, body(&other)).await?;
    let found = sent.status.to_string();
    probe.verify("R8292-3.2-b", sent.is_success(), "201 for another key", found, &sent.transcript);
    let [same, other] = [signer.public(), other].map(|key| format!("dh={key}"));
    let fields = [headers[0], headers[1], ("content-encoding", "aesgcm"), ("encryption", "salt=AAAA")];
    let [with_other, with_same] =
        [&other, &same].map(|dh| [&fields[..], &[("crypto-key", dh.as_str())]].concat());
    if probe.push(&endpoint, &with_other, "aesgcm").await?.is_success() {
        let sent = probe.push(&endpoint, &with_same, "aesgcm").await?;
        probe.verify_status("R8292-3.2-b", &sent, &[400]);
    }
    Ok(())
}

async fn drafts(probe: &mut Probe) -> Result<(), Stop> {
    let (endpoint, signer) = restricted(probe).await?;
    let token = signer.token(probe, JOSE, &signer.claims(&endpoint))?;
    let (authorization, crypto_key) =
        (format!("WebPush {token}"), format!("dh=BDH;p256ecdsa={}", signer.public()));
    let headers = [
        TTL,
        ("authorization", authorization.as_str()),
        ("crypto-key", crypto_key.as_str()),
        ("encryption", "salt=AAAAAAAAAAAAAAAAAAAAAA"),
        ("content-encoding", "aesgcm"),
    ];
    let sent = probe.push(&endpoint, &headers, "as in a draft").await?;
    if !sent.is_success() {
        return Err(Stop::skip("the service does not accept the older form, an option"));
    }
    probe.verify("R8292-old", true, "201", "", "");
    let received = probe.received(&endpoint).await?;
    let Some(message) = received.first() else { return Err(Stop::skip("the message did not arrive")) };
    let shown = format!("{:?} {:?}", message.request_headers, message.headers);
    let is_hidden = !shown.contains(&signer.public()) && !shown.contains("eyJ");
    let expected = "neither token nor key in the delivered message";
    probe.verify("R8292-4.2-f", is_hidden, expected, "one of them", &message.transcript);
    Ok(())
}

async fn ignored_options(probe: &mut Probe) -> Result<(), Stop> {
    let key = Signer::generate(probe)?.public();
    let options = json!({"vapid": key}).to_string();
    let bodies = [
        (Some("application/json"), options.as_str()),
        (Some("application/json"), "{broken"),
        (Some("text/plain"), "x"),
        (None, "{broken"),
    ];
    for (content_type, body) in bodies {
        let headers: Vec<_> = content_type.iter().map(|value| ("content-type", *value)).collect();
        let made = probe.subscribe_with(&headers, body.to_owned()).await?;
        let found = made.status.to_string();
        probe.verify("R8292-4.1-b", made.is_success(), "201", found, &made.transcript);
        if let Ok(endpoint) = probe.read_endpoint(&made) {
            let sent = probe.push(&endpoint, &[TTL], "unsigned").await?;
            let found = format!("{} for a message without a token", sent.status);
            probe.verify(
                "R8292-4.1-b",
                sent.is_success(),
                "an unrestricted subscription",
                found,
                &sent.transcript,
            );
        }
    }
    let made = probe.subscribe_with(&[OPTIONS], json!({"other": [1]}).to_string()).await?;
    let found = made.status.to_string();
    probe.verify("R8292-4.1-c", made.is_success(), "201", found, &made.transcript);
    Ok(())
}

async fn malformed_options(probe: &mut Probe) -> Result<(), Stop> {
    let key = Signer::generate(probe)?.public();
    for wrong in [
        "{broken".to_owned(),
        String::new(),
        json!([key]).to_string(),
        json!({"vapid": 7}).to_string(),
        json!({"vapid": &key[1..]}).to_string(),
        json!({"vapid": base64url::encode([4; 65])}).to_string(),
    ] {
        let made = probe.subscribe_with(&[OPTIONS], wrong).await?;
        probe.verify_status("R8292-4.1-d", &made, &[400]);
    }
    Ok(())
}

async fn media_type(probe: &mut Probe) -> Result<(), Stop> {
    let (signer, other) = (Signer::generate(probe)?, Signer::generate(probe)?);
    let media_type = ("content-type", "Application/WebPush-Options+JSON; charset=utf-8");
    let options = json!({"vapid": signer.public(), "other": [1]}).to_string();
    let made = probe.subscribe_with(&[media_type], options).await?;
    let endpoint = probe.read_endpoint(&made)?;
    for (signer, expected) in [(&signer, "201 for its sender"), (&other, "403 or 401 for another sender")] {
        let authorization = signer.authorization(probe, &signer.claims(&endpoint))?;
        let sent = probe.push(&endpoint, &[TTL, ("authorization", &authorization)], "signed").await?;
        let is_right = if expected.starts_with('2') { sent.is_success() } else { sent.status / 100 == 4 };
        probe.verify("R8292-4.1-a", is_right, expected, sent.status.to_string(), &sent.transcript);
    }
    Ok(())
}
