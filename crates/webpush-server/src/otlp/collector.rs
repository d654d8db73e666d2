//! The way to the collector: one connection for each batch, on the runtime of the service. The exporter calls from a thread
//! of its own, so nothing else waits for it.

use async_trait::async_trait;
use http::{Request, Response};
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::time::timeout;
use webpush_client::connection::{Connector, Protocols};
use webpush_client::error::ClientError;
use webpush_client::url::CapabilityUrl;

/// From the connection to the answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often it is said that it does not work.
const BETWEEN_COMPLAINTS: Duration = Duration::from_secs(60);

/// A collector.
#[derive(Debug)]
pub(super) struct Collector {
    url: CapabilityUrl,
    runtime: Handle,
    complained: Mutex<Option<Instant>>,
}

impl Collector {
    pub(super) fn at(endpoint: &str) -> anyhow::Result<Self> {
        Ok(Self {
            url: CapabilityUrl::parse(endpoint)?,
            runtime: Handle::try_current()?,
            complained: Mutex::default(),
        })
    }

    /// Batches that fail are lost, which is no reason for a line each.
    fn complain(&self, error: &dyn fmt::Display) {
        let now = Instant::now();
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|last| now.duration_since(last) >= BETWEEN_COMPLAINTS) {
            *complained = Some(now);
            tracing::warn!(
                %error,
                "traces are lost: {} does not take them (--otlp-endpoint); this is said once a minute",
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
        // The timer is made on the runtime as well; there is none on this thread.
        let exchanging = self.runtime.spawn(async { timeout(PATIENCE, exchange).await });
        let answer = match exchanging.await {
            Ok(Ok(answered)) => answered.map_err(|error: ClientError| error.sentence()),
            Ok(Err(_)) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
            Err(_) => Err("the service stops".to_owned()),
        };
        let answer = answer.inspect_err(|error| self.complain(error))?;
        if !answer.status.is_success() {
            self.complain(&answer.status);
        }
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}
