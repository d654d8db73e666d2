//! A push service on loopback that judges a user agent: on the WebSocket of Firefox, and by RFC 8030.
//!
//! The judgement is that of `webpush_conformance::agent`.

mod http;
mod websocket;

use self::http::HttpTrial;
use self::websocket::WebSocketTrial;
use serde_json::{Value, json};
use webpush_conformance::report::Report;

/// A running server that judges a user agent. It serves as long as the runtime runs.
pub struct AgentTrial {
    websocket: WebSocketTrial,
    http: HttpTrial,
}

impl AgentTrial {
    /// Starts listening on loopback, on free ports if they are 0. It is ready when this returns.
    ///
    /// # Errors
    /// If a port is taken.
    pub async fn start(port: u16, http_port: u16) -> anyhow::Result<Self> {
        Ok(Self { websocket: WebSocketTrial::start(port).await?, http: HttpTrial::start(http_port).await? })
    }

    /// Returns the addresses.
    #[must_use]
    pub fn ready(&self) -> Value {
        json!({ "ws": self.websocket.url(), "http": self.http.url() })
    }

    /// Returns the variables for a command that runs the user agent.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("WEBPUSH_CONFORM_WS", self.websocket.url()), ("WEBPUSH_CONFORM_URL", self.http.url())]
    }

    /// Returns the report so far about the protocols that were spoken; `None` if no user agent connected.
    #[must_use]
    pub fn report(&self, name: Option<&str>) -> Option<Report> {
        let reports = [self.websocket.report(name), self.http.report(name)];
        reports.into_iter().flatten().reduce(|mut all, more| {
            all.facts.extend(more.facts);
            all.results.extend(more.results);
            all
        })
    }
}
