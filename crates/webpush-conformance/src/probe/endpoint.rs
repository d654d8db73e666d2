//! Endpoints to send to.

use super::{EndpointSource, Probe};
use crate::autopush_agent::{AbsentAgent, AutopushAgent};
use crate::exchange::Exchange;
use crate::stop::Stop;
use bytes::Bytes;
use http::Method;
use webpush_client::encryption::encrypt;
use webpush_client::url::CapabilityUrl;

/// The relation of a push resource.
pub(crate) const PUSH: &str = "urn:ietf:params:push";
/// The relation of a subscription set.
pub(crate) const SET: &str = "urn:ietf:params:push:set";
/// The relation of a receipt subscription.
pub(crate) const RECEIPT: &str = "urn:ietf:params:push:receipt";

/// The longest text whose encryption fits into 4,096 bytes (RFC 8291 §4).
pub(crate) const MAX_TEXT_BYTES: usize = 3993;

/// A push resource, and the way to receive its messages.
pub(crate) struct TestEndpoint {
    /// The push resource.
    pub(crate) push: CapabilityUrl,
    /// The subscription of RFC 8030.
    pub(crate) subscription: Option<CapabilityUrl>,
    /// Its set.
    pub(crate) set: Option<CapabilityUrl>,
    /// The user agent on a WebSocket.
    pub(crate) agent: Option<AbsentAgent>,
}

impl TestEndpoint {
    /// Returns the subscription of RFC 8030.
    ///
    /// # Errors
    /// Skips the check if the endpoint has none.
    pub(crate) fn subscription(&self) -> Result<&CapabilityUrl, Stop> {
        self.subscription.as_ref().ok_or_else(|| Stop::skip("the service returned no subscription URL"))
    }

    /// Returns the set.
    ///
    /// # Errors
    /// Skips the check if the endpoint has none.
    pub(crate) fn set(&self) -> Result<&CapabilityUrl, Stop> {
        self.set.as_ref().ok_or_else(|| Stop::skip("the service offers no subscription sets"))
    }
}

impl Probe {
    /// Creates an endpoint for the checks of sending.
    pub(crate) async fn endpoint(&mut self) -> Result<TestEndpoint, Stop> {
        match &self.shared().source {
            EndpointSource::Subscribe(_) => self.subscribe().await,
            EndpointSource::Autopush(client) => {
                let mut agent = AutopushAgent::hello(client, None).await?;
                let push = agent.register(1, None).await?;
                Ok(TestEndpoint { push, subscription: None, set: None, agent: Some(agent.leave()) })
            }
            EndpointSource::Subscription(given) => {
                let push = given.endpoint.clone();
                Ok(TestEndpoint { push, subscription: None, set: None, agent: None })
            }
        }
    }

    /// Returns true if messages are encrypted for a subscription that was given.
    pub(crate) fn has_given_subscription(&self) -> bool {
        matches!(self.shared().source, EndpointSource::Subscription(_))
    }

    /// Subscribes by RFC 8030.
    pub(crate) async fn subscribe(&mut self) -> Result<TestEndpoint, Stop> {
        let exchange = self.subscribe_with(&[], Bytes::new()).await?;
        self.read_endpoint(&exchange)
    }

    /// Sends a request to subscribe, whose resources are removed after the check.
    pub(crate) async fn subscribe_with(
        &mut self,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Exchange, Stop> {
        let EndpointSource::Subscribe(url) = &self.shared().source else {
            return Err(Stop::skip("the service offers no subscriptions by RFC 8030"));
        };
        let url = url.clone();
        let authorization = self.shared().subscribe_authorization.clone();
        let authorization = authorization.as_deref().map(|value| ("authorization", value));
        let headers: Vec<_> = headers.iter().copied().chain(authorization).collect();
        let exchange = self.send(Method::POST, &url, &headers, body).await?;
        if exchange.is_success() {
            let set = exchange.links(SET).into_iter().next();
            for url in exchange.location().iter().chain(&set) {
                self.own(url);
            }
        }
        Ok(exchange)
    }

    /// Reads the URLs of a new subscription.
    ///
    /// # Errors
    /// Skips the check if it was not created, which another check reports.
    pub(crate) fn read_endpoint(&self, exchange: &Exchange) -> Result<TestEndpoint, Stop> {
        if !exchange.is_success() {
            return Err(Stop::skip(format!("subscribing returned {}", exchange.status)));
        }
        let Some(push) = exchange.links(PUSH).into_iter().next() else {
            return Err(Stop::skip("the service returned no link to the push resource"));
        };
        let set = exchange.links(SET).into_iter().next();
        Ok(TestEndpoint { push, subscription: exchange.location(), set, agent: None })
    }

    /// Sends a message. Signs and encrypts it if the endpoint is that of a real user agent.
    pub(crate) async fn push(
        &mut self,
        endpoint: &TestEndpoint,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Exchange, Stop> {
        let mut body = body.into();
        let mut all: Vec<(&str, String)> =
            headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let has = |name: &str| headers.iter().any(|(one, _)| *one == name);
        if let EndpointSource::Subscription(given) = &self.shared().source
            && !has("content-encoding")
        {
            let text = &body[..body.len().min(MAX_TEXT_BYTES)];
            body = encrypt(&given.keys, text).map_err(|error| Stop::Error(error.to_string()))?.into();
            all.push(("content-encoding", "aes128gcm".to_owned()));
            // As npm web-push sends it: some services ignore bodies without a type.
            all.push(("content-type", "application/octet-stream".to_owned()));
        }
        if endpoint.agent.is_some() && !body.is_empty() && !has("content-encoding") {
            // autopush-rs takes encrypted bodies only, by their label.
            all.push(("content-encoding", "aes128gcm".to_owned()));
        }
        if let Some(sender) = &self.shared().sender
            && !has("authorization")
        {
            let now = (self.shared().now)();
            let signed = sender.authorization(&endpoint.push.origin(), Some("https://example.net/"), now);
            let signed = signed.map_err(|error| Stop::Error(error.to_string()))?;
            self.shared().hide(&signed);
            all.push(("authorization", signed));
        }
        let headers: Vec<(&str, &str)> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.send(Method::POST, &endpoint.push, &headers, body).await
    }

    /// Sends a message that the service must accept for the check to go on.
    ///
    /// # Errors
    /// Skips the check if it is refused, which another check reports.
    pub(crate) async fn accepted(
        &mut self,
        endpoint: &TestEndpoint,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Exchange, Stop> {
        let exchange = self.push(endpoint, headers, body).await?;
        if exchange.is_success() {
            return Ok(exchange);
        }
        Err(Stop::skip(format!("the service refused a message with {}", exchange.status)))
    }
}
