//! Checks the VAPID credentials of a request as strictly as vendors do.

use super::PushRequest;
use serde::Deserialize;
use serde_json::Value;
use webpush_core::base64url;
use webpush_core::sender::{
    Claim, Credentials, CredentialsForm, Expected, SenderKeyError, VAPID_LEEWAY, examine, parse_key,
};
use webpush_service::p256::P256;

/// Maximum remaining lifetime of a token (RFC 8292 §2), in seconds.
const LIFETIME_SECONDS: f64 = 24.0 * 3600.0;

/// The first fault of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VapidFault {
    /// There are none.
    Missing,
    /// The header is malformed, or there are several.
    Authorization,
    /// The header has no key.
    NoKey,
    /// The key is malformed.
    Key(SenderKeyError),
    /// The token is not a JWT that is signed with ES256.
    Token,
    /// The signature is not that of the key.
    Signature,
    /// `aud` is missing, or not a text.
    NoAudience,
    /// `aud` is another origin.
    Audience,
    /// `exp` is missing, or not a number.
    NoExpiry,
    /// `exp` has passed.
    Expired,
    /// `exp` is more than 24 hours ahead.
    ExpiryTooFar,
}

/// Credentials without a fault.
pub(super) struct Vapid {
    pub(super) form: CredentialsForm,
    pub(super) claims: VapidClaims,
}

/// The claims of a token (RFC 8292 §2).
#[derive(Deserialize)]
pub(super) struct VapidClaims {
    pub(super) aud: Option<Value>,
    pub(super) exp: Option<Value>,
    pub(super) sub: Option<Value>,
}

/// Checks the credentials of a request, including the signature.
///
/// Unlike our server, vendors tolerate no clock difference for tokens that are valid for too long.
pub(super) fn check(request: &PushRequest<'_>) -> Result<Vapid, VapidFault> {
    let credentials = match Credentials::parse(request.headers) {
        Ok(Some(credentials)) => credentials,
        Ok(None) => return Err(VapidFault::Missing),
        Err(check) if check.claim == Claim::Key => return Err(VapidFault::NoKey),
        Err(_) => return Err(VapidFault::Authorization),
    };
    parse_key(credentials.key(), &P256).map_err(VapidFault::Key)?;
    let expected = Expected {
        audience: &request.origin,
        also: &[],
        google_as_well: false,
        now: request.now,
        leeway: VAPID_LEEWAY,
    };
    let checks = examine(&credentials, expected, &P256).checks;
    let has_failed = |claim| checks.iter().any(|check| check.claim == claim && !check.passed);
    if has_failed(Claim::Token) || has_failed(Claim::Algorithm) {
        return Err(VapidFault::Token);
    }
    if has_failed(Claim::Signature) {
        return Err(VapidFault::Signature);
    }
    let claims = VapidClaims::parse(credentials.token()).ok_or(VapidFault::Token)?;
    if has_failed(Claim::Audience) {
        let is_text = matches!(claims.aud, Some(Value::String(_) | Value::Array(_)));
        return Err(if is_text { VapidFault::Audience } else { VapidFault::NoAudience });
    }
    let now = request.now.as_millis() as f64 / 1000.0;
    match claims.expiry() {
        None => Err(VapidFault::NoExpiry),
        Some(expiry) if expiry > now + LIFETIME_SECONDS => Err(VapidFault::ExpiryTooFar),
        Some(_) if has_failed(Claim::Expiry) => Err(VapidFault::Expired),
        Some(_) => Ok(Vapid { form: credentials.form(), claims }),
    }
}

impl VapidClaims {
    fn parse(token: &str) -> Option<Self> {
        let claims = base64url::decode_lenient(token.split('.').nth(1)?)?;
        serde_json::from_slice(&claims).ok()
    }

    /// Returns the time of expiry in seconds. Some libraries write it as a text of digits.
    fn expiry(&self) -> Option<f64> {
        match self.exp.as_ref()? {
            Value::Number(number) => number.as_f64(),
            Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        }
    }
}
