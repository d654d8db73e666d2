//! A subscription as browsers write it: `JSON.stringify(pushSubscription)` (Push API, `toJSON`).

use super::base64url;
use super::encryption::{AuthSecret, PublicKey, RecipientKeys};
use super::error::ClientError;
use super::url::CapabilityUrl;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where and for whom to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSubscription {
    /// The push resource.
    pub endpoint: CapabilityUrl,
    /// The keys to encrypt with.
    pub keys: RecipientKeys,
}

/// The JSON text; members in the order in which browsers write them.
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
    /// The value that `toJSON` gives.
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

    /// Reads the first JSON value of a text: what a browser wrote, the first line of `listen` (with `--json` or
    /// without), or its state file.
    ///
    /// # Errors
    /// [`ClientError::Local`], saying what is missing.
    pub fn read(text: &str) -> Result<Self, ClientError> {
        let wrong = |why: &str| {
            ClientError::Local(format!(
                "this is no push subscription: {why}; expected \
                 {{\"endpoint\":\"https://…\",\"keys\":{{\"p256dh\":\"…\",\"auth\":\"…\"}}}}"
            ))
        };
        let mut value = serde_json::Deserializer::from_str(text)
            .into_iter::<Value>()
            .next()
            .and_then(Result::ok)
            .ok_or_else(|| wrong("it does not start with a JSON value"))?;
        if let Some(inner @ Value::Object(_)) = value.get_mut("subscription") {
            value = inner.take();
        }
        // The cause is left out where it would quote a secret.
        let json: Json =
            serde_json::from_value(value).map_err(|_| wrong("endpoint or keys are missing or no text"))?;
        let endpoint = CapabilityUrl::parse(&json.endpoint)
            .map_err(|error| wrong(&format!("of its endpoint, {}", error.sentence())))?;
        let p256dh = base64url::decode(&json.keys.p256dh)
            .and_then(|bytes| PublicKey::from_bytes(&bytes))
            .ok_or_else(|| wrong("p256dh is not a P-256 key of 65 bytes in base64url"))?;
        let auth = base64url::decode(&json.keys.auth)
            .and_then(|bytes| AuthSecret::from_bytes(&bytes))
            .ok_or_else(|| wrong("auth is not 16 bytes in base64url"))?;
        Ok(Self { endpoint, keys: RecipientKeys { p256dh, auth } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER: &str = r#"{"endpoint":"https://push.example/push/secret","expirationTime":null,"keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#;

    #[test]
    fn what_a_browser_writes_is_read_and_written() {
        let subscription = PushSubscription::read(BROWSER).unwrap();
        assert_eq!(serde_json::to_string(&subscription.to_json()).unwrap(), BROWSER);
        let later = BROWSER.replace("null", "1735689600000.5");
        assert_eq!(PushSubscription::read(&later).unwrap(), subscription);
    }

    #[test]
    fn the_first_value_counts_wherever_it_stands() {
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
    fn what_is_wrong_is_said_without_secrets() {
        for (from, to, said) in [
            ("\"endpoint\"", "\"endpoints\"", "endpoint or keys are missing"),
            ("{\"p256dh\"", "{\"p256\"", "endpoint or keys are missing"),
            ("https://", "ftp://", "endpoint"),
            ("\"BCVx", "\"CCVx", "p256dh is not"),
            ("aSIgg", "aSI", "auth is not"),
            ("{\"endpoint", "endpoint", "does not start with a JSON value"),
        ] {
            let error = PushSubscription::read(&BROWSER.replace(from, to)).unwrap_err();
            assert!(error.sentence().contains(said), "{error}");
            assert!(!error.sentence().contains("secret") && !error.sentence().contains("BTBZ"), "{error}");
        }
        assert!(PushSubscription::read("").is_err());
    }
}
