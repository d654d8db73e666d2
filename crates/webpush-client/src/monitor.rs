//! Listening (RFC 8030 §6): messages come in, pushed or as events, are decrypted, and are acknowledged when dealt with.

use super::clock;
use super::connection::{Answer, Connection, Connector, Monitored, Promise, Protocols, Pushed};
use super::encryption::{AgentKeys, CryptoError, LegacyParameters, decrypt, decrypt_aesgcm};
use super::error::ClientError;
use super::events::{EventMessage, Events};
use super::problem;
use super::side_connection::SideConnection;
use super::subscribe::request;
use super::url::CapabilityUrl;
use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use webpush_core::time::Timestamp;

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until the connection ends: messages come the moment they are sent.
    BlockReason,
    /// Only for what is stored (RFC 8030 §6, `Prefer: wait=0`).
    Stored,
}

/// The way that messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via<'a> {
    /// HTTP/2 server push (RFC 8030 §6).
    Push,
    /// Server-sent events.
    Events {
        /// Only what comes after this one.
        after: Option<&'a str>,
    },
}

impl Via<'_> {
    /// What it can be had over.
    #[must_use]
    pub const fn protocols(self) -> Protocols {
        match self {
            Self::Push => Protocols::Http2,
            Self::Events { .. } => Protocols::Any,
        }
    }
}

/// An open connection on which a subscription is listened to.
pub struct Monitor {
    connection: Connection,
    source: Source,
    /// For acknowledgements, when the connection is taken.
    aside: SideConnection,
}

#[allow(clippy::large_enum_variant, reason = "there is one, and it is not moved")]
enum Source {
    Pushes(Monitored),
    Events(Events),
    /// There was nothing.
    Ended,
}

/// What happened while listening.
pub enum Event {
    /// A message is on its way.
    Message(Arriving),
    /// The server ended it in good order: all was delivered, or it wants us to come again.
    Ended,
}

/// A message that has not been read yet.
pub enum Arriving {
    /// It was promised.
    Promise(Promise),
    /// It came as an event.
    Event(EventMessage),
}

/// A message as it came.
pub struct Message {
    /// Its resource: to acknowledge it, and to know it again.
    pub url: CapabilityUrl,
    /// Its `Content-Encoding`, if any.
    pub encoding: Option<String>,
    /// When it came.
    pub received: Timestamp,
    /// The text for the application; `None` for a message without one, which only wakes.
    pub text: Result<Option<Vec<u8>>, CryptoError>,
}

impl Monitor {
    /// Starts to listen.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`] when there is no connection; and as [`Events::start`].
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
            Via::Events { after } => {
                Events::start(&mut connection, request, after).await?.map_or(Source::Ended, Source::Events)
            }
        };
        Ok(Self { connection, source, aside: SideConnection::new(connector.clone()) })
    }

    /// Waits for the next event. May be dropped and called again while it waits.
    ///
    /// # Errors
    /// [`ClientError::Gone`] when the subscription is; otherwise why listening has ended.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        let monitored = match &mut self.source {
            Source::Pushes(monitored) => monitored,
            Source::Events(events) => {
                let message = events.next().await?;
                return Ok(message.map_or(Event::Ended, |message| Event::Message(Arriving::Event(message))));
            }
            Source::Ended => return Ok(Event::Ended),
        };
        match monitored.next().await? {
            Pushed::Promise(promise) => Ok(Event::Message(Arriving::Promise(promise))),
            Pushed::Over(answer) if answer.status.is_success() => Ok(Event::Ended),
            Pushed::Over(answer) => Err(self.refused(&answer)),
        }
    }

    fn refused(&self, answer: &Answer) -> ClientError {
        let failure = problem::failure(self.connection.origin(), "let us listen", answer);
        if answer.status != StatusCode::HTTP_VERSION_NOT_SUPPORTED {
            return failure;
        }
        ClientError::Refused(format!("{failure}; --via sse does without server push"))
    }

    /// Where to go on when everything so far was dealt with, for [`Via::Events`].
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        match &self.source {
            Source::Events(events) => events.last_id(),
            Source::Pushes(_) | Source::Ended => None,
        }
    }

    /// Tells the server that a message was dealt with, so that it never comes again (RFC 8030 §6.2).
    ///
    /// # Errors
    /// [`ClientError`]; the message will come again.
    pub async fn acknowledge(&mut self, message: &CapabilityUrl) -> Result<(), ClientError> {
        let delete = request(Method::DELETE, message)?;
        let answer = if self.connection.is_shared() {
            self.connection.exchange(delete).await?
        } else {
            self.aside.exchange(message, delete).await?
        };
        // Gone is as good: it has expired, was replaced, or another listener was faster.
        if answer.status.is_success() || matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(());
        }
        Err(problem::failure(self.connection.origin(), "take an acknowledgement", &answer))
    }
}

impl Message {
    /// Receives a message and decrypts it.
    ///
    /// # Errors
    /// [`ClientError`] when it did not come whole; the server keeps it.
    pub async fn receive(arriving: Arriving, keys: &AgentKeys) -> Result<Self, ClientError> {
        let (url, answer) = match arriving {
            Arriving::Promise(promise) => promise.receive().await?,
            Arriving::Event(event) => event.receive()?,
        };
        if answer.status != StatusCode::OK {
            return Err(problem::failure(&url.origin(), "hand out a message it had promised", &answer));
        }
        let received = clock::now();
        let encoding = header(&answer.headers, CONTENT_ENCODING.as_str()).map(str::to_owned);
        let text = text(encoding.as_deref(), &answer, keys);
        Ok(Self { url, encoding, received, text })
    }
}

fn text(encoding: Option<&str>, answer: &Answer, keys: &AgentKeys) -> Result<Option<Vec<u8>>, CryptoError> {
    let Answer { headers, body, .. } = answer;
    match encoding {
        // A message without content is not encrypted; anything else must be (RFC 8291 §1).
        None | Some("identity") if body.is_empty() => Ok(None),
        Some(coding) if coding.eq_ignore_ascii_case("aes128gcm") => decrypt(keys, body).map(Some),
        Some(coding) if coding.eq_ignore_ascii_case("aesgcm") => legacy(headers, body, keys).map(Some),
        _ => Err(CryptoError::Header),
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
        let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: body.into() };
        text(encoding, &answer, keys)
    }

    #[test]
    fn the_coding_decides_how_a_message_is_read() {
        let keys = AgentKeys::generate().unwrap();
        let body = encrypt(keys.recipient(), b"hello").unwrap();
        assert_eq!(read(&keys, Some("aes128gcm"), body.clone()), Ok(Some(b"hello".to_vec())));
        assert_eq!(read(&keys, Some("AES128GCM"), body.clone()), Ok(Some(b"hello".to_vec())));
        assert_eq!(read(&keys, None, Vec::new()), Ok(None), "a message without text");
        assert_eq!(read(&keys, None, body.clone()), Err(CryptoError::Header), "in the clear");
        assert_eq!(read(&keys, Some("aesgcm"), body.clone()), Err(CryptoError::Header), "no Crypto-Key");
        assert_eq!(read(&keys, Some("gzip"), body), Err(CryptoError::Header));
    }
}
