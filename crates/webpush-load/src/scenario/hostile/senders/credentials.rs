//! Every wrong form of VAPID credentials (RFC 8292).

use anyhow::Context as _;
use std::time::{SystemTime, UNIX_EPOCH};
use webpush_client::vapid::VapidKey;
use webpush_core::base64url;
use webpush_core::time::Timestamp;

/// A value of `Authorization` that must be refused.
pub(super) struct Credentials {
    pub(super) name: &'static str,
    pub(super) authorization: fn(&Forger) -> anyhow::Result<String>,
}

/// Makes credentials of two keys, good ones and others.
pub(super) struct Forger {
    origin: String,
    key: VapidKey,
    other: VapidKey,
    now: Timestamp,
}

impl Forger {
    /// Creates the keys, for tokens to an origin.
    pub(super) fn new(origin: &str) -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
        let now = Timestamp::from_millis(u64::try_from(now.as_millis())?);
        Ok(Self { origin: origin.to_owned(), key: VapidKey::generate()?, other: VapidKey::generate()?, now })
    }

    /// Returns the public key.
    pub(super) fn key(&self) -> String {
        self.key.public()
    }

    /// Returns a good token, perhaps for another origin, signed at another time.
    fn token(&self, origin: &str, hours: i64) -> anyhow::Result<String> {
        let shift = u64::try_from(hours.abs())? * 3_600_000;
        let now = self.now.as_millis();
        let at = if hours < 0 { now.saturating_sub(shift) } else { now + shift };
        let authorization = self.key.authorization(origin, None, Timestamp::from_millis(at))?;
        let token = authorization.strip_prefix("vapid t=").and_then(|rest| rest.split(',').next());
        Ok(token.context("a token was expected")?.to_owned())
    }

    fn good(&self) -> anyhow::Result<String> {
        self.token(&self.origin, 0)
    }

    /// Returns a good token with another part: 0 is the header, 1 the claims, 2 the signature.
    fn with_part(&self, part: usize, text: &str) -> anyhow::Result<String> {
        let token = self.good()?;
        let mut parts: Vec<&str> = token.split('.').collect();
        *parts.get_mut(part).context("a token has three parts")? = text;
        Ok(format!("vapid t={}, k={}", parts.join("."), self.key()))
    }

    /// Returns a token with another header and a signature of its claims that is therefore wrong.
    fn with_header(&self, header: &str) -> anyhow::Result<String> {
        self.with_part(0, &base64url::encode(header.as_bytes()))
    }

    fn with_claims(&self, claims: &str) -> anyhow::Result<String> {
        self.with_part(1, &base64url::encode(claims.as_bytes()))
    }

    fn with_key(&self, key: &str) -> anyhow::Result<String> {
        Ok(format!("vapid t={}, k={key}", self.good()?))
    }
}

