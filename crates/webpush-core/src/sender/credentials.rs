//! Token and key of a request (RFC 8292 §3), also as the drafts before the RFC had them.

use super::finding::Finding;
use super::parameter::{crypto_key, parameter};
use crate::encoding::CRYPTO_KEY;
use crate::header::split_unquoted;
use crate::problem::Claim;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::borrow::Cow;
use std::fmt;

/// The largest VAPID token looked at; those of every known library have less than 500 bytes.
const VAPID_TOKEN_BYTES: usize = 4096;

/// The longest text looked at as a VAPID key, which has 87 or 88 characters (RFC 8292 §3.2).
const VAPID_KEY_CHARACTERS: usize = 128;

const _: () = assert!(VAPID_KEY_CHARACTERS >= 88, "a key with padding must fit");

/// How the credentials are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `Authorization: vapid t=…, k=…` (RFC 8292 §3).
    Rfc8292,
    /// `Authorization: WebPush …` or `Bearer …` with `Crypto-Key: p256ecdsa=…` (draft-ietf-webpush-vapid-01 §2.2, §3).
    Draft01,
}

/// What a request says of its sender. Both texts are bounded; nothing is known about them yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    form: Form,
    token: Cow<'a, str>,
    key: Cow<'a, str>,
}

impl<'a> Credentials<'a> {
    /// Reads `Authorization`, and `Crypto-Key` where the drafts had the key. `None` if the request has no VAPID;
    /// other schemes are nothing to a push service.
    ///
    /// # Errors
    /// When there is VAPID from which not one token and one key can be told (RFC 8292 §4.2).
    pub fn parse(headers: &'a HeaderMap) -> Result<Option<Self>, Finding> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Finding::fails(Claim::Authorization, "one header", "several"));
        }
        let value = value.as_bytes().trim_ascii();
        let end = value.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
        let (scheme, rest) = value.split_at(end);
        if scheme.eq_ignore_ascii_case(b"vapid") {
            return Self::from_parameters(text(rest)?).map(Some);
        }
        if scheme.eq_ignore_ascii_case(b"webpush") || scheme.eq_ignore_ascii_case(b"bearer") {
            let Some(key) = crypto_key_header(headers)? else { return Ok(None) };
            return Self::new(Form::Draft01, text(rest)?.trim().into(), key).map(Some);
        }
        Ok(None)
    }

    /// Of `t` and `k`, in any order, among parameters that mean nothing here (RFC 8292 §3).
    fn from_parameters(text: &'a str) -> Result<Self, Finding> {
        let (mut token, mut key) = (None, None);
        for (name, value) in split_unquoted(text, ',').filter_map(parameter) {
            let (slot, claim) = match name {
                "t" | "T" => (&mut token, Claim::Token),
                "k" | "K" => (&mut key, Claim::Key),
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Finding::fails(claim, "one parameter of this name", "several"));
            }
        }
        let missing =
            |claim| Finding::fails(claim, "a parameter of this name, as in vapid t=..., k=...", "none");
        let token = token.ok_or_else(|| missing(Claim::Token))?;
        Self::new(Form::Rfc8292, token, key.ok_or_else(|| missing(Claim::Key))?)
    }

    fn new(form: Form, token: Cow<'a, str>, key: Cow<'a, str>) -> Result<Self, Finding> {
        let bounded = |claim, text: &str, limit| {
            let (expected, found) = (format!("at most {limit} bytes"), format!("{} bytes", text.len()));
            if text.len() <= limit { Ok(()) } else { Err(Finding::fails(claim, expected, found)) }
        };
        bounded(Claim::Token, &token, VAPID_TOKEN_BYTES)?;
        bounded(Claim::Key, &key, VAPID_KEY_CHARACTERS)?;
        Ok(Self { form, token, key })
    }

    /// How they are written.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The token's text.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The key's text.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Shows their form, never the credentials.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("form", &self.form).finish_non_exhaustive()
    }
}

fn text(bytes: &[u8]) -> Result<&str, Finding> {
    std::str::from_utf8(bytes)
        .map_err(|_| Finding::fails(Claim::Authorization, "printable ASCII", "bytes that are no text"))
}

/// The one `p256ecdsa` of all `Crypto-Key` headers.
fn crypto_key_header(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>, Finding> {
    let values = headers.get_all(CRYPTO_KEY).iter().filter_map(|value| value.to_str().ok());
    let mut keys = values.flat_map(|value| crypto_key(value, "p256ecdsa"));
    match (keys.next(), keys.next()) {
        (key, None) => Ok(key),
        (_, Some(_)) => Err(Finding::fails(Claim::Key, "one p256ecdsa in Crypto-Key", "several")),
    }
}

#[cfg(test)]
mod tests;
