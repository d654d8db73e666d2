//! Subscriptions in the format of browsers: `JSON.stringify(pushSubscription)` (Push API, `toJSON`).

use crate::encryption::{AuthSecret, PublicKey, RecipientKeys};
use crate::url::{CapabilityUrl, UrlError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::error::Error;
use std::fmt;
use webpush_core::{base64url, byte_order_mark};

/// The endpoint and keys of a subscription, for senders.
///
/// ```
/// use webpush_client::subscription::PushSubscription;
///
/// let json = r#"{"endpoint":"https://push.example/push/x","keys":{
///     "p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
///     "auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#;
/// assert_eq!(PushSubscription::read(json)?.endpoint.origin(), "https://push.example");
/// # Ok::<(), webpush_client::subscription::SubscriptionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSubscription {
    /// The push resource.
    pub endpoint: CapabilityUrl,
    /// The keys to encrypt with.
    pub keys: RecipientKeys,
}

/// The JSON object, with members in the order of browsers.
#[derive(Serialize, Deserialize)]
struct Json {
    endpoint: String,
    #[serde(rename = "expirationTime", default)]
    expiration_time: Option<f64>,
    keys: KeysJson,
}

#[derive(Serialize, Deserialize)]
struct KeysJson {
    p256dh: String,
    auth: String,
}

impl PushSubscription {
    /// Returns the value that `toJSON` returns in browsers.
    #[must_use]
    pub fn to_json(&self) -> impl Serialize + use<> {
        Json {
            endpoint: self.endpoint.expose(),
            expiration_time: None,
            keys: KeysJson {
                p256dh: base64url::encode(self.keys.p256dh.as_bytes()),
                auth: base64url::encode(self.keys.auth.expose()),
            },
        }
    }

    /// Reads the first JSON value of a text.
    ///
    /// It is a browser's subscription, the first line that `listen` prints (with or without `--json`), or the state file
    /// of `listen`.
    ///
    /// # Errors
    /// [`SubscriptionError`].
    pub fn read(text: &str) -> Result<Self, SubscriptionError> {
        let mut value = serde_json::Deserializer::from_str(byte_order_mark::strip(text))
            .into_iter::<Value>()
            .next()
            .and_then(Result::ok)
            .ok_or(SubscriptionError::NotJson)?;
        if let Some(inner @ Value::Object(_)) = value.get_mut("subscription") {
            value = inner.take();
        }
        // The cause is omitted: it could quote a secret.
        let json: Json = serde_json::from_value(value).map_err(|_| SubscriptionError::Incomplete)?;
        let endpoint = CapabilityUrl::parse(&json.endpoint).map_err(SubscriptionError::Endpoint)?;
        let p256dh = base64url::decode_lenient(&json.keys.p256dh)
            .and_then(|bytes| PublicKey::from_bytes(&bytes))
            .ok_or(SubscriptionError::PublicKey)?;
        let auth = base64url::decode_lenient(&json.keys.auth)
            .and_then(|bytes| AuthSecret::from_bytes(&bytes))
            .ok_or(SubscriptionError::AuthSecret)?;
        Ok(Self { endpoint, keys: RecipientKeys { p256dh, auth } })
    }
}

/// A text is not a push subscription. Messages do not quote it, because it contains secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionError {
    /// It does not start with a JSON value.
    NotJson,
    /// `endpoint` or `keys` is missing or of another type.
    Incomplete,
    /// `endpoint` is not a URL.
    Endpoint(UrlError),
    /// `p256dh` is not a P-256 key of 65 bytes in base64url.
    PublicKey,
    /// `auth` is not 16 bytes in base64url.
    AuthSecret,
}

impl fmt::Display for SubscriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self {
            Self::NotJson => "it does not start with a JSON value",
            Self::Incomplete => "endpoint or keys is missing or not text",
            Self::Endpoint(_) => "its endpoint is not a URL",
            Self::PublicKey => "p256dh is not a P-256 key of 65 bytes in base64url",
            Self::AuthSecret => "auth is not 16 bytes in base64url",
        };
        write!(
            f,
            "not a push subscription: {problem}; expected \
             {{\"endpoint\":\"https://…\",\"keys\":{{\"p256dh\":\"…\",\"auth\":\"…\"}}}}"
        )
    }
}

impl Error for SubscriptionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Endpoint(error) => Some(error),
            Self::NotJson | Self::Incomplete | Self::PublicKey | Self::AuthSecret => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: &str = r#"{"endpoint":"https://push.example/push/secret","expirationTime":null,"keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#;

    #[test]
    fn subscriptions_of_browsers_are_parsed_and_serialized() {
        let subscription = PushSubscription::read(BROWSER).unwrap();
        assert_eq!(serde_json::to_string(&subscription.to_json()).unwrap(), BROWSER);
        let later = BROWSER.replace("null", "1735689600000.5");
        assert_eq!(PushSubscription::read(&later).unwrap(), subscription);
    }

    #[test]
    fn the_first_json_value_is_parsed() {
        let subscription = PushSubscription::read(BROWSER).unwrap();
        for text in [
            format!("{BROWSER}\nhello\n{{\"a\":1}}\n"),
            format!("{{\"subscription\":{BROWSER}}}\n{{\"message\":\"x\"}}"),
            format!("\n  {BROWSER}"),
        ] {
            assert_eq!(PushSubscription::read(&text).unwrap(), subscription);
        }
    }

    #[test]
    fn errors_contain_no_secrets() {
        for (from, to, expected) in [
            ("\"endpoint\"", "\"endpoints\"", SubscriptionError::Incomplete),
            ("{\"p256dh\"", "{\"p256\"", SubscriptionError::Incomplete),
            ("https://", "ftp://", SubscriptionError::Endpoint(UrlError::Scheme)),
            ("\"BCVx", "\"CCVx", SubscriptionError::PublicKey),
            ("aSIgg", "aSI", SubscriptionError::AuthSecret),
            ("{\"endpoint", "endpoint", SubscriptionError::NotJson),
        ] {
            let error = PushSubscription::read(&BROWSER.replace(from, to)).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("secret") && !error.to_string().contains("BTBZ"), "{error}");
        }
        assert!(PushSubscription::read("").is_err());
    }
}
