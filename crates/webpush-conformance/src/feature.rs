//! Features of a service.

/// Something that a service may offer, found out by asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feature {
    /// The URL is https.
    Tls,
    /// HTTP/2 with server push.
    ServerPush,
    /// Messages that were sent can be received by the checks, in any way.
    Receiving,
    /// Subscriptions by RFC 8030.
    Subscribing,
    /// Subscription sets.
    Sets,
    /// Receipts.
    Receipts,
    /// Server-sent events.
    EventStream,
    /// A message has a URL of its own.
    MessageUrls,
}

impl Feature {
    /// Returns why a check that needs it is skipped.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Tls => "the URL is not https",
            Self::ServerPush => "there is no HTTP/2 server push",
            Self::Receiving => "messages cannot be received here",
            Self::Subscribing => "the service offers no subscriptions by RFC 8030",
            Self::Sets => "the service offers no subscription sets",
            Self::Receipts => "the service offers no receipts",
            Self::EventStream => "the service offers no server-sent events",
            Self::MessageUrls => "the service gives messages no URL",
        }
    }
}
