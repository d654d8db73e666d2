//! An open monitoring request.

use super::{Probe, header_map};
use crate::delivered_message::DeliveredMessage;
use crate::exchange::request_text;
use crate::stop::Stop;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use std::fmt::Write as _;
use std::time::Duration;
use webpush_client::connection::{
    Connection, Connector, FullResponse, PromisedMessage, Protocols, PushEvent, PushStream,
};
use webpush_client::error::ClientError;
use webpush_client::event_source::EventSource;
use webpush_client::url::CapabilityUrl;

/// An open monitoring request. Dropping it closes its connection.
pub(crate) struct LiveMonitor {
    /// Keeps the connection open.
    _connection: Connection,
    source: MonitorSource,
    request: String,
    status: Option<u16>,
    end: String,
}

enum MonitorSource {
    Push(Box<PushStream>),
    Events(Box<EventSource>),
    /// Nothing comes any more.
    End,
}

impl LiveMonitor {
    /// Opens one by server push.
    pub(crate) async fn push(
        probe: &Probe,
        url: &CapabilityUrl,
        headers: &[(&str, &str)],
        connector: Connector,
    ) -> Result<Self, Stop> {
        probe.shared().count_request()?;
        let headers = header_map(headers)?;
        let request = request_text(&Method::GET, url, &headers, &[]);
        let mut connection = connector.connect(url, Protocols::Http2).await?;
        let stream = connection.monitor(get(url, headers, ())).await?;
        let source = MonitorSource::Push(Box::new(stream));
        Ok(Self { _connection: connection, source, request, status: None, end: String::new() })
    }

    /// Opens one with server-sent events, after an event ID if there is one.
    pub(crate) async fn events(
        probe: &Probe,
        url: &CapabilityUrl,
        headers: &[(&str, &str)],
        after: Option<&str>,
    ) -> Result<Self, Stop> {
        let mut headers = header_map(headers)?;
        let mut connection = probe.connect(url, probe.shared().http.protocols()).await?;
        let started =
            EventSource::start(&mut connection, get(url, headers.clone(), Bytes::new()), after).await;
        headers.insert("accept", http::HeaderValue::from_static("text/event-stream"));
        let request = request_text(&Method::GET, url, &headers, &[]);
        let (source, status) = match started {
            Ok(Some(events)) => (MonitorSource::Events(Box::new(events)), 200),
            Ok(None) => (MonitorSource::End, 204),
            Err(error) => match error.status() {
                Some(status) => (MonitorSource::End, status.as_u16()),
                None => return Err(error.into()),
            },
        };
        Ok(Self { _connection: connection, source, request, status: Some(status), end: String::new() })
    }

    /// Waits for the next message; `None` at the end of the request.
    pub(crate) async fn next(&mut self) -> Option<Result<DeliveredMessage, Stop>> {
        match &mut self.source {
            MonitorSource::Push(stream) => match stream.next().await {
                Ok(PushEvent::Promise(promise)) => Some(receive_promise(promise).await),
                Ok(PushEvent::Response(response)) => {
                    self.finish(&response);
                    None
                }
                Err(error) => Some(Err(error.into())),
            },
            MonitorSource::Events(events) => match events.next().await {
                Ok(Some(event)) => Some(event.receive().map(from_event).map_err(Stop::from)),
                Ok(None) => {
                    self.source = MonitorSource::End;
                    None
                }
                Err(ClientError::Removed { .. }) => {
                    self.status = Some(404);
                    self.source = MonitorSource::End;
                    None
                }
                Err(error) => Some(Err(error.into())),
            },
            MonitorSource::End => None,
        }
    }

    /// Waits for the next promise, without receiving its message; `None` at the end.
    pub(crate) async fn promise(&mut self) -> Result<Option<PromisedMessage>, Stop> {
        let MonitorSource::Push(stream) = &mut self.source else { return Ok(None) };
        match stream.next().await? {
            PushEvent::Promise(promise) => Ok(Some(promise)),
            PushEvent::Response(response) => {
                self.finish(&response);
                Ok(None)
            }
        }
    }

    /// Waits for the next message for a time; `None` if none came or the request ended.
    pub(crate) async fn next_within(&mut self, limit: Duration) -> Result<Option<DeliveredMessage>, Stop> {
        match tokio::time::timeout(limit, self.next()).await {
            Ok(next) => next.transpose(),
            Err(_) => Ok(None),
        }
    }

    /// Returns the ID of the last event.
    pub(crate) fn last_event_id(&self) -> Option<String> {
        match &self.source {
            MonitorSource::Events(events) => events.last_id().map(str::to_owned),
            MonitorSource::Push(_) | MonitorSource::End => None,
        }
    }

    /// Returns true if the request has ended.
    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self.source, MonitorSource::End)
    }

    /// Returns the status code of the request, 0 if it has not ended, and the request with its response.
    pub(crate) fn end(self) -> (u16, String) {
        let mut transcript = self.request;
        if !self.end.is_empty() {
            let _ = write!(transcript, "\n\n{}", self.end);
        }
        (self.status.unwrap_or(0), transcript)
    }

    fn finish(&mut self, response: &FullResponse) {
        self.status = Some(response.status.as_u16());
        self.end = response_text(response);
        self.source = MonitorSource::End;
    }
}

fn get<B>(url: &CapabilityUrl, headers: HeaderMap, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.uri_mut() = url.uri().clone();
    *request.headers_mut() = headers;
    request
}

/// Receives a promised message.
pub(crate) async fn receive_promise(promise: PromisedMessage) -> Result<DeliveredMessage, Stop> {
    let request = promise.request().clone();
    let (_, response) = promise.receive().await?;
    let mut transcript = format!("PUSH_PROMISE {} {}", request.method(), request.uri());
    for (name, value) in request.headers() {
        let _ = write!(transcript, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    let _ = write!(transcript, "\n\n{}", response_text(&response));
    Ok(DeliveredMessage {
        url: request.uri().to_string(),
        method: request.method().to_string(),
        request_headers: request.headers().clone(),
        status: response.status.as_u16(),
        headers: response.headers,
        body: response.body.to_vec(),
        transcript,
    })
}

fn from_event((url, response): (CapabilityUrl, FullResponse)) -> DeliveredMessage {
    DeliveredMessage {
        transcript: format!("event: message {}\n\n{}", url.expose(), response_text(&response)),
        url: url.expose(),
        method: "GET".to_owned(),
        request_headers: HeaderMap::new(),
        status: response.status.as_u16(),
        headers: response.headers,
        body: response.body.to_vec(),
    }
}

fn response_text(response: &FullResponse) -> String {
    let mut text = response.status.as_u16().to_string();
    for (name, value) in &response.headers {
        let _ = write!(text, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    if !response.body.is_empty() {
        let _ = write!(text, "\n\n({} bytes)", response.body.len());
    }
    text
}
