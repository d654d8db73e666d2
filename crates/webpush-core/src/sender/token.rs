//! The token: a JWT (RFC 7519) in compact form (RFC 7515 §7.1), taken apart. Nothing in it is believed here.

use super::finding::Finding;
use crate::base64url;
use crate::problem::Claim;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A token in its parts.
pub(super) struct Token<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// What the signature is over: both parts as they came, with the dot between (RFC 7515 §5.2).
    pub(super) signed: &'a [u8],
    /// `None` if it is not base64url.
    pub(super) signature: Option<Vec<u8>>,
}

/// The members of the header that count.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: Option<Value>,
    crit: Option<Value>,
}

/// The claims that count (RFC 8292 §2); others are ignored (§2.2).
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) aud: Option<Value>,
    pub(super) exp: Option<Value>,
    pub(super) sub: Option<Value>,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Finding> {
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let found = format!("{} parts", text.split('.').count());
            return Err(Finding::fails(Claim::Token, "a JWT: three parts with dots between", found));
        };
        let signed = &text.as_bytes()[..header.len() + 1 + claims.len()];
        let unreadable = |part| {
            let expected = "base64url of a JSON object, each name in it once";
            move || Finding::fails(Claim::Token, expected, format!("a {part} that is something else"))
        };
        let header: Header = json(header).ok_or_else(unreadable("header"))?;
        let claims = json(claims).ok_or_else(unreadable("claims part"))?;
        if header.crit.is_some() {
            // Whoever does not know an extension that is critical must refuse (RFC 7515 §4.1.11).
            return Err(Finding::fails(Claim::Token, "no critical extensions", "a header with crit"));
        }
        Ok(Self { header, claims, signed, signature: base64url::decode_lenient(signature) })
    }
}

/// A JSON object in base64url. Names that are there twice could be read in two ways: then it is nothing.
fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    object(&base64url::decode_lenient(part)?)
}

/// A JSON object. `serde` would take an array for one as well.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    json.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> Result<(), Claim> {
        let text = format!("{}.{}.", base64url::encode(header), base64url::encode(claims));
        Token::parse(&text).map(drop).map_err(|finding| finding.claim)
    }

    #[test]
    fn tokens_have_three_parts_and_two_of_them_are_objects() {
        assert_eq!(token(r#"{"alg":"ES256"}"#, "{}"), Ok(()));
        assert_eq!(token(" {} ", r#"{"aud":[1],"x":{"aud":2}}"#), Ok(()));
        for (header, claims) in [
            ("", "{}"),
            ("{}", "[]"),
            (r#"["ES256",null]"#, "{}"),
            ("{", "{}"),
            ("{}", "null"),
            (r#"{"crit":["b64"],"b64":false}"#, "{}"),
            ("{}", r#"{"exp":1,"exp":2}"#),
            ("{}", "\u{feff}{}"),
        ] {
            assert_eq!(token(header, claims), Err(Claim::Token), "{header} {claims}");
        }
        for text in ["", ".", "..", "e30", "e30.e30", "e30.e30.x.y", "e30.*.x", "e30.e 30.x"] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_not_followed() {
        let deep = format!(r#"{{"aud":{}"#, "[".repeat(1000));
        assert_eq!(token("{}", &deep), Err(Claim::Token));
    }
}
