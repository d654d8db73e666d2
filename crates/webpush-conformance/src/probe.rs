//! The client of a check: records requests and outcomes, and removes what it creates.

mod endpoint;
mod live_monitor;
mod receive;
mod shared;

pub(crate) use crate::exchange::targets;
pub(crate) use endpoint::{MAX_TEXT_BYTES, PUSH, RECEIPT, SET, TestEndpoint};
pub(crate) use live_monitor::{LiveMonitor, receive_promise};
pub(crate) use receive::{DrainResult, PATIENCE, finish};
pub use shared::HttpChoice;
pub(crate) use shared::{EndpointSource, SharedProbe};

use crate::exchange::{Exchange, request_text};
use crate::feature::Feature;
use crate::report::{CheckOutcome, Finding};
use crate::stop::Stop;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use std::rc::Rc;
use std::time::Duration;
use webpush_client::connection::{Connection, FullResponse, Protocols};
use webpush_client::error::ClientError;
use webpush_client::url::CapabilityUrl;

/// Longest `Retry-After` that a check waits for.
const MAX_RETRY_AFTER_SECONDS: u64 = 20;
/// Attempts of a request that the service refuses with 429.
const ATTEMPTS: usize = 3;

/// A client of the service that records what it does.
pub(crate) struct Probe {
    shared: Rc<SharedProbe>,
    connection: Option<(String, Connection)>,
    created: Vec<CapabilityUrl>,
    outcomes: Vec<(&'static str, CheckOutcome)>,
}

impl Probe {
    /// Creates a probe without a connection.
    pub(crate) fn new(shared: Rc<SharedProbe>) -> Self {
        Self { shared, connection: None, created: Vec::new(), outcomes: Vec::new() }
    }

    /// Returns what all checks share.
    pub(crate) fn shared(&self) -> &SharedProbe {
        &self.shared
    }

    /// Returns true if the service offers a feature.
    pub(crate) fn offers(&self, feature: Feature) -> bool {
        self.shared.offers(feature)
    }

    /// Records whether a requirement is fulfilled; `exchange` is the evidence if it is not.
    pub(crate) fn verify(
        &mut self,
        id: &'static str,
        is_fulfilled: bool,
        expected: &str,
        found: impl Into<String>,
        exchange: &str,
    ) {
        let outcome = if is_fulfilled {
            CheckOutcome::Passed
        } else {
            let redact = |text: &str| self.shared.redact(text);
            CheckOutcome::Failed(vec![Finding {
                expected: expected.to_owned(),
                found: redact(&found.into()),
                exchange: redact(exchange),
            }])
        };
        self.outcomes.push((id, outcome));
    }

    /// Records whether a response has one of these status codes.
    pub(crate) fn verify_status(&mut self, id: &'static str, exchange: &Exchange, statuses: &[u16]) {
        let expected: Vec<String> = statuses.iter().map(u16::to_string).collect();
        let is_fulfilled = statuses.contains(&exchange.status);
        let found = exchange.status.to_string();
        self.verify(id, is_fulfilled, &expected.join(" or "), found, &exchange.transcript);
    }

    /// Records that a requirement is not checked.
    pub(crate) fn skip(&mut self, id: &'static str, reason: &str) {
        self.outcomes.push((id, CheckOutcome::skipped(reason)));
    }

    /// Returns the recorded outcomes.
    pub(crate) fn into_outcomes(self) -> Vec<(&'static str, CheckOutcome)> {
        self.outcomes
    }

    /// Sends a request, and reads the response. Waits and repeats it after 429.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        url: &CapabilityUrl,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Exchange, Stop> {
        let body = body.into();
        let headers = header_map(headers)?;
        for _ in 1..ATTEMPTS {
            let exchange = self.send_once(&method, url, &headers, &body).await?;
            let Some(pause) = retry_after(&exchange) else { return Ok(exchange) };
            tokio::time::sleep(pause).await;
        }
        self.send_once(&method, url, &headers, &body).await
    }

    async fn send_once(
        &mut self,
        method: &Method,
        url: &CapabilityUrl,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Exchange, Stop> {
        self.shared.count_request()?;
        let text = request_text(method, url, headers, body);
        let is_reused = self.connection.is_some();
        let response = match self.attempt(method, url, headers, body).await {
            // The service may have closed an idle connection.
            Err(ClientError::Transport(_)) if is_reused => self.attempt(method, url, headers, body).await,
            result => result,
        };
        Ok(Exchange::new(text, url, response?))
    }

    async fn attempt(
        &mut self,
        method: &Method,
        url: &CapabilityUrl,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<FullResponse, ClientError> {
        let origin = url.origin();
        let mut open = match self.connection.take() {
            Some((of, connection)) if of == origin => connection,
            _ => self.shared.connector.connect(url, self.shared.http.protocols()).await?,
        };
        let mut request = Request::new(body.clone());
        *request.method_mut() = method.clone();
        *request.uri_mut() = url.uri().clone();
        *request.headers_mut() = headers.clone();
        let response = open.exchange(request).await?;
        self.connection = Some((origin, open));
        Ok(response)
    }

    /// Opens a connection of its own.
    pub(crate) async fn connect(
        &self,
        url: &CapabilityUrl,
        protocols: Protocols,
    ) -> Result<Connection, Stop> {
        self.shared.count_request()?;
        Ok(self.shared.connector.connect(url, protocols).await?)
    }

    /// Notes a resource that has to be removed after the check.
    pub(crate) fn own(&mut self, url: &CapabilityUrl) {
        self.created.push(url.clone());
        self.shared.own(url);
    }

    /// Removes the resources of this check. Those that remain are removed at the end of the run.
    pub(crate) async fn clean(&mut self) {
        if self.shared.is_interrupted() {
            return;
        }
        for url in std::mem::take(&mut self.created) {
            let removed = self.send(Method::DELETE, &url, &[], Bytes::new()).await;
            if removed.is_ok_and(|exchange| exchange.is_success() || matches!(exchange.status, 404 | 410)) {
                self.shared.disown(&url);
            }
        }
    }
}

/// Returns how long to wait before a request is repeated; `None` if it is not.
fn retry_after(exchange: &Exchange) -> Option<Duration> {
    let seconds = exchange.field("retry-after").filter(|_| exchange.status == 429)?.trim().parse().ok()?;
    (seconds <= MAX_RETRY_AFTER_SECONDS).then(|| Duration::from_secs(seconds))
}

/// Creates header fields.
pub(crate) fn header_map(headers: &[(&str, &str)]) -> Result<HeaderMap, Stop> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| Stop::skip("a header name is invalid"))?;
        let value = HeaderValue::from_str(value).map_err(|_| Stop::skip("a header value is invalid"))?;
        map.append(name, value);
    }
    Ok(map)
}