/// All of them.
pub(super) const ALL: &[Credentials] = &[
    Credentials { name: "neither t nor k", authorization: |_| Ok("vapid".to_owned()) },
    Credentials { name: "no t", authorization: |forger| Ok(format!("vapid k={}", forger.key())) },
    Credentials { name: "no k", authorization: |forger| Ok(format!("vapid t={}", forger.good()?)) },
    Credentials { name: "empty t", authorization: |forger| Ok(format!("vapid t=, k={}", forger.key())) },
    Credentials { name: "empty k", authorization: |forger| forger.with_key("") },
    Credentials {
        name: "t twice",
        authorization: |forger| {
            Ok(format!("vapid t={}, t={}, k={}", forger.good()?, forger.good()?, forger.key()))
        },
    },
    Credentials {
        name: "k twice",
        authorization: |forger| forger.with_key(&format!("{}, k={}", forger.key(), forger.key())),
    },
    Credentials {
        name: "alg none",
        authorization: |forger| forger.with_header(r#"{"typ":"JWT","alg":"none"}"#),
    },
    Credentials {
        name: "alg none without a signature",
        authorization: |forger| {
            let token = forger.good()?;
            let claims = token.split('.').nth(1).unwrap_or_default().to_owned();
            let header = base64url::encode(br#"{"typ":"JWT","alg":"none"}"#);
            Ok(format!("vapid t={header}.{claims}., k={}", forger.key()))
        },
    },
    Credentials {
        name: "HS256",
        authorization: |forger| forger.with_header(r#"{"typ":"JWT","alg":"HS256"}"#),
    },
    Credentials {
        name: "RS256",
        authorization: |forger| forger.with_header(r#"{"typ":"JWT","alg":"RS256"}"#),
    },
    Credentials {
        name: "ES384",
        authorization: |forger| forger.with_header(r#"{"typ":"JWT","alg":"ES384"}"#),
    },
    Credentials { name: "alg missing", authorization: |forger| forger.with_header(r#"{"typ":"JWT"}"#) },
    Credentials { name: "alg is a list", authorization: |forger| forger.with_header(r#"{"alg":["ES256"]}"#) },
    Credentials { name: "header is no JSON", authorization: |forger| forger.with_header("{") },
    Credentials { name: "header is no base64url", authorization: |forger| forger.with_part(0, "!!!") },
    Credentials { name: "header is not UTF-8", authorization: |forger| forger.with_part(0, "_____w") },
    Credentials { name: "claims are no JSON", authorization: |forger| forger.with_claims("{") },
    Credentials { name: "claims are a list", authorization: |forger| forger.with_claims("[]") },
    Credentials { name: "no claims", authorization: |forger| forger.with_claims("{}") },
    Credentials {
        name: "claims of great depth",
        authorization: |forger| forger.with_claims(&"[".repeat(2500)),
    },
    Credentials {
        name: "exp is a word",
        authorization: |forger| forger.with_claims(&format!(r#"{{"aud":"{}","exp":"soon"}}"#, forger.origin)),
    },
    Credentials {
        name: "exp is negative",
        authorization: |forger| forger.with_claims(&format!(r#"{{"aud":"{}","exp":-1}}"#, forger.origin)),
    },
    Credentials {
        name: "exp is infinite",
        authorization: |forger| forger.with_claims(&format!(r#"{{"aud":"{}","exp":1e999}}"#, forger.origin)),
    },
    Credentials {
        name: "expired",
        authorization: |forger| {
            Ok(format!("vapid t={}, k={}", forger.token(&forger.origin, -13)?, forger.key()))
        },
    },
    Credentials {
        name: "valid for more than 24 hours",
        authorization: |forger| {
            Ok(format!("vapid t={}, k={}", forger.token(&forger.origin, 13)?, forger.key()))
        },
    },
    Credentials {
        name: "another origin",
        authorization: |forger| {
            Ok(format!("vapid t={}, k={}", forger.token("https://push.example", 0)?, forger.key()))
        },
    },
    Credentials {
        name: "another scheme",
        authorization: |forger| {
            let origin = forger.origin.replace("http://", "https://");
            Ok(format!("vapid t={}, k={}", forger.token(&origin, 0)?, forger.key()))
        },
    },
    Credentials { name: "another key", authorization: |forger| forger.with_key(&forger.other.public()) },
    Credentials {
        name: "a key that is no point",
        authorization: |forger| forger.with_key(&base64url::encode([4; 65])),
    },
    Credentials {
        name: "a compressed key",
        authorization: |forger| {
            let point = base64url::decode(&forger.key()).context("a key is base64url")?;
            let sign = 2 | (point.last().copied().unwrap_or_default() & 1);
            forger.with_key(&base64url::encode([&[sign][..], point.get(1..33).unwrap_or_default()].concat()))
        },
    },
    Credentials {
        name: "the point at infinity",
        authorization: |forger| forger.with_key(&base64url::encode([0])),
    },
    Credentials { name: "a key that is short", authorization: |forger| forger.with_key("BAAA") },
    Credentials { name: "a key that is no base64url", authorization: |forger| forger.with_key("B!!!") },
    Credentials { name: "a key that is long", authorization: |forger| forger.with_key(&"A".repeat(5000)) },
    Credentials { name: "no signature", authorization: |forger| forger.with_part(2, "") },
    Credentials {
        name: "a signature of zeros",
        authorization: |forger| forger.with_part(2, &base64url::encode([0; 64])),
    },
    Credentials {
        name: "a signature that is long",
        authorization: |forger| forger.with_part(2, &base64url::encode([1; 72])),
    },
    Credentials { name: "two parts", authorization: |forger| Ok(format!("vapid t=a.b, k={}", forger.key())) },
    Credentials { name: "four parts", authorization: |forger| forger.with_part(2, "a.b") },
    Credentials {
        name: "a token that is long",
        authorization: |forger| forger.with_part(2, &"A".repeat(5000)),
    },
    Credentials {
        name: "a parameter without end",
        authorization: |forger| Ok(format!("vapid t=\"{}, k={}", forger.good()?, forger.key())),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn all_credentials_can_be_made_and_differ() {
        let forger = Forger::new("http://127.0.0.1:1").unwrap();
        let made: HashSet<_> = ALL.iter().map(|one| (one.authorization)(&forger).unwrap()).collect();
        assert_eq!(made.len(), ALL.len());
        assert!(made.iter().all(|value| value.starts_with("vapid") && value.len() < 8192));
    }
}
