//! Claim by claim: what RFC 8292 §2 and §4.2 ask of credentials, and what these are.

use super::finding::{Finding, shown};
use super::key::parse_key;
use super::token::Token;
use super::{Credentials, Curve, Form, VerifiedSender, is_within_lifetime};
use crate::problem::Claim;
use crate::problem::Problem;
use crate::sender::VAPID_LIFETIME;
use crate::subscription::SenderKey;
use crate::time::Timestamp;
use serde_json::Value;

/// The only algorithm (RFC 8292 §2).
const ES256: &str = "ES256";

/// What credentials are held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The origin of the push resource, as senders see it.
    pub audience: &'a str,
    /// The present.
    pub now: Timestamp,
}

/// What there is to say about credentials.
#[derive(Clone, Debug)]
pub struct Examination {
    /// One for each claim, in the order of the examination. What could not be looked at is not in it.
    pub findings: Vec<Finding>,
    /// The sender, if every claim holds.
    pub sender: Option<VerifiedSender>,
}

/// Looks at every claim, also when some do not hold.
#[must_use]
pub fn examine(credentials: &Credentials<'_>, expected: Expected<'_>, curve: &impl Curve) -> Examination {
    let form = match credentials.form() {
        Form::Rfc8292 => "scheme vapid with t and k",
        Form::Draft01 => "the form of draft-01, with the key in Crypto-Key",
    };
    let header = Finding::new(Claim::Authorization, true, "one token and one key", form);
    let mut unsigned = Unsigned::read(credentials, expected, curve);
    unsigned.findings.insert(0, header);
    unsigned.check_signature(curve)
}

/// Decides. The signature is looked at last, since checking one is dear and making up a bad one is not.
///
/// # Errors
/// [`Problem::VapidInvalid`] with the first claim that does not hold.
pub fn verify(
    credentials: &Credentials<'_>,
    expected: Expected<'_>,
    curve: &impl Curve,
) -> Result<VerifiedSender, Problem> {
    let mut unsigned = Unsigned::read(credentials, expected, curve);
    if let Some(failing) = take_failing(&mut unsigned.findings) {
        return Err(failing.into());
    }
    let mut examination = unsigned.check_signature(curve);
    examination.sender.ok_or_else(|| {
        let unsigned = || Finding::fails(Claim::Signature, "one that verifies", "none that could be checked");
        take_failing(&mut examination.findings).unwrap_or_else(unsigned).into()
    })
}

fn take_failing(findings: &mut Vec<Finding>) -> Option<Finding> {
    let at = findings.iter().position(|finding| !finding.holds)?;
    Some(findings.swap_remove(at))
}

/// All but the signature.
struct Unsigned<'a> {
    findings: Vec<Finding>,
    key: Option<SenderKey>,
    token: Option<Token<'a>>,
    expires: Option<Timestamp>,
}

impl<'a> Unsigned<'a> {
    fn read(credentials: &'a Credentials<'_>, expected: Expected<'_>, curve: &impl Curve) -> Self {
        let mut findings = Vec::with_capacity(8);
        let key = parse_key(credentials.key(), curve);
        let found = key.map_or_else(|fault| fault.as_str(), |_| "65 bytes on the curve");
        let point = "base64url of an uncompressed P-256 point";
        findings.push(Finding::new(Claim::Key, key.is_ok(), point, found));
        let token = match Token::parse(credentials.token()) {
            Ok(token) => token,
            Err(finding) => {
                findings.push(finding);
                return Self { findings, key: key.ok(), token: None, expires: None };
            }
        };
        let (expiry, expires) = expiry(token.claims.exp.as_ref(), expected.now);
        findings.extend([
            algorithm(token.header.alg.as_ref()),
            audience(token.claims.aud.as_ref(), expected.audience),
            expiry,
            subject(token.claims.sub.as_ref()),
        ]);
        Self { findings, key: key.ok(), token: Some(token), expires }
    }

    fn check_signature(self, curve: &impl Curve) -> Examination {
        let Self { mut findings, key, token, expires } = self;
        if let (Some(key), Some(token)) = (&key, &token)
            && findings.iter().all(|finding| finding.holds || finding.claim != Claim::Algorithm)
        {
            findings.push(signature(key, token, curve));
        }
        let signed = findings.last().is_some_and(|last| last.claim == Claim::Signature);
        let holds = signed && findings.iter().all(|finding| finding.holds);
        let sender = key.zip(expires).filter(|_| holds);
        Examination { findings, sender: sender.map(|(key, expires)| VerifiedSender { key, expires }) }
    }
}

fn algorithm(alg: Option<&Value>) -> Finding {
    let holds = alg.and_then(Value::as_str) == Some(ES256);
    Finding::new(Claim::Algorithm, holds, format!("\"{ES256}\""), json(alg))
}

/// RFC 8292 §2; one string or several (RFC 7519 §4.1.3), compared as they are written.
fn audience(aud: Option<&Value>, origin: &str) -> Finding {
    let holds = match aud {
        Some(Value::String(one)) => one == origin,
        Some(Value::Array(several)) => {
            several.iter().all(Value::is_string) && several.iter().any(|one| one.as_str() == Some(origin))
        }
        _ => false,
    };
    Finding::new(Claim::Audience, holds, format!("\"{origin}\""), json(aud))
}

/// RFC 8292 §2; a number of seconds, perhaps with a fraction (NumericDate, RFC 7519 §2).
fn expiry(exp: Option<&Value>, now: Timestamp) -> (Finding, Option<Timestamp>) {
    let lifetime = VAPID_LIFETIME.as_secs();
    let seconds = now.as_millis() / 1000;
    let expected = format!("a number later than {seconds} (now) and at most {lifetime} s later");
    let Some(Value::Number(number)) = exp else {
        return (Finding::fails(Claim::Expiry, expected, json(exp)), None);
    };
    let millis = match (number.as_u64(), number.as_f64()) {
        (Some(seconds), _) => seconds.saturating_mul(1000),
        // Beyond both ends the nearest number is as wrong as the one that was meant.
        (None, float) => (float.unwrap_or_default() * 1000.0) as u64,
    };
    let expires = Timestamp::from_millis(millis);
    let (ahead, ago) = (now.until(expires).as_secs_f64(), expires.until(now).as_secs_f64());
    let distance = if ago > 0.0 { format!("{ago} s ago") } else { format!("in {ahead} s") };
    let found = format!("{} ({distance})", json(exp));
    (Finding::new(Claim::Expiry, is_within_lifetime(expires, now), expected, found), Some(expires))
}

/// RFC 8292 §2.1: anything or nothing, and nothing that anybody relies on.
fn subject(sub: Option<&Value>) -> Finding {
    Finding::new(Claim::Subject, true, "anything, best a mailto: or https: URL", json(sub))
}

/// RFC 7515 §5.2, RFC 7518 §3.4.
fn signature(key: &SenderKey, token: &Token<'_>, curve: &impl Curve) -> Finding {
    let (holds, found) = match token.signature.as_deref().map(<&[u8; 64]>::try_from) {
        Some(Ok(signature)) if curve.verifies(key, token.signed, signature) => (true, "64 bytes that verify"),
        Some(Ok(_)) => (false, "64 bytes that do not verify"),
        Some(Err(_)) => (false, "another number of bytes than 64"),
        None => (false, "text that is not base64url"),
    };
    Finding::new(Claim::Signature, holds, "64 bytes (r and s) that verify under k", found)
}

fn json(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| shown(&value.to_string()))
}

#[cfg(test)]
mod tests;
