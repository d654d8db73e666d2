//! The persistent state of a listener: a private JSON file.
//!
//! It is the JSON of a browser's subscription with private members added, so `send` accepts it too.

use crate::encryption::{AgentKeys, AuthSecret};
use crate::error::ClientError;
use crate::private_file::{self, FileError, FileOperation};
use crate::subscription::PushSubscription;
use crate::url::CapabilityUrl;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use webpush_core::base64url;

/// A subscription with the secrets of its user agent.
#[derive(Debug)]
pub struct AgentSubscription {
    /// The subscription resource, known to the user agent only.
    pub subscription: CapabilityUrl,
    /// The subscription set, if the server supports sets (RFC 8030 §4.1).
    pub set: Option<CapabilityUrl>,
    /// The push resource, for senders.
    pub endpoint: CapabilityUrl,
    /// Its keys.
    pub keys: AgentKeys,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StateJson<P> {
    #[serde(flatten)]
    push_subscription: P,
    subscription_url: String,
    set_url: Option<String>,
    private_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParsedState {
    endpoint: String,
    keys: ParsedKeys,
    subscription_url: String,
    set_url: Option<String>,
    private_key: String,
}

#[derive(Deserialize)]
struct ParsedKeys {
    auth: String,
}

impl AgentSubscription {
    /// Returns the subscription for senders.
    #[must_use]
    pub fn push_subscription(&self) -> PushSubscription {
        PushSubscription { endpoint: self.endpoint.clone(), keys: self.keys.recipient().clone() }
    }

    /// Writes the file, replacing an existing one.
    ///
    /// # Errors
    /// [`ClientError::File`].
    pub fn save(&self, path: &Path) -> Result<(), ClientError> {
        let state = StateJson {
            push_subscription: self.push_subscription().to_json(),
            subscription_url: self.subscription.expose(),
            set_url: self.set.as_ref().map(CapabilityUrl::expose),
            private_key: base64url::encode(self.keys.expose_private()?),
        };
        let failed = |error| FileError {
            operation: FileOperation::Write,
            path: path.to_owned(),
            source: io::Error::from(error),
        };
        let mut text = serde_json::to_vec_pretty(&state).map_err(failed)?;
        text.push(b'\n');
        Ok(private_file::replace(path, &text)?)
    }

    /// Reads the file; `None` if it does not exist.
    ///
    /// # Errors
    /// [`ClientError::StateFile`] if it is not what [`AgentSubscription::save`] writes; [`ClientError::File`].
    pub fn load(path: &Path) -> Result<Option<Self>, ClientError> {
        if path.try_exists().is_ok_and(|exists| !exists) {
            return Ok(None);
        }
        let text = private_file::read(path)?;
        Self::parse(&text).map(Some).ok_or_else(|| ClientError::StateFile(path.to_owned()))
    }

    /// Parses the text of a file; `None` if it is not what [`AgentSubscription::save`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let read: ParsedState = serde_json::from_str(text).ok()?;
        let auth = AuthSecret::from_bytes(&base64url::decode_lenient(&read.keys.auth)?)?;
        let set = read.set_url.map(|url| CapabilityUrl::parse(&url)).transpose().ok()?;
        Some(Self {
            subscription: CapabilityUrl::parse(&read.subscription_url).ok()?,
            set,
            endpoint: CapabilityUrl::parse(&read.endpoint).ok()?,
            keys: AgentKeys::from_stored(&base64url::decode_lenient(&read.private_key)?, auth).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription() -> AgentSubscription {
        AgentSubscription {
            subscription: CapabilityUrl::parse("http://x/subscription/s").unwrap(),
            set: Some(CapabilityUrl::parse("http://x/subscription-set/t").unwrap()),
            endpoint: CapabilityUrl::parse("http://x/push/p").unwrap(),
            keys: AgentKeys::generate().unwrap(),
        }
    }

    #[test]
    fn saved_subscriptions_are_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        assert!(AgentSubscription::load(&path).unwrap().is_none());
        let subscription = subscription();
        subscription.save(&path).unwrap();
        let again = AgentSubscription::load(&path).unwrap().unwrap();
        assert_eq!(again.push_subscription(), subscription.push_subscription());
        assert_eq!(again.subscription, subscription.subscription);
        assert_eq!(again.set, subscription.set);
        assert_eq!(again.keys.expose_private(), subscription.keys.expose_private());
    }

    #[test]
    fn state_files_are_push_subscriptions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let subscription = subscription();
        subscription.save(&path).unwrap();
        let read = PushSubscription::read(&private_file::read(&path).unwrap()).unwrap();
        assert_eq!(read, subscription.push_subscription());
    }

    #[test]
    fn other_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notes.txt");
        for text in ["", "{}", "{\"endpoint\":\"http://x/\"}", "hello"] {
            std::fs::write(&path, text).unwrap();
            let error = AgentSubscription::load(&path).unwrap_err();
            assert!(matches!(error, ClientError::StateFile(_)), "{error}");
        }
    }
}
