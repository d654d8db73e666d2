//! The credentials of a message (RFC 8292).

use super::endpoint::TrialSubscription;
use super::request::SenderRequest;
use crate::verdicts::Verdicts;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use webpush_client::encryption::PUBLIC_KEY_BYTES;
use webpush_core::base64url;
use webpush_core::sender::{Credentials, CredentialsForm, Curve, parse_key};
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;

/// The longest lifetime of a token, in seconds (RFC 8292 §2).
const LIFETIME: f64 = 24.0 * 3600.0;
/// Tolerates senders that round up.
const ROUNDING: f64 = 1.0;
/// Maximum number of tokens that are counted.
const MOST_TOKENS: usize = 10_000;

/// The tokens of a sender.
#[derive(Debug, Default)]
pub(super) struct TokenCount {
    pub(super) messages: usize,
    pub(super) tokens: BTreeSet<String>,
}

/// A request with the context of its token.
pub(super) struct TokenContext<'a> {
    pub(super) subscription: &'a TrialSubscription,
    pub(super) request: &'a SenderRequest<'a>,
    /// The key that the message is encrypted with.
    pub(super) message_key: Option<[u8; PUBLIC_KEY_BYTES]>,
    /// The origin of the push resource.
    pub(super) origin: &'a str,
    pub(super) now: Timestamp,
    pub(super) exchange: &'a str,
}

/// Checks the credentials of a request.
pub(super) fn check(
    verdicts: &mut Verdicts,
    count: &mut TokenCount,
    curve: &impl Curve,
    context: &TokenContext<'_>,
) {
    let TokenContext { subscription, request, exchange, .. } = context;
    let credentials = credentials(verdicts, request.headers, exchange);
    let Some(credentials) = credentials else {
        if subscription.restricted_to.is_some() {
            verdicts.fail("S8292-4.2-a", "a token of the key of the subscription", "no token", exchange);
        }
        return;
    };
    count.messages += 1;
    if count.tokens.len() < MOST_TOKENS {
        count.tokens.insert(credentials.token().to_owned());
    }
    let parsed = parse_key(credentials.key(), curve);
    let is_strict = base64url::decode(credentials.key()).is_some();
    let found = || parsed.map_or_else(|error| error.as_str(), |_| "padding").to_owned();
    verdicts.check("S8292-3.2-a", parsed.is_ok() && is_strict, "65 bytes on the curve", found, exchange);
    if let Ok(key) = &parsed {
        if let Some(restricted_to) = &subscription.restricted_to {
            let found = || "another key".to_owned();
            verdicts.check(
                "S8292-4.2-a",
                key == restricted_to,
                "the key of the subscription",
                found,
                exchange,
            );
        }
        if let Some(message_key) = context.message_key {
            let found = || "the same key".to_owned();
            let differs = key.0 != message_key;
            verdicts.check("S8292-3.2-b", differs, "different keys in k and in the body", found, exchange);
        }
    }
    let Some(token) = Jwt::parse(credentials.token()) else {
        let expected = "three parts in base64url without padding, two of them JSON objects";
        return verdicts.fail("S8292-2-e", expected, "another form", exchange);
    };
    verdicts.pass("S8292-2-e");
    let alg = token.header.get("alg");
    let is_es256 = alg.and_then(Value::as_str) == Some("ES256");
    verdicts.check("S8292-2-a", is_es256, "\"alg\":\"ES256\"", || shown(alg), exchange);
    if let (Ok(key), true) = (&parsed, is_es256) {
        check_signature(verdicts, curve, key, &token, exchange);
    }
    check_claims(verdicts, &token.claims, context);
}

