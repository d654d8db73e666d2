//! State that all checks of a run share.

use crate::autopush_agent::AutopushClient;
use crate::feature::Feature;
use crate::stop::Stop;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use webpush_client::connection::{Connector, Protocols};
use webpush_client::subscription::PushSubscription;
use webpush_client::url::CapabilityUrl;
use webpush_client::vapid::VapidKey;
use webpush_core::time::Timestamp;

/// Maximum number of requests of a run.
const MAX_REQUESTS: u32 = 1_500;
/// Shortest text that is worth hiding; shorter ones would hide harmless parts.
const MIN_SECRET_BYTES: usize = 8;

/// The HTTP versions of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpChoice {
    /// Those that the service offers.
    #[default]
    Any,
    /// HTTP/1.1 only, and therefore no server push.
    Http1,
    /// HTTP/2 only. Without TLS, by prior knowledge.
    Http2,
}

/// Where the endpoints of the checks of sending come from.
pub(crate) enum EndpointSource {
    /// POST to this URL (RFC 8030 §4).
    Subscribe(CapabilityUrl),
    /// Registrations on a WebSocket.
    Autopush(AutopushClient),
    /// The subscription of a user agent.
    Subscription(Box<PushSubscription>),
}

/// State that all checks of a run share.
pub(crate) struct SharedProbe {
    /// Opens connections.
    pub(crate) connector: Connector,
    /// The HTTP versions.
    pub(crate) http: HttpChoice,
    /// Where endpoints come from.
    pub(crate) source: EndpointSource,
    /// The URL of the service.
    pub(crate) service: CapabilityUrl,
    /// The WebSocket of Firefox, if there is one.
    pub(crate) autopush: Option<AutopushClient>,
    /// The header field with which user agents may subscribe.
    pub(crate) subscribe_authorization: Option<String>,
    /// The sender that signs every message, for subscriptions that are restricted to it.
    pub(crate) sender: Option<Rc<VapidKey>>,
    /// The clock.
    pub(crate) now: fn() -> Timestamp,
    /// Texts that must not appear in reports.
    features: RefCell<BTreeSet<Feature>>,
    no_push: RefCell<String>,
    secrets: RefCell<Vec<String>>,
    requests: Cell<u32>,
    is_interrupted: Cell<bool>,
    created: RefCell<Vec<CapabilityUrl>>,
}

impl HttpChoice {
    /// Returns the protocols for requests without server push.
    pub(crate) const fn protocols(self) -> Protocols {
        match self {
            Self::Any => Protocols::Any,
            Self::Http1 => Protocols::Http1,
            Self::Http2 => Protocols::Http2WithoutPush,
        }
    }
}

impl SharedProbe {
    /// Creates it for a service.
    pub(crate) fn new(
        connector: Connector,
        http: HttpChoice,
        source: EndpointSource,
        service: CapabilityUrl,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            connector,
            http,
            source,
            service,
            autopush: None,
            subscribe_authorization: None,
            sender: None,
            features: RefCell::default(),
            no_push: RefCell::default(),
            now,
            secrets: RefCell::default(),
            requests: Cell::new(0),
            is_interrupted: Cell::new(false),
            created: RefCell::default(),
        }
    }

    /// Returns true if the service offers a feature.
    pub(crate) fn offers(&self, feature: Feature) -> bool {
        self.features.borrow().contains(&feature)
    }

    /// Sets the offered features.
    pub(crate) fn set_features(&self, features: BTreeSet<Feature>) {
        self.features.replace(features);
    }

    /// Returns why there is no server push.
    pub(crate) fn no_push(&self) -> String {
        self.no_push.borrow().clone()
    }

    /// Sets why there is no server push.
    pub(crate) fn set_no_push(&self, reason: String) {
        self.no_push.replace(reason);
    }

    /// Counts a request.
    ///
    /// # Errors
    /// Fails if there were too many, or the run was interrupted.
    pub(crate) fn count_request(&self) -> Result<(), Stop> {
        if self.is_interrupted() {
            return Err(Stop::skip("the run was interrupted"));
        }
        let count = self.requests.get() + 1;
        self.requests.set(count);
        if count > MAX_REQUESTS {
            return Err(Stop::skip(format!("the run has sent {MAX_REQUESTS} requests")));
        }
        Ok(())
    }

    /// Lets every further request fail, or no longer.
    pub(crate) fn set_interrupted(&self, is_interrupted: bool) {
        self.is_interrupted.set(is_interrupted);
    }

    /// Returns true if requests fail because the run was interrupted.
    pub(crate) const fn is_interrupted(&self) -> bool {
        self.is_interrupted.get()
    }

    /// Returns the number of requests.
    pub(crate) const fn requests(&self) -> u32 {
        self.requests.get()
    }

    /// Notes a resource that has to be removed.
    pub(crate) fn own(&self, url: &CapabilityUrl) {
        self.created.borrow_mut().push(url.clone());
    }

    /// Notes that a resource was removed.
    pub(crate) fn disown(&self, url: &CapabilityUrl) {
        self.created.borrow_mut().retain(|one| one != url);
    }

    /// Takes the resources that are left.
    pub(crate) fn take_created(&self) -> Vec<CapabilityUrl> {
        self.created.take()
    }

    /// Hides a text in reports.
    pub(crate) fn hide(&self, secret: &str) {
        if secret.len() >= MIN_SECRET_BYTES {
            self.secrets.borrow_mut().push(secret.to_owned());
        }
    }

    /// Returns a text without secrets.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.secrets.borrow().iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
    }
}

impl fmt::Debug for SharedProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedProbe(…)")
    }
}
