//! Options of a run: the service, the profile and the requirements.

use crate::probe::HttpChoice;
use crate::requirement::{Level, Requirement};
use std::fmt;
use webpush_client::connection::Connector;
use webpush_client::error::ClientError;
use webpush_client::subscription::PushSubscription;
use webpush_client::url::CapabilityUrl;
use webpush_client::vapid::VapidKey;
use webpush_core::time::Timestamp;

/// The promises that a service is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// RFC 8030 for user agents and senders.
    PushService,
    /// The WebSocket of Firefox for user agents, RFC 8030 for senders.
    Autopush,
    /// RFC 8030 for senders, as UnifiedPush uses it.
    UnifiedPush,
    /// The side of senders only, with a subscription that a user agent has made.
    Vendor,
}

/// A run against a push service.
#[derive(Debug)]
pub struct ServiceOptions {
    /// The URL of the service; for [`Profile::Vendor`] that of the subscription.
    pub url: CapabilityUrl,
    /// Opens connections.
    pub connector: Connector,
    /// The HTTP versions to use.
    pub http: HttpChoice,
    /// The profile; `None` to find it out by asking.
    pub profile: Option<Profile>,
    /// The token with which user agents may subscribe.
    pub subscribe_token: Option<String>,
    /// The subscription of a user agent, for [`Profile::Vendor`].
    pub subscription: Option<PushSubscription>,
    /// The key of the sender that `subscription` is restricted to.
    pub sender: Option<VapidKey>,
    /// The requirements to check.
    pub selection: Selection,
    /// The clock, for tokens.
    pub now: fn() -> Timestamp,
}

/// A choice of requirements. The default is all.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Prefixes of IDs; none for all.
    pub only: Vec<String>,
    /// The least binding level.
    pub level: Option<Level>,
}

/// A run cannot be made.
#[derive(Debug)]
pub enum ConformError {
    /// The service cannot be reached.
    Unreachable(ClientError),
    /// Subscribing needs a token.
    TokenRequired,
    /// There is no push service at the URL.
    NoService,
    /// The profile needs a subscription.
    NoSubscription,
    /// No requirement is selected.
    NothingSelected,
    /// The run was interrupted. Its subscriptions were removed.
    Interrupted,
}

impl ServiceOptions {
    /// Creates options for a URL, with the defaults of everything else.
    #[must_use]
    pub fn new(url: CapabilityUrl, now: fn() -> Timestamp) -> Self {
        Self {
            url,
            connector: Connector::default(),
            http: HttpChoice::Any,
            profile: None,
            subscribe_token: None,
            subscription: None,
            sender: None,
            selection: Selection::default(),
            now,
        }
    }
}

impl Selection {
    /// Returns true if a requirement is selected.
    #[must_use]
    pub fn includes(&self, requirement: &Requirement) -> bool {
        let is_named =
            self.only.is_empty() || self.only.iter().any(|id| requirement.id.starts_with(id.as_str()));
        is_named && self.level.is_none_or(|level| requirement.level <= level)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PushService => "push-service",
            Self::Autopush => "autopush",
            Self::UnifiedPush => "unifiedpush",
            Self::Vendor => "vendor",
        })
    }
}

impl fmt::Display for ConformError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => f.write_str(&error.sentence()),
            Self::TokenRequired => f.write_str(
                "the service lets only holders of a token subscribe: pass one with --subscribe-token",
            ),
            Self::NoService => f.write_str(
                "no push service found: neither POST of the URL, nor of subscribe below it, nor a WebSocket for \
                 Firefox works there; for a service whose subscriptions only user agents can make, pass one with \
                 --subscription",
            ),
            Self::NoSubscription => {
                f.write_str("the profile vendor needs the JSON of a subscription: pass it with --subscription")
            }
            Self::NothingSelected => {
                f.write_str("no check of this profile covers the selected requirements; see --list")
            }
            Self::Interrupted => f.write_str("interrupted; the subscriptions of the checks were removed"),
        }
    }
}

impl std::error::Error for ConformError {}
