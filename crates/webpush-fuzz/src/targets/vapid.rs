//! VAPID credentials: headers, tokens, claims, and the options of a subscription.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use std::time::Duration;
use webpush_core::base64url;
use webpush_core::sender::{
    ClaimCheck, Credentials, Curve, Expected, VAPID_LEEWAY, examine, parse_key, parse_restriction, verify,
};
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;

use super::request;

pub(super) const TOKENS: &[&[u8]] = &[
    b"authorization: vapid t=",
    b"authorization: WebPush ",
    b"crypto-key: p256ecdsa=",
    b", k=",
    b"\"",
    b"\\",
    b".",
    b"{\"alg\":\"ES256\"}",
    b"\"aud\":\"https://push.example\"",
    b"\"exp\":1800000060",
    b"\"exp\":\"1800000060\"",
    b"\"sub\":",
    b"\"crit\":[]",
    b"[",
    b"]",
    b"1e99",
    b"-1",
    b":443",
    b"https://fcm.googleapis.com",
    b"content-type: application/webpush-options+json\n",
    b"{\"vapid\":\"",
];
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ORIGIN: &str = "https://push.example";
/// Text of a check, which is repeated in responses.
const TEXT_BYTES: usize = 1400;

pub(super) fn run(input: &[u8]) {
    let (headers, body) = request::read(input);
    if let Ok(Some(credentials)) = Credentials::parse(&headers) {
        assert!(credentials.token().len() <= 4096 && credentials.key().len() <= 128);
        assert_consistent(&credentials);
    }
    if let Ok(Some(key)) = parse_restriction(&headers, &body, &Checksums) {
        assert!(headers.contains_key(CONTENT_TYPE));
        let options: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(parse_key(options["vapid"].as_str().unwrap(), &Checksums), Ok(key));
    }
    signed(input);
}

fn expected() -> Expected<'static> {
    Expected { audience: ORIGIN, also: &[], google_as_well: false, now: NOW, leeway: VAPID_LEEWAY }
}

/// Verification and diagnosis agree, and the texts of checks are short and printable.
fn assert_consistent(credentials: &Credentials<'_>) -> bool {
    let (verified, examined) =
        (verify(credentials, expected(), &Checksums), examine(credentials, expected(), &Checksums));
    assert_eq!(verified.as_ref().ok(), examined.sender.as_ref());
    assert_eq!(verified.is_err(), examined.checks.iter().any(|check| !check.passed));
    for ClaimCheck { expected, found, .. } in &examined.checks {
        for text in [expected, found] {
            assert!(
                text.len() <= TEXT_BYTES && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{text}"
            );
        }
    }
    verified.is_ok_and(|sender| sender.is_valid_at(NOW, VAPID_LEEWAY))
}

/// The first line is the header of a token, the rest are its claims. The token is signed, then changed.
fn signed(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let key = key();
    let signed = format!("{}.{}", base64url::encode(header), base64url::encode(claims));
    let signature = sign(&key, signed.as_bytes());
    let Some(headers) = credentials(&signed, &signature, &key) else { return };
    let Ok(Some(credentials)) = Credentials::parse(&headers) else {
        assert!(signed.len() + 88 > 4096);
        return;
    };
    let is_valid = assert_consistent(&credentials);
    if let Some(expected) = is_valid_token(header, claims) {
        assert_eq!(is_valid, expected);
    }
    if is_valid {
        let mut other = signature;
        other[usize::from(input[0]) % 64] ^= 1;
        let headers = self::credentials(&signed, &other, &key).unwrap();
        assert!(
            !assert_consistent(&Credentials::parse(&headers).unwrap().unwrap()),
            "a changed signature is valid"
        );
    }
}

/// Returns whether a token is valid by the rules of RFC 8292 §2, for claims that this model can tell.
fn is_valid_token(header: &[u8], claims: &[u8]) -> Option<bool> {
    let (Ok(header), Ok(claims)) =
        (serde_json::from_slice::<Value>(header), serde_json::from_slice::<Value>(claims))
    else {
        return Some(false);
    };
    if !header.is_object() || !claims.is_object() {
        return Some(false);
    }
    let audience = match &claims["aud"] {
        Value::String(audience) if audience == ORIGIN => true,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        // Other spellings of the origin, and lists.
        Value::String(_) | Value::Array(_) => return None,
    };
    // A member that occurs twice is refused, which this parser does not see.
    let expires = match &claims["exp"] {
        Value::Number(number) => number.as_u64()?,
        Value::String(_) => return None,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => 0,
    };
    let now = NOW.as_millis() / 1000;
    let leeway = VAPID_LEEWAY.as_secs();
    let in_time = expires.saturating_add(leeway) > now
        && expires <= now + Duration::from_secs(86_400).as_secs() + leeway;
    let is_good = header["alg"] == "ES256" && header["crit"].is_null() && audience && in_time;
    // Only a refusal is certain: members may occur twice.
    (!is_good).then_some(false)
}

fn credentials(signed: &str, signature: &[u8; 64], key: &SenderKey) -> Option<HeaderMap> {
    let value = format!("vapid t={signed}.{}, k={}", base64url::encode(signature), base64url::encode(key.0));
    Some(HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).ok()?)]))
}

fn key() -> SenderKey {
    let mut point = [7; 65];
    point[0] = 4;
    SenderKey(point)
}

fn sign(key: &SenderKey, message: &[u8]) -> [u8; 64] {
    let mut signature = [key.0[1]; 64];
    for (at, byte) in message.iter().enumerate() {
        signature[at % 64] = signature[at % 64].rotate_left(3) ^ byte;
    }
    signature
}

/// A curve whose signatures are checksums, so that they cost little.
struct Checksums;

impl Curve for Checksums {
    fn contains(&self, point: &[u8; 65]) -> bool {
        point[1] != 255
    }

    fn verifies(&self, key: &SenderKey, message: &[u8], signature: &[u8; 64]) -> bool {
        *signature == sign(key, message)
    }
}
