//! Receives messages: by server push, as server-sent events, or on a WebSocket.

use super::{HttpChoice, LiveMonitor, Probe, TestEndpoint};
use crate::delivered_message::{DeliveredMessage, texts};
use crate::feature::Feature;
use crate::stop::Stop;
use std::time::Duration;
use webpush_client::url::CapabilityUrl;

/// How long a check waits for something that has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Maximum number of messages that a check takes from one request.
const MAX_MESSAGES: usize = 200;

/// All that a monitoring request with `wait=0` returned.
#[derive(Debug)]
pub(crate) struct DrainResult {
    /// The messages.
    pub(crate) messages: Vec<DeliveredMessage>,
    /// The status code of the request itself.
    pub(crate) status: u16,
    /// The request, the messages and the response.
    pub(crate) transcript: String,
}

impl DrainResult {
    /// Returns the bodies as text.
    pub(crate) fn texts(&self) -> Vec<String> {
        texts(&self.messages)
    }
}

impl Probe {
    /// Returns true if messages of RFC 8030 come by server push.
    pub(crate) fn pushes(&self) -> bool {
        self.offers(Feature::ServerPush) && self.shared().http != HttpChoice::Http1
    }

    /// Opens a monitoring request, by server push if that works.
    pub(crate) async fn monitor(
        &self,
        url: &CapabilityUrl,
        headers: &[(&str, &str)],
    ) -> Result<LiveMonitor, Stop> {
        if self.pushes() {
            LiveMonitor::push(self, url, headers, self.shared().connector.clone()).await
        } else if self.offers(Feature::EventStream) {
            LiveMonitor::events(self, url, headers, None).await
        } else {
            Err(Stop::skip(Feature::Receiving.reason()))
        }
    }

    /// Monitors with `wait=0`.
    pub(crate) async fn drain(
        &self,
        url: &CapabilityUrl,
        headers: &[(&str, &str)],
    ) -> Result<DrainResult, Stop> {
        let headers: Vec<_> = headers.iter().copied().chain([("prefer", "wait=0")]).collect();
        let monitor = self.monitor(url, &headers).await?;
        finish(monitor).await
    }

    /// Returns what is stored for an endpoint, in whatever way its messages come.
    pub(crate) async fn received(&self, endpoint: &TestEndpoint) -> Result<Vec<DeliveredMessage>, Stop> {
        if let Some(agent) = &endpoint.agent {
            return agent.received().await;
        }
        let Some(subscription) = &endpoint.subscription else {
            return Err(Stop::skip(Feature::Receiving.reason()));
        };
        Ok(self.drain(subscription, &[]).await?.messages)
    }
}

/// Reads a monitoring request to its end.
pub(crate) async fn finish(mut monitor: LiveMonitor) -> Result<DrainResult, Stop> {
    let mut messages = Vec::new();
    while messages.len() < MAX_MESSAGES {
        let next = tokio::time::timeout(PATIENCE, monitor.next()).await;
        match next {
            Ok(Some(message)) => messages.push(message?),
            Ok(None) => break,
            Err(_) => {
                return Err(Stop::Error(format!(
                    "the monitoring request did not end within {} s after {} messages",
                    PATIENCE.as_secs(),
                    messages.len()
                )));
            }
        }
    }
    let (status, mut transcript) = monitor.end();
    for message in &messages {
        transcript.push_str("\n\n");
        transcript.push_str(&message.transcript);
    }
    Ok(DrainResult { messages, status, transcript })
}
