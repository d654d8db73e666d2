//! Requests to the collector: one connection per batch, on the server's runtime.
//!
//! The exporter calls from its own thread, so nothing else waits for a slow collector.

use async_trait::async_trait;
use http::{Request, Response};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use std::fmt;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;
use webpush_client::connection::{Connector, Protocols};
use webpush_client::error::ClientError;
use webpush_client::url::CapabilityUrl;
use webpush_http::transport::log_throttle::LogThrottle;

/// Timeout for a request, including the connection.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// A collector.
#[derive(Debug)]
pub(super) struct Collector {
    url: CapabilityUrl,
    runtime: Handle,
    throttle: LogThrottle,
}

impl Collector {
    pub(super) fn new(endpoint: &str) -> anyhow::Result<Self> {
        Ok(Self {
            url: CapabilityUrl::parse(endpoint)?,
            runtime: Handle::try_current()?,
            throttle: LogThrottle::new(),
        })
    }

    fn warn(&self, error: &dyn fmt::Display) {
        if self.throttle.is_due() {
            tracing::warn!(
                %error,
                "cannot export traces to {} (--otlp-endpoint); they are dropped; logged once a minute",
                self.url.origin()
            );
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let url = self.url.clone();
        let exchange = async move {
            let mut connection = Connector::default().connect(&url, Protocols::Any).await?;
            connection.exchange(request).await
        };
        // The timer must be created on the runtime as well; this thread has none.
        let task = self.runtime.spawn(async { timeout(REQUEST_TIMEOUT, exchange).await });
        let answer = match task.await {
            Ok(Ok(answer)) => answer.map_err(|error: ClientError| error.sentence()),
            Ok(Err(_)) => Err(format!("no answer within {} s", REQUEST_TIMEOUT.as_secs())),
            Err(_) => Err("the server is shutting down".to_owned()),
        };
        let answer = answer.inspect_err(|error| self.warn(error))?;
        if !answer.status.is_success() {
            self.warn(&answer.status);
        }
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}
