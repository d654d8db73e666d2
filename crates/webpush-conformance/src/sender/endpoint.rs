//! The subscriptions that a sender gets.

use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;
use webpush_client::encryption::AgentKeys;
use webpush_core::base64url;
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;

/// The `Retry-After` of 429 and 503.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);
/// The shortest pause before a retry after 500.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// The response of a push resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointBehavior {
    /// 201, for every message.
    Accept,
    /// 404.
    NotFound,
    /// 410.
    Gone,
    /// 413.
    TooLarge,
    /// 429 with `Retry-After`, until that has passed.
    TooManyRequests,
    /// 500, then 201 after a pause.
    ServerError,
    /// 503 with `Retry-After`, until that has passed.
    Unavailable,
}

/// A subscription of the validator, for a sender.
#[derive(Debug)]
pub struct TrialSubscription {
    /// The push resource, as the sender must use it.
    pub endpoint: String,
    /// Path and query of the endpoint.
    pub(super) target: String,
    pub(super) behavior: EndpointBehavior,
    pub(super) keys: AgentKeys,
    /// The key that it is restricted to.
    pub(super) restricted_to: Option<SenderKey>,
    /// The first response that was not 201, and the body that it refused.
    pub(super) refused: Option<(Timestamp, Bytes)>,
    /// The last body that was accepted.
    pub(super) accepted: Option<Bytes>,
}

impl EndpointBehavior {
    /// All behaviors.
    pub const ALL: [Self; 7] = [
        Self::Accept,
        Self::NotFound,
        Self::Gone,
        Self::TooLarge,
        Self::TooManyRequests,
        Self::ServerError,
        Self::Unavailable,
    ];

    /// Returns its name: the status of its first response.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "201",
            Self::NotFound => "404",
            Self::Gone => "410",
            Self::TooLarge => "413",
            Self::TooManyRequests => "429",
            Self::ServerError => "500",
            Self::Unavailable => "503",
        }
    }

    /// Returns the behavior with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|behavior| behavior.name() == name)
    }
}

impl TrialSubscription {
    /// Returns the subscription as browsers write it, with the content codings of its user agent.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let recipient = self.keys.recipient();
        json!({
            "endpoint": self.endpoint,
            "expirationTime": null,
            "keys": {
                "p256dh": base64url::encode(recipient.p256dh.as_bytes()),
                "auth": base64url::encode(recipient.auth.expose()),
            },
            "contentEncodings": ["aes128gcm"],
        })
    }

    /// Returns the path without the query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}
