//! Parses VAPID tokens: JWTs (RFC 7519) in compact serialization (RFC 7515 §7.1).

use super::claim_check::ClaimCheck;
use crate::base64url;
use crate::problem::Claim;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A parsed token.
pub(super) struct Token<'a> {
    pub(super) header: Header,
    pub(super) claims: Claims,
    /// The input of the signature: encoded header and claims, and the dot between them (RFC 7515 §5.2).
    pub(super) signed: &'a [u8],
    /// `None` if it is not base64url.
    pub(super) signature: Option<Vec<u8>>,
}

/// The header members that are checked.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: Option<Value>,
    crit: Option<Value>,
}

/// The claims that are checked (RFC 8292 §2). Others are ignored (§2.2).
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) aud: Option<Value>,
    pub(super) exp: Option<Value>,
    pub(super) sub: Option<Value>,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, ClaimCheck> {
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let found = format!("{} parts", text.split('.').count());
            return Err(ClaimCheck::failed(Claim::Token, "a JWT: three parts separated by dots", found));
        };
        let signed = &text.as_bytes()[..header.len() + 1 + claims.len()];
        let unreadable = |part| {
            let expected = "base64url of a JSON object with unique names";
            move || ClaimCheck::failed(Claim::Token, expected, format!("an invalid {part}"))
        };
        let header: Header = json(header).ok_or_else(unreadable("header"))?;
        let claims = json(claims).ok_or_else(unreadable("claims part"))?;
        if header.crit.is_some() {
            // Unknown critical extensions must be rejected (RFC 7515 §4.1.11), and none is known.
            return Err(ClaimCheck::failed(Claim::Token, "no critical extensions", "a header with crit"));
        }
        Ok(Self { header, claims, signed, signature: base64url::decode_lenient(signature) })
    }
}

/// Parses a base64url-encoded JSON object. Duplicate members are ambiguous and therefore invalid.
fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    object(&base64url::decode_lenient(part)?)
}

/// Parses a JSON object.
///
/// `serde` alone would accept an array too, and bytes that are not UTF-8 in members that are ignored.
pub(super) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    let json = str::from_utf8(json).ok()?;
    json.trim_ascii_start().starts_with('{').then(|| serde_json::from_str(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> Result<(), Claim> {
        let text = format!("{}.{}.", base64url::encode(header), base64url::encode(claims));
        Token::parse(&text).map(drop).map_err(|check| check.claim)
    }

    #[test]
    fn tokens_have_three_parts_with_two_objects() {
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
    fn objects_are_utf_8_also_where_they_are_ignored() {
        assert!(object::<Claims>(br#"{"exp":1,"other":"x"}"#).is_some());
        for wrong in [&b"{\"exp\":1,\"other\":\"\x80\"}"[..], b"{\"exp\":1,\"\xff\":2}"] {
            assert!(object::<Claims>(wrong).is_none(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!(r#"{{"aud":{}"#, "[".repeat(1000));
        assert_eq!(token("{}", &deep), Err(Claim::Token));
    }
}
