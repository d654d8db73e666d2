//! Receives messages as server-sent events.

use crate::connection::{Connection, FullResponse, ResponseStream};
use crate::error::{ClientError, Operation, ProtocolError, StatusError};
use crate::event_stream::{EventReader, StreamEvent};
use crate::url::CapabilityUrl;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use serde::Deserialize;
use std::collections::BTreeMap;
use webpush_core::base64url;

const MEDIA_TYPE: &str = "text/event-stream";

/// An open stream of events.
pub struct EventSource {
    stream: ResponseStream,
    reader: EventReader,
    origin: String,
    last_id: Option<String>,
}

/// A message from an event.
pub struct EventMessage(Box<Result<(CapabilityUrl, FullResponse), ClientError>>);

/// The data of a message event.
#[derive(Deserialize)]
struct MessageJson {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
}

impl EventSource {
    /// Requests events, optionally those after an ID.
    ///
    /// Returns `None` if nothing is stored and the request does not wait.
    ///
    /// # Errors
    /// [`ClientError::Status`]; [`ClientError::Protocol`] if the server does not support events.
    pub async fn start(
        connection: &mut Connection,
        mut request: Request<Bytes>,
        after: Option<&str>,
    ) -> Result<Option<Self>, ClientError> {
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(after) = after.and_then(|after| HeaderValue::from_str(after).ok()) {
            headers.insert("last-event-id", after);
        }
        let stream = connection.stream(request).await?;
        let origin = connection.origin().to_owned();
        match stream.status {
            StatusCode::NO_CONTENT => return Ok(None),
            StatusCode::OK => {}
            _ => return Err(StatusError::new(&origin, Operation::Listen, &stream.whole().await?).into()),
        }
        let kind = stream.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA_TYPE) {
            return Err(ClientError::protocol(origin, ProtocolError::NoEvents));
        }
        Ok(Some(Self { stream, reader: EventReader::default(), origin, last_id: None }))
    }

    /// Waits for the next message; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// [`ClientError::Removed`]; [`ClientError::Transport`] if the connection failed.
    pub async fn next(&mut self) -> Result<Option<EventMessage>, ClientError> {
        loop {
            let event = self.reader.next_event();
            let event =
                event.map_err(|_| ClientError::protocol(&*self.origin, ProtocolError::EventTooLong))?;
            match event {
                Some(StreamEvent { kind, data, last_id }) => {
                    self.last_id = last_id;
                    match kind.as_str() {
                        "message" => return Ok(Some(EventMessage(Box::new(self.message(&data))))),
                        "gone" => return Err(ClientError::Removed { origin: self.origin.clone() }),
                        // Unknown events are ignored.
                        _ => {}
                    }
                }
                None => match self.stream.part().await? {
                    Some(part) => self.reader.add(&part),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Returns the ID to resume after, once the last message is handled.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn message(&self, data: &str) -> Result<(CapabilityUrl, FullResponse), ClientError> {
        let origin = &*self.origin;
        let wrong = || ClientError::protocol(origin, ProtocolError::NotAMessage);
        let json: MessageJson = serde_json::from_str(data).map_err(|_| wrong())?;
        let url = CapabilityUrl::parse(&json.url)?;
        // Acknowledgements are sent there, so it must be the service itself.
        if url.origin() != origin {
            return Err(ClientError::protocol(origin, ProtocolError::ForeignMessage(url.origin())));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &json.headers {
            let name: HeaderName = name.parse().map_err(|_| wrong())?;
            headers.insert(name, header_value(value).ok_or_else(wrong)?);
        }
        let body = base64url::decode_lenient(&json.body).ok_or_else(wrong)?.into();
        Ok((url, FullResponse { status: StatusCode::OK, headers, body }))
    }
}

impl EventMessage {
    /// Returns the message in the form of server push.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] for an event that is not a message of this service.
    pub fn receive(self) -> Result<(CapabilityUrl, FullResponse), ClientError> {
        *self.0
    }
}

/// Decodes a header value in which each character is one byte.
fn header_value(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> =
        text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}
