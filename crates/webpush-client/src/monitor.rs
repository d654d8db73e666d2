//! Receives, decrypts and acknowledges messages (RFC 8030 §6).

use crate::connection::{
    Connection, Connector, FullResponse, PromisedMessage, Protocols, PushEvent, PushStream,
};
use crate::encryption::{AgentKeys, CryptoError, LegacyParameters, decrypt, decrypt_aesgcm};
use crate::error::{ClientError, Operation, ProtocolError, StatusError};
use crate::event_source::{EventMessage, EventSource};
use crate::side_connection::SideConnection;
use crate::subscribe::request;
use crate::url::CapabilityUrl;
use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// How long to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until the connection ends.
    Forever,
    /// Until all stored messages are delivered (RFC 8030 §6, `Prefer: wait=0`).
    Stored,
}

/// How messages are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via<'a> {
    /// HTTP/2 server push (RFC 8030 §6).
    Push,
    /// Server-sent events.
    Events {
        /// The ID of the event to resume after.
        after: Option<&'a str>,
    },
}

impl Via<'_> {
    /// Returns the protocols that support it.
    #[must_use]
    pub const fn protocols(self) -> Protocols {
        match self {
            Self::Push => Protocols::Http2,
            Self::Events { .. } => Protocols::Any,
        }
    }
}

/// A connection that delivers the messages of a subscription.
///
/// # Calling protocol
///
/// Call [`Monitor::next`] until it returns [`Event::Ended`] or fails. Receive each message with
/// [`ReceivedMessage::receive`], and acknowledge it once it is handled: unacknowledged messages are delivered again.
///
/// ```no_run
/// use webpush_client::connection::Connector;
/// use webpush_client::monitor::{Event, Monitor, ReceivedMessage, Via, Wait};
/// use webpush_client::state_file::AgentSubscription;
///
/// # async fn example(own: &AgentSubscription) -> Result<(), webpush_client::error::ClientError> {
/// let connector = Connector::default();
/// let mut monitor = Monitor::start(&connector, &own.subscription, Wait::Forever, Via::Push).await?;
/// while let Event::Message(incoming) = monitor.next().await? {
///     let message = ReceivedMessage::receive(incoming, &own.keys).await?;
///     println!("{:?}", message.text);
///     monitor.acknowledge(&message.url).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Monitor {
    connection: Connection,
    source: Source,
    /// For acknowledgements, if the connection cannot be shared.
    side_connection: SideConnection,
}

#[allow(clippy::large_enum_variant, reason = "one per connection, and never moved")]
enum Source {
    Pushes(PushStream),
    Events(EventSource),
    /// Nothing was stored.
    Ended,
}

/// An event of a [`Monitor`].
pub enum Event {
    /// A message, to be received.
    Message(IncomingMessage),
    /// The server ended the response: all stored messages were delivered, or the client should reconnect.
    Ended,
}

/// A message that is not received yet.
pub enum IncomingMessage {
    /// By server push.
    Promise(PromisedMessage),
    /// By server-sent event.
    Event(EventMessage),
}

/// A received message.
pub struct ReceivedMessage {
    /// Its URL, for the acknowledgement and to detect duplicates.
    pub url: CapabilityUrl,
    /// Its `Content-Encoding`.
    pub encoding: Option<String>,
    /// The decrypted text; `None` for a message without a body.
    pub text: Result<Option<Vec<u8>>, CryptoError>,
}

impl Monitor {
    /// Connects and sends the monitoring request.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if the connection fails; see also [`EventSource::start`].
    pub async fn start(
        connector: &Connector,
        subscription: &CapabilityUrl,
        wait: Wait,
        via: Via<'_>,
    ) -> Result<Self, ClientError> {
        let mut connection = connector.connect(subscription, via.protocols()).await?;
        let mut request = request(Method::GET, subscription)?;
        if wait == Wait::Stored {
            request.headers_mut().insert("prefer", HeaderValue::from_static("wait=0"));
        }
        let source = match via {
            Via::Push => Source::Pushes(connection.monitor(request.map(drop)).await?),
            Via::Events { after } => EventSource::start(&mut connection, request, after)
                .await?
                .map_or(Source::Ended, Source::Events),
        };
        Ok(Self { connection, source, side_connection: SideConnection::new(connector.clone()) })
    }

