//! Listening (RFC 8030 §6): promised messages come in, are decrypted, and are acknowledged when dealt with.

use super::clock;
use super::connection::{Answer, Connection, Connector, Monitored, Promise, Protocols, Pushed};
use super::encryption::{AgentKeys, CryptoError, LegacyParameters, decrypt, decrypt_aesgcm};
use super::error::ClientError;
use super::problem;
use super::subscribe::{request, unsubscribe};
use super::url::CapabilityUrl;
use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use webpush_core::time::Timestamp;

/// How to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until the connection ends: messages come the moment they are sent.
    Held,
    /// Only for what is stored (RFC 8030 §6, `Prefer: wait=0`).
    Stored,
}

/// An open connection on which a subscription is listened to.
pub struct Monitor {
    connection: Connection,
    monitored: Monitored,
}

/// What happened while listening.
pub enum Event {
    /// A message is on its way.
    Promise(Promise),
    /// The server ended it in good order: all was delivered, or it wants us to come again.
    Ended,
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
    /// [`ClientError::Unavailable`] when there is no connection.
    pub async fn start(
        connector: &Connector,
        subscription: &CapabilityUrl,
        wait: Wait,
    ) -> Result<Self, ClientError> {
        let mut connection = connector.connect(subscription, Protocols::Http2).await?;
        let mut request = request(Method::GET, subscription)?.map(drop);
        if wait == Wait::Stored {
            request.headers_mut().insert("prefer", HeaderValue::from_static("wait=0"));
        }
        let monitored = connection.monitor(request).await?;
        Ok(Self { connection, monitored })
    }

    /// Waits for the next event. May be dropped and called again while it waits.
    ///
    /// # Errors
    /// [`ClientError::Gone`] when the subscription is; otherwise why listening has ended.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        match self.monitored.next().await? {
            Pushed::Promise(promise) => Ok(Event::Promise(promise)),
            Pushed::Over(answer) if answer.status.is_success() => Ok(Event::Ended),
            Pushed::Over(answer) => Err(problem::failure(self.connection.origin(), "let us listen", &answer)),
        }
    }

    /// Tells the server that a message was dealt with, so that it never comes again (RFC 8030 §6.2).
    ///
    /// # Errors
    /// [`ClientError`]; the message will come again.
    pub async fn acknowledge(&mut self, message: &CapabilityUrl) -> Result<(), ClientError> {
        let answer = self.connection.exchange(request(Method::DELETE, message)?).await?;
        // Gone is as good: it has expired, was replaced, or another listener was faster.
        if answer.status.is_success() || matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(());
        }
        Err(problem::failure(self.connection.origin(), "take an acknowledgement", &answer))
    }

    /// Ends the subscription.
    ///
    /// # Errors
    /// As [`unsubscribe`].
    pub async fn unsubscribe(&mut self, subscription: &CapabilityUrl) -> Result<(), ClientError> {
        unsubscribe(&mut self.connection, subscription).await
    }
}

impl Message {
    /// Receives a promised message and decrypts it.
    ///
    /// # Errors
    /// [`ClientError`] when it did not come whole; the server keeps it.
    pub async fn receive(promise: Promise, keys: &AgentKeys) -> Result<Self, ClientError> {
        let (url, answer) = promise.receive().await?;
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
    use crate::client::encryption::encrypt;

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
