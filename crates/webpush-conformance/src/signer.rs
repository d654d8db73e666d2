//! A sender that signs valid and invalid tokens (RFC 8292).

use crate::autopush_agent::AutopushAgent;
use crate::probe::{EndpointSource, Probe, TestEndpoint};
use crate::stop::Stop;
use serde_json::{Value, json};
use std::rc::Rc;
use webpush_client::vapid::VapidKey;
use webpush_core::time::Timestamp;

/// The media type of the options of a subscription.
pub(crate) const OPTIONS: (&str, &str) = ("content-type", "application/webpush-options+json");
/// The header of every token that is not meant to be wrong there.
pub(crate) const JOSE: &str = r#"{"typ":"JWT","alg":"ES256"}"#;

/// A sender with a key.
pub(crate) struct Signer {
    key: Rc<VapidKey>,
    /// True if the key is the user's, so that no report may show its tokens.
    is_private: bool,
    now: Timestamp,
}

impl Signer {
    /// Returns the user's sender if there is one, and otherwise a new one.
    pub(crate) fn new(probe: &Probe) -> Result<Self, Stop> {
        match &probe.shared().sender {
            Some(key) => Ok(Self { key: Rc::clone(key), is_private: true, now: (probe.shared().now)() }),
            None => Self::generate(probe),
        }
    }

    /// Creates a sender with a new key.
    pub(crate) fn generate(probe: &Probe) -> Result<Self, Stop> {
        let key = VapidKey::generate().map_err(|error| Stop::Error(error.to_string()))?;
        Ok(Self { key: Rc::new(key), is_private: false, now: (probe.shared().now)() })
    }

    /// Returns the public key in base64url.
    pub(crate) fn public(&self) -> String {
        self.key.public()
    }

    /// Returns seconds since 1970, some seconds from now.
    pub(crate) fn seconds(&self, from_now: i64) -> i64 {
        i64::try_from(self.now.as_millis() / 1000).unwrap_or(i64::MAX).saturating_add(from_now)
    }

    /// Signs a token.
    pub(crate) fn token(&self, probe: &Probe, header: &str, claims: &Value) -> Result<String, Stop> {
        let token = self.key.token(header, &claims.to_string());
        let token = token.map_err(|error| Stop::Error(error.to_string()))?;
        if self.is_private {
            probe.shared().hide(&token);
        }
        Ok(token)
    }

    /// Returns valid claims for an endpoint.
    pub(crate) fn claims(&self, endpoint: &TestEndpoint) -> Value {
        json!({"aud": endpoint.push.origin(), "exp": self.seconds(3600), "sub": "https://example.net/"})
    }

    /// Returns the value of `Authorization` with these claims.
    pub(crate) fn authorization(&self, probe: &Probe, claims: &Value) -> Result<String, Stop> {
        Ok(format!("vapid t={}, k={}", self.token(probe, JOSE, claims)?, self.public()))
    }
}

/// Creates an endpoint that is restricted to a sender.
pub(crate) async fn restricted(probe: &mut Probe) -> Result<(TestEndpoint, Signer), Stop> {
    let signer = Signer::new(probe)?;
    match &probe.shared().source {
        EndpointSource::Subscribe(_) => {
            let options = json!({"vapid": signer.public()}).to_string();
            let made = probe.subscribe_with(&[OPTIONS], options).await?;
            Ok((probe.read_endpoint(&made)?, signer))
        }
        EndpointSource::Autopush(client) => {
            let mut agent = AutopushAgent::hello(client, None).await?;
            let push = agent.register(1, Some(&signer.public())).await?;
            Ok((TestEndpoint { push, subscription: None, set: None, agent: Some(agent.leave()) }, signer))
        }
        EndpointSource::Subscription(_) if probe.shared().sender.is_some() => {
            Ok((probe.endpoint().await?, signer))
        }
        EndpointSource::Subscription(_) => {
            Err(Stop::skip("the VAPID key of the subscription is needed (--vapid)"))
        }
    }
}
