//! Checks credentials claim by claim (RFC 8292 §2, §4.2).

use super::claim_check::{ClaimCheck, printable};
use super::key::parse_key;
use super::token::Token;
use super::{Credentials, CredentialsForm, Curve, VerifiedSender, is_within_lifetime};
use crate::origin::UrlOrigin;
use crate::problem::Claim;
use crate::problem::Problem;
use crate::sender::VAPID_LIFETIME;
use crate::subscription::SenderKey;
use crate::time::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// The only algorithm (RFC 8292 §2).
const ES256: &str = "ES256";

/// The expected audience and the current time.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The public origin of the push service.
    pub audience: &'a str,
    /// Its other origins.
    pub also: &'a [String],
    /// True if the audience may also be Google's push service.
    pub google_as_well: bool,
    /// The current time.
    pub now: Timestamp,
    /// Tolerance for differences between the clocks of sender and server.
    pub leeway: Duration,
}

/// The results of all checks on credentials.
#[derive(Clone, Debug)]
pub struct Examination {
    /// The checks, in order. Claims that could not be checked are missing.
    pub checks: Vec<ClaimCheck>,
    /// The sender, if all checks passed.
    pub sender: Option<VerifiedSender>,
}

/// Checks every claim, for diagnosis. Unlike [`verify`] it does not stop at the first failure.
#[must_use]
pub fn examine(credentials: &Credentials<'_>, expected: Expected<'_>, curve: &impl Curve) -> Examination {
    let form = match credentials.form() {
        CredentialsForm::Rfc8292 => "scheme vapid with t and k",
        CredentialsForm::Draft01 => "the form of draft-01, with the key in Crypto-Key",
    };
    let header = ClaimCheck::new(Claim::Authorization, true, "one token and one key", form);
    let mut unsigned = Unsigned::check(credentials, expected, curve);
    unsigned.checks.insert(0, header);
    unsigned.check_signature(curve)
}

/// Verifies credentials.
///
/// The signature is checked last, because that is expensive and anyone can send an invalid one.
///
/// # Errors
/// [`Problem::VapidInvalid`] with the first invalid claim.
pub fn verify(
    credentials: &Credentials<'_>,
    expected: Expected<'_>,
    curve: &impl Curve,
) -> Result<VerifiedSender, Problem> {
    let mut unsigned = Unsigned::check(credentials, expected, curve);
    if let Some(failed) = take_failed(&mut unsigned.checks) {
        return Err(failed.into());
    }
    let mut examination = unsigned.check_signature(curve);
    examination.sender.ok_or_else(|| {
        let unsigned = || ClaimCheck::failed(Claim::Signature, "a valid signature", "none");
        take_failed(&mut examination.checks).unwrap_or_else(unsigned).into()
    })
}

fn take_failed(checks: &mut Vec<ClaimCheck>) -> Option<ClaimCheck> {
    let at = checks.iter().position(|check| !check.passed)?;
    Some(checks.swap_remove(at))
}

/// Credentials with every claim checked except the signature.
struct Unsigned<'a> {
    checks: Vec<ClaimCheck>,
    key: Option<SenderKey>,
    token: Option<Token<'a>>,
    expires: Option<Timestamp>,
}

impl<'a> Unsigned<'a> {
    fn check(credentials: &'a Credentials<'_>, expected: Expected<'_>, curve: &impl Curve) -> Self {
        let mut checks = Vec::with_capacity(8);
        let key = parse_key(credentials.key(), curve);
        let found = key.map_or_else(|error| error.as_str(), |_| "65 bytes on the curve");
        let point = "base64url of an uncompressed P-256 point";
        checks.push(ClaimCheck::new(Claim::Key, key.is_ok(), point, found));
        let token = match Token::parse(credentials.token()) {
            Ok(token) => token,
            Err(failed) => {
                checks.push(failed);
                return Self { checks, key: key.ok(), token: None, expires: None };
            }
        };
        let (expiry, expires) = expiry(token.claims.exp.as_ref(), expected);
        checks.extend([
            algorithm(token.header.alg.as_ref()),
            audience(token.claims.aud.as_ref(), expected),
            expiry,
            subject(token.claims.sub.as_ref()),
        ]);
        Self { checks, key: key.ok(), token: Some(token), expires }
    }

    fn check_signature(self, curve: &impl Curve) -> Examination {
        let Self { mut checks, key, token, expires } = self;
        if let (Some(key), Some(token)) = (&key, &token)
            && checks.iter().all(|check| check.passed || check.claim != Claim::Algorithm)
        {
            checks.push(signature(key, token, curve));
        }
        let signed = checks.last().is_some_and(|last| last.claim == Claim::Signature);
        let passed = signed && checks.iter().all(|check| check.passed);
        let sender = key.zip(expires).filter(|_| passed);
        Examination { checks, sender: sender.map(|(key, expires)| VerifiedSender { key, expires }) }
    }
}

