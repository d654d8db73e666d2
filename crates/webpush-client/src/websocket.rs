//! A WebSocket to a push service as a user agent opens it (RFC 6455): text, pings, and the end.

use super::connection::{Connector, HTTP1, Stream};
use super::error::ClientError;
use super::frames::{self, Frame};
use super::url::CapabilityUrl;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The longest head of an answer.
const HEAD_BYTES: usize = 16 * 1024;
/// More than any message of a push service has.
const MESSAGE_BYTES: usize = 128 * 1024;

/// An open WebSocket.
pub struct WebSocket {
    stream: Box<dyn Stream>,
    unread: BytesMut,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Text(String),
    /// The answer to a ping.
    Pong,
}

impl WebSocket {
    /// Connects and opens it (RFC 6455 §4.1).
    ///
    /// # Errors
    /// When there is no connection, or the server does not agree; then with the first line of its answer.
    pub async fn open(connector: &Connector, url: &CapabilityUrl) -> Result<Self, ClientError> {
        let mut stream = connector.dial(url, &[HTTP1]).await?.stream;
        let authority = url.uri().authority().map_or("", |authority| authority.as_str());
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\nSec-WebSocket-Protocol: push-notification\r\n\r\n",
            url.path(),
            STANDARD.encode(random::<16>()?),
        );
        stream.write_all(request.as_bytes()).await.map_err(lost)?;
        let mut unread = BytesMut::new();
        let end = loop {
            if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if unread.len() > HEAD_BYTES {
                return Err(ClientError::Unavailable("the answer to the opening has no end".to_owned()));
            }
            if stream.read_buf(&mut unread).await.map_err(lost)? == 0 {
                return Err(ClientError::Unavailable(
                    "the connection was closed instead of opened".to_owned(),
                ));
            }
        };
        let head = unread.split_to(end);
        if !head.starts_with(b"HTTP/1.1 101") {
            let head = String::from_utf8_lossy(&head);
            let line: String =
                head.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
            return Err(ClientError::Refused(format!("the answer to the opening is «{line}» and not 101")));
        }
        Ok(Self { stream, unread })
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, text: &str) -> Result<(), ClientError> {
        let mut out = Vec::new();
        frames::text(&mut out, text, random()?);
        self.stream.write_all(&out).await.map_err(lost)
    }

    /// Sends a ping.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn ping(&mut self) -> Result<(), ClientError> {
        let mut out = Vec::new();
        frames::ping(&mut out, random()?);
        self.stream.write_all(&out).await.map_err(lost)
    }

    /// What comes next. Pings are answered.
    ///
    /// # Errors
    /// When the connection ends, with its code, or the server sends nonsense.
    pub async fn next(&mut self) -> Result<Heard, ClientError> {
        loop {
            let (heard, length) = match frames::parse(&self.unread)? {
                Some((Frame::Text(text), length)) => (Some(Heard::Text(text.to_owned())), length),
                Some((Frame::Pong, length)) => (Some(Heard::Pong), length),
                Some((Frame::Ping(payload), length)) => {
                    let mut out = Vec::new();
                    frames::pong(&mut out, payload, random()?);
                    self.stream.write_all(&out).await.map_err(lost)?;
                    (None, length)
                }
                Some((Frame::Close(code), _)) => {
                    let code = code.map_or_else(|| "no code".to_owned(), |code| format!("code {code}"));
                    return Err(ClientError::Unavailable(format!("the WebSocket was closed with {code}")));
                }
                None if self.unread.len() > MESSAGE_BYTES => {
                    return Err(ClientError::Unavailable("the server sent a message without end".to_owned()));
                }
                None => {
                    if self.stream.read_buf(&mut self.unread).await.map_err(lost)? == 0 {
                        return Err(ClientError::Unavailable("the connection was closed".to_owned()));
                    }
                    continue;
                }
            };
            self.unread.advance(length);
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], ClientError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| ClientError::Local("the operating system gave no random bytes".to_owned()))?;
    Ok(bytes)
}

fn lost(error: std::io::Error) -> ClientError {
    ClientError::Unavailable(format!("the connection was lost: {error}"))
}
