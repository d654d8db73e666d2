//! Listening without server push: messages come as server-sent events.

use super::base64url;
use super::connection::{Answer, Connection, Streamed};
use super::error::ClientError;
use super::event_stream::{EventReader, StreamEvent};
use super::problem;
use super::url::CapabilityUrl;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use serde::Deserialize;
use std::collections::BTreeMap;

const MEDIA_TYPE: &str = "text/event-stream";

/// A stream of events that is open.
pub struct Events {
    streamed: Streamed,
    reader: EventReader,
    origin: String,
    last_id: Option<String>,
}

/// A message that came as an event.
pub struct EventMessage(Box<Result<(CapabilityUrl, Answer), ClientError>>);

/// The data of a message.
#[derive(Deserialize)]
struct MessageJson {
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
}

impl Events {
    /// Asks for events, those after an id if there is one; `None` when there is nothing to be had.
    ///
    /// # Errors
    /// [`ClientError::Gone`] when the subscription is; otherwise why there are no events.
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
        let streamed = connection.stream(request).await?;
        let origin = connection.origin().to_owned();
        match streamed.status {
            StatusCode::NO_CONTENT => return Ok(None),
            StatusCode::OK => {}
            _ => return Err(problem::failure(&origin, "let us listen", &streamed.whole().await?)),
        }
        let kind = streamed.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA_TYPE) {
            return Err(ClientError::Refused(format!("{origin} does not deliver as events (--via push)")));
        }
        Ok(Some(Self { streamed, reader: EventReader::default(), origin, last_id: None }))
    }

    /// Waits for the next message; `None` at the end. May be dropped and called again while it waits.
    ///
    /// # Errors
    /// [`ClientError::Gone`] when the subscription is; [`ClientError::Unavailable`] when the connection ended first.
    pub async fn next(&mut self) -> Result<Option<EventMessage>, ClientError> {
        loop {
            let event = self.reader.next_event().map_err(|_| {
                ClientError::Unavailable(format!("{} sent an event that is too long", self.origin))
            })?;
            match event {
                Some(StreamEvent { kind, data, last_id }) => {
                    self.last_id = last_id;
                    match kind.as_str() {
                        "message" => return Ok(Some(EventMessage(Box::new(self.message(&data))))),
                        "gone" => {
                            let origin = &self.origin;
                            return Err(ClientError::Gone(format!("{origin} says that it was removed")));
                        }
                        // What else there may be one day is not for us.
                        _ => {}
                    }
                }
                None => match self.streamed.part().await? {
                    Some(part) => self.reader.add(&part),
                    None => return Ok(None),
                },
            }
        }
    }

    /// The place to go on from, once the last message was dealt with.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn message(&self, data: &str) -> Result<(CapabilityUrl, Answer), ClientError> {
        let origin = &self.origin;
        let wrong = || ClientError::Refused(format!("{origin} sent an event that is no message"));
        let json: MessageJson = serde_json::from_str(data).map_err(|_| wrong())?;
        let url = CapabilityUrl::parse(&json.url)?;
        // Its acknowledgement goes there; only the service itself may take one.
        if url.origin() != *origin {
            return Err(ClientError::Refused(format!(
                "{origin} sent a message of {}, which is not its own: its public URL is probably set wrongly",
                url.origin()
            )));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &json.headers {
            let name: HeaderName = name.parse().map_err(|_| wrong())?;
            headers.insert(name, header_value(value).ok_or_else(wrong)?);
        }
        let body = base64url::decode(&json.body).ok_or_else(wrong)?.into();
        Ok((url, Answer { status: StatusCode::OK, headers, body }))
    }
}

impl EventMessage {
    /// The message as it would have been pushed.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for an event that is no message of this service's.
    pub fn receive(self) -> Result<(CapabilityUrl, Answer), ClientError> {
        *self.0
    }
}

/// Each character stands for one byte.
fn header_value(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> =
        text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}