fn algorithm(alg: Option<&Value>) -> ClaimCheck {
    let passed = alg.and_then(Value::as_str) == Some(ES256);
    ClaimCheck::new(Claim::Algorithm, passed, format!("\"{ES256}\""), json(alg))
}

/// RFC 8292 §2: a string or an array of strings (RFC 7519 §4.1.3).
fn audience(aud: Option<&Value>, expected: Expected<'_>) -> ClaimCheck {
    let origin = expected.audience;
    let is_audience = |one: &str| {
        is_audience(one, origin)
            || expected.google_as_well && is_google(one)
            || expected.also.iter().any(|also| is_audience(one, also))
    };
    let passed = match aud {
        Some(Value::String(one)) => is_audience(one),
        Some(Value::Array(several)) => {
            several.iter().all(Value::is_string) && several.iter().filter_map(Value::as_str).any(is_audience)
        }
        _ => false,
    };
    ClaimCheck::new(Claim::Audience, passed, format!("\"{origin}\""), json(aud))
}

/// Returns true if an audience is the public origin.
///
/// Its port may be missing: several deployed libraries sign for scheme and host only.
fn is_audience(audience: &str, origin: &str) -> bool {
    audience == origin
        || UrlOrigin::parse(audience)
            .zip(UrlOrigin::parse(origin))
            .is_some_and(|(audience, origin)| audience.is_same(&origin) || audience.is_host_of(&origin))
}

/// Returns true if an audience is the origin of a push URL that Chromium gives to websites.
///
/// Builds without Google's keys have a host of their own, `jmt17.google.com`.
fn is_google(audience: &str) -> bool {
    let Some(origin) = UrlOrigin::parse(audience).filter(UrlOrigin::is_default_https) else { return false };
    let number = origin.host().strip_prefix("jmt").and_then(|rest| rest.strip_suffix(".google.com"));
    let is_numbered = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    origin.host() == "fcm.googleapis.com" || number.is_some_and(is_numbered)
}

/// RFC 8292 §2: the end of the token.
fn expiry(exp: Option<&Value>, expected: Expected<'_>) -> (ClaimCheck, Option<Timestamp>) {
    let Expected { now, leeway, .. } = expected;
    let lifetime = VAPID_LIFETIME.as_secs();
    let seconds = now.as_millis() / 1000;
    let expected = format!("a number later than {seconds} (now) and at most {lifetime} s later");
    let Some(expires) = exp.and_then(numeric_date) else {
        return (ClaimCheck::failed(Claim::Expiry, expected, json(exp)), None);
    };
    let (ahead, ago) = (now.until(expires).as_secs_f64(), expires.until(now).as_secs_f64());
    let distance = if ago > 0.0 { format!("{ago} s ago") } else { format!("in {ahead} s") };
    let found = format!("{} ({distance})", json(exp));
    (ClaimCheck::new(Claim::Expiry, is_within_lifetime(expires, now, leeway), expected, found), Some(expires))
}

/// Parses a number of seconds, possibly with a fraction (NumericDate, RFC 7519 §2).
///
/// A string of digits is one too: py-vapid 1.5 to 1.8 writes that.
fn numeric_date(value: &Value) -> Option<Timestamp> {
    let millis = match value {
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(seconds), _) => seconds.saturating_mul(1000),
            // The cast saturates, and both limits are invalid.
            (None, float) => (float.unwrap_or_default() * 1000.0) as u64,
        },
        Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u64>().ok()?.saturating_mul(1000)
        }
        _ => return None,
    };
    Some(Timestamp::from_millis(millis))
}

/// RFC 8292 §2.1: optional and not restricted.
fn subject(sub: Option<&Value>) -> ClaimCheck {
    ClaimCheck::new(Claim::Subject, true, "a mailto: or https: URL (recommended)", json(sub))
}

/// RFC 7515 §5.2, RFC 7518 §3.4.
fn signature(key: &SenderKey, token: &Token<'_>, curve: &impl Curve) -> ClaimCheck {
    let (passed, found) = match token.signature.as_deref().map(<&[u8; 64]>::try_from) {
        Some(Ok(signature)) if curve.verifies(key, token.signed, signature) => (true, "64 bytes that verify"),
        Some(Ok(_)) => (false, "64 bytes that do not verify"),
        Some(Err(_)) => (false, "a length other than 64 bytes"),
        None => (false, "text that is not base64url"),
    };
    ClaimCheck::new(Claim::Signature, passed, "64 bytes (r and s) that verify under k", found)
}

fn json(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| printable(&value.to_string()))
}

#[cfg(test)]
mod tests;