/// Returns the credentials, if a request has any that can be read.
fn credentials<'a>(
    verdicts: &mut Verdicts,
    headers: &'a HeaderMap,
    exchange: &str,
) -> Option<Credentials<'a>> {
    const ID: &str = "S8292-3-a";
    const EXPECTED: &str = "Authorization: vapid t=..., k=...";
    let authorization = headers.get(AUTHORIZATION)?;
    match Credentials::parse(headers) {
        Ok(Some(credentials)) => {
            let is_final = credentials.form() == CredentialsForm::Rfc8292;
            let found =
                || "the form of the draft webpush-vapid-01 (2016), with the key in Crypto-Key".to_owned();
            verdicts.check(ID, is_final, EXPECTED, found, exchange);
            Some(credentials)
        }
        Ok(None) => {
            let value = String::from_utf8_lossy(authorization.as_bytes());
            let scheme = value.split(' ').next().unwrap_or_default();
            verdicts.fail(ID, EXPECTED, format!("the scheme {scheme}"), exchange);
            None
        }
        Err(check) => {
            verdicts.fail(ID, EXPECTED, check.to_string(), exchange);
            None
        }
    }
}

/// A token whose parts were decoded strictly.
struct Jwt<'a> {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| serde_json::from_slice(&base64url::decode(part)?).ok();
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            signed: signed.as_bytes(),
            signature: base64url::decode(signature)?,
        })
    }
}

fn check_signature(
    verdicts: &mut Verdicts,
    curve: &impl Curve,
    key: &SenderKey,
    token: &Jwt<'_>,
    exchange: &str,
) {
    let signature = <&[u8; 64]>::try_from(token.signature.as_slice());
    let verifies = signature.is_ok_and(|signature| curve.verifies(key, token.signed, signature));
    let found = || match token.signature.len() {
        64 => "64 bytes that do not verify".to_owned(),
        length => format!("{length} bytes"),
    };
    verdicts.check("S8292-4.2-b", verifies, "64 bytes that verify under k", found, exchange);
}

fn check_claims(verdicts: &mut Verdicts, claims: &Map<String, Value>, context: &TokenContext<'_>) {
    let TokenContext { origin, now, exchange, .. } = context;
    let aud = claims.get("aud");
    let is_ours = match aud {
        Some(Value::String(one)) => one == origin,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(*origin)),
        _ => false,
    };
    verdicts.check("S8292-2-b", is_ours, &format!("\"{origin}\""), || shown(aud), exchange);

    let exp = claims.get("exp");
    let seconds = exp.filter(|exp| exp.is_number()).and_then(Value::as_f64);
    // A double is exact to far beyond this millennium.
    let now = now.as_millis() as f64 / 1000.0;
    let ahead = seconds.map(|seconds| seconds - now);
    let is_future = ahead.is_some_and(|ahead| ahead > 0.0);
    let expected = format!("a number greater than {now:.0}");
    verdicts.check("S8292-2-c", is_future, &expected, || shown(exp), exchange);
    if let Some(ahead) = ahead.filter(|ahead| *ahead > 0.0) {
        let is_near = ahead <= LIFETIME + ROUNDING;
        let found = || format!("{} ({ahead:.0} s ahead)", shown(exp));
        verdicts.check("S8292-2-d", is_near, "at most 86400 s ahead", found, exchange);
    }

    let sub = claims.get("sub");
    let found = || "no sub".to_owned();
    verdicts.check("S8292-2.1-b", sub.is_some(), "a sub", found, exchange);
    if let Some(value) = sub {
        let is_contact = value.as_str().is_some_and(is_contact);
        verdicts.check("S8292-2.1-a", is_contact, "mailto:... or https://...", || shown(sub), exchange);
    }
}

/// Returns true for a mailto: URL with an address, and for an https: URL with a host.
fn is_contact(sub: &str) -> bool {
    let is_clean = !sub.chars().any(|character| character.is_whitespace() || matches!(character, '<' | '>'));
    let has_address = || sub.strip_prefix("mailto:").is_some_and(|address| address.contains('@'));
    let has_host = || sub.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    is_clean && (has_address() || has_host())
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), Value::to_string)
}
