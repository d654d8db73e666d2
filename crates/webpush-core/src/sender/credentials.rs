//! Extracts token and key from a request (RFC 8292 §3, draft-ietf-webpush-vapid-01).

use super::claim_check::ClaimCheck;
use super::parameter::{crypto_key, parameter};
use crate::encoding::CRYPTO_KEY;
use crate::header::split_unquoted;
use crate::problem::Claim;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::borrow::Cow;
use std::fmt;

/// Maximum length of a VAPID token. Known libraries create less than 500 bytes.
const VAPID_TOKEN_BYTES: usize = 4096;

/// Maximum length of a VAPID key. A valid one has 87 characters, 88 with padding (RFC 8292 §3.2).
const VAPID_KEY_CHARACTERS: usize = 128;

const _: () = assert!(VAPID_KEY_CHARACTERS >= 88, "a key with padding must fit");

/// The header format of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsForm {
    /// `Authorization: vapid t=…, k=…` (RFC 8292 §3).
    Rfc8292,
    /// `Authorization: WebPush …` or `Bearer …` with `Crypto-Key: p256ecdsa=…`.
    ///
    /// See draft-ietf-webpush-vapid-01 §2.2 and §3.
    Draft01,
}

/// The VAPID credentials of a request: token and key, bounded in length and not verified.
///
/// ```
/// use http::header::AUTHORIZATION;
/// use http::{HeaderMap, HeaderValue};
/// use webpush_core::sender::Credentials;
///
/// let value = HeaderValue::from_static("vapid t=header.claims.signature, k=BPublicKey");
/// let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
/// let credentials = Credentials::parse(&headers)?.expect("the request has credentials");
/// assert_eq!((credentials.token(), credentials.key()), ("header.claims.signature", "BPublicKey"));
/// # Ok::<(), webpush_core::sender::ClaimCheck>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    form: CredentialsForm,
    token: Cow<'a, str>,
    key: Cow<'a, str>,
}

impl<'a> Credentials<'a> {
    /// Parses `Authorization`, and `Crypto-Key` for the key of the draft form.
    ///
    /// Returns `None` if the request has no VAPID credentials. Other schemes are ignored.
    ///
    /// # Errors
    /// The failed check, if the credentials do not have exactly one token and one key (RFC 8292 §4.2).
    pub fn parse(headers: &'a HeaderMap) -> Result<Option<Self>, ClaimCheck> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(ClaimCheck::failed(Claim::Authorization, "one header", "several"));
        }
        let value = value.as_bytes().trim_ascii();
        let end = value.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
        let (scheme, rest) = value.split_at(end);
        if scheme.eq_ignore_ascii_case(b"vapid") {
            return Self::from_parameters(text(rest)?).map(Some);
        }
        if scheme.eq_ignore_ascii_case(b"webpush") || scheme.eq_ignore_ascii_case(b"bearer") {
            let Some(key) = crypto_key_header(headers)? else { return Ok(None) };
            return Self::new(CredentialsForm::Draft01, text(rest)?.trim().into(), key).map(Some);
        }
        Ok(None)
    }

    /// Parses `t` and `k`, in any order. Other parameters are ignored (RFC 8292 §3).
    fn from_parameters(text: &'a str) -> Result<Self, ClaimCheck> {
        let (mut token, mut key) = (None, None);
        for (name, value) in split_unquoted(text, ',').filter_map(parameter) {
            let (slot, claim) = match name {
                "t" | "T" => (&mut token, Claim::Token),
                "k" | "K" => (&mut key, Claim::Key),
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(ClaimCheck::failed(claim, "exactly one parameter with this name", "several"));
            }
        }
        let missing =
            |claim| ClaimCheck::failed(claim, "a parameter with this name, as in vapid t=..., k=...", "none");
        let token = token.ok_or_else(|| missing(Claim::Token))?;
        Self::new(CredentialsForm::Rfc8292, token, key.ok_or_else(|| missing(Claim::Key))?)
    }

    fn new(form: CredentialsForm, token: Cow<'a, str>, key: Cow<'a, str>) -> Result<Self, ClaimCheck> {
        let bounded = |claim, text: &str, limit| {
            let (expected, found) = (format!("at most {limit} bytes"), format!("{} bytes", text.len()));
            if text.len() <= limit { Ok(()) } else { Err(ClaimCheck::failed(claim, expected, found)) }
        };
        bounded(Claim::Token, &token, VAPID_TOKEN_BYTES)?;
        bounded(Claim::Key, &key, VAPID_KEY_CHARACTERS)?;
        Ok(Self { form, token, key })
    }

    /// Returns the header format.
    #[must_use]
    pub const fn form(&self) -> CredentialsForm {
        self.form
    }

    /// Returns the token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Shows the form, never token or key.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("form", &self.form).finish_non_exhaustive()
    }
}

fn text(bytes: &[u8]) -> Result<&str, ClaimCheck> {
    std::str::from_utf8(bytes)
        .map_err(|_| ClaimCheck::failed(Claim::Authorization, "printable ASCII", "bytes that are not text"))
}

/// Returns the `p256ecdsa` parameter of the `Crypto-Key` headers.
fn crypto_key_header(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, ClaimCheck> {
    let values = headers.get_all(CRYPTO_KEY).iter().filter_map(|value| value.to_str().ok());
    let mut keys = values.flat_map(|value| crypto_key(value, "p256ecdsa"));
    match (keys.next(), keys.next()) {
        (key, None) => Ok(key),
        (_, Some(_)) => Err(ClaimCheck::failed(Claim::Key, "one p256ecdsa in Crypto-Key", "several")),
    }
}

#[cfg(test)]
mod tests;