    /// Waits for the next event. Cancel safe.
    ///
    /// # Errors
    /// [`ClientError`], of [`Fault::Gone`](crate::error::Fault::Gone) if the subscription was removed.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        let pushes = match &mut self.source {
            Source::Pushes(pushes) => pushes,
            Source::Events(events) => {
                let message = events.next().await?;
                return Ok(
                    message.map_or(Event::Ended, |message| Event::Message(IncomingMessage::Event(message)))
                );
            }
            Source::Ended => return Ok(Event::Ended),
        };
        match pushes.next().await? {
            PushEvent::Promise(promise) => Ok(Event::Message(IncomingMessage::Promise(promise))),
            PushEvent::Response(answer) if answer.status.is_success() => Ok(Event::Ended),
            PushEvent::Response(answer) => Err(self.refused(&answer)),
        }
    }

    fn refused(&self, answer: &FullResponse) -> ClientError {
        let origin = self.connection.origin();
        if answer.status == StatusCode::HTTP_VERSION_NOT_SUPPORTED {
            return ClientError::protocol(origin, ProtocolError::NoServerPush);
        }
        StatusError::new(origin, Operation::Listen, answer).into()
    }

    /// Returns the ID to resume after, for [`Via::Events`].
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        match &self.source {
            Source::Events(events) => events.last_id(),
            Source::Pushes(_) | Source::Ended => None,
        }
    }

    /// Acknowledges a message, so that it is not delivered again (RFC 8030 §6.2).
    ///
    /// # Errors
    /// [`ClientError`]. The message will be delivered again.
    pub async fn acknowledge(&mut self, message: &CapabilityUrl) -> Result<(), ClientError> {
        let delete = request(Method::DELETE, message)?;
        let answer = if self.connection.is_shared() {
            self.connection.exchange(delete).await?
        } else {
            self.side_connection.exchange(message, delete).await?
        };
        // A removed message has expired, was replaced, or was acknowledged elsewhere.
        if answer.status.is_success() || matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(());
        }
        Err(StatusError::new(self.connection.origin(), Operation::Acknowledge, &answer).into())
    }
}

impl ReceivedMessage {
    /// Receives a message and decrypts it.
    ///
    /// # Errors
    /// [`ClientError`] if it did not arrive completely. The server retains it.
    pub async fn receive(incoming: IncomingMessage, keys: &AgentKeys) -> Result<Self, ClientError> {
        let (url, answer) = match incoming {
            IncomingMessage::Promise(promise) => promise.receive().await?,
            IncomingMessage::Event(event) => event.receive()?,
        };
        if answer.status != StatusCode::OK {
            return Err(StatusError::new(&url.origin(), Operation::Receive, &answer).into());
        }
        let encoding = header(&answer.headers, CONTENT_ENCODING.as_str()).map(str::to_owned);
        let text = text(encoding.as_deref(), &answer, keys);
        Ok(Self { url, encoding, text })
    }
}

fn text(
    encoding: Option<&str>,
    answer: &FullResponse,
    keys: &AgentKeys,
) -> Result<Option<Vec<u8>>, CryptoError> {
    let FullResponse { headers, body, .. } = answer;
    match encoding {
        // Only a message without content may be unencrypted (RFC 8291 §1).
        None | Some("identity") if body.is_empty() => Ok(None),
        Some(coding) if coding.eq_ignore_ascii_case("aes128gcm") => decrypt(keys, body).map(Some),
        Some(coding) if coding.eq_ignore_ascii_case("aesgcm") => legacy(headers, body, keys).map(Some),
        _ => Err(CryptoError::NotEncrypted),
    }
}

fn legacy(headers: &HeaderMap, body: &Bytes, keys: &AgentKeys) -> Result<Vec<u8>, CryptoError> {
    let encryption = header(headers, "encryption").ok_or(CryptoError::Header)?;
    let crypto_key = header(headers, "crypto-key").ok_or(CryptoError::Header)?;
    decrypt_aesgcm(keys, &LegacyParameters::parse(encryption, crypto_key)?, body)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::encrypt;

    fn read(keys: &AgentKeys, encoding: Option<&str>, body: Vec<u8>) -> Result<Option<Vec<u8>>, CryptoError> {
        let answer = FullResponse { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() };
        text(encoding, &answer, keys)
    }

    #[test]
    fn messages_are_decrypted_by_their_coding() {
        let keys = AgentKeys::generate().unwrap();
        let body = encrypt(keys.recipient(), b"hello").unwrap();
        assert_eq!(read(&keys, Some("aes128gcm"), body.clone()), Ok(Some(b"hello".to_vec())));
        assert_eq!(read(&keys, Some("AES128GCM"), body.clone()), Ok(Some(b"hello".to_vec())));
        assert_eq!(read(&keys, None, Vec::new()), Ok(None), "a message without text");
        assert_eq!(read(&keys, None, body.clone()), Err(CryptoError::NotEncrypted), "in the clear");
        assert_eq!(read(&keys, Some("aesgcm"), body.clone()), Err(CryptoError::Header), "no Crypto-Key");
        assert_eq!(read(&keys, Some("gzip"), body), Err(CryptoError::NotEncrypted));
    }
}
