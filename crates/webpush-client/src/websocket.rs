//! A WebSocket client for autopush (RFC 6455).

use crate::connection::{Connector, HTTP1, Stream};
use crate::entropy::random;
use crate::error::{Cause, ClientError, Phase, ProtocolError};
use crate::url::CapabilityUrl;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, BytesMut};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use webpush_core::websocket::{WebSocketMessage, client};

/// Maximum length of the response header.
const HEAD_BYTES: usize = 16 * 1024;

/// An open WebSocket.
///
/// ```no_run
/// use webpush_client::connection::Connector;
/// use webpush_client::url::CapabilityUrl;
/// use webpush_client::websocket::{Incoming, WebSocket};
///
/// # async fn example() -> Result<(), webpush_client::error::ClientError> {
/// let url = CapabilityUrl::parse("https://push.example.net/")?;
/// let mut socket = WebSocket::open(&Connector::default(), &url).await?;
/// socket.send(r#"{"messageType":"hello","use_webpush":true}"#).await?;
/// if let Incoming::Text(hello) = socket.next().await? {
///     println!("{hello}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct WebSocket {
    stream: Box<dyn Stream>,
    unread: BytesMut,
    origin: String,
}

/// A message or pong.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A pong.
    Pong,
}

impl WebSocket {
    /// Connects and opens a WebSocket (RFC 6455 §4.1).
    ///
    /// # Errors
    /// [`ProtocolError::NotUpgraded`] if the server rejects the handshake; [`ClientError::Transport`].
    pub async fn open(connector: &Connector, url: &CapabilityUrl) -> Result<Self, ClientError> {
        let origin = url.origin();
        let stream = connector.dial(url, &[HTTP1]).await?.stream;
        let mut socket = Self { stream, unread: BytesMut::new(), origin };
        let authority = url.uri().authority().map_or("", |authority| authority.as_str());
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\nSec-WebSocket-Protocol: push-notification\r\n\r\n",
            url.path(),
            STANDARD.encode(random::<16>()?),
        );
        socket.write(request.as_bytes()).await?;
        let end = loop {
            if let Some(at) = socket.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.unread.len() > HEAD_BYTES {
                return Err(socket.protocol(ProtocolError::TooLarge(HEAD_BYTES)));
            }
            socket.read_more().await?;
        };
        let head = socket.unread.split_to(end);
        if !head.starts_with(b"HTTP/1.1 101") {
            let head = String::from_utf8_lossy(&head);
            let line = head.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
            return Err(socket.protocol(ProtocolError::NotUpgraded(line)));
        }
        Ok(socket)
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if the connection failed.
    pub async fn send(&mut self, text: &str) -> Result<(), ClientError> {
        let mut out = Vec::new();
        client::text(&mut out, text, random()?);
        self.write(&out).await
    }

    /// Sends a ping.
    ///
    /// # Errors
    /// See [`WebSocket::send`].
    pub async fn ping(&mut self) -> Result<(), ClientError> {
        let mut out = Vec::new();
        client::ping(&mut out, random()?);
        self.write(&out).await
    }

    /// Waits for the next message, and answers pings.
    ///
    /// # Errors
    /// [`ClientError::Transport`] at the end of the connection, with the code of a close; [`ProtocolError::WebSocket`].
    pub async fn next(&mut self) -> Result<Incoming, ClientError> {
        loop {
            let read = client::parse(&self.unread).map_err(|violation| {
                ClientError::protocol(&*self.origin, ProtocolError::WebSocket(violation))
            })?;
            let Some((received, length)) = read else {
                self.read_more().await?;
                continue;
            };
            let incoming = match received {
                WebSocketMessage::Text(text) => Some(Incoming::Text(text.to_owned())),
                WebSocketMessage::Pong => Some(Incoming::Pong),
                // Not part of autopush.
                WebSocketMessage::Binary(_) => None,
                WebSocketMessage::Ping(payload) => {
                    let mut out = Vec::new();
                    client::pong(&mut out, payload, random()?);
                    self.write(&out).await?;
                    None
                }
                WebSocketMessage::Close(code) => {
                    let cause = Cause::Closed(code.or(Some(NO_CODE)));
                    return Err(ClientError::transport(&*self.origin, Phase::Stream, cause));
                }
            };
            self.unread.advance(length);
            if let Some(incoming) = incoming {
                return Ok(incoming);
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let written = self.stream.write_all(bytes).await;
        written.map_err(|error| self.lost(error))
    }

    async fn read_more(&mut self) -> Result<(), ClientError> {
        match self.stream.read_buf(&mut self.unread).await {
            Ok(0) => Err(ClientError::transport(&*self.origin, Phase::Stream, Cause::Closed(None))),
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(error)),
        }
    }

    fn lost(&self, error: io::Error) -> ClientError {
        ClientError::transport(&*self.origin, Phase::Stream, error)
    }

    fn protocol(&self, error: ProtocolError) -> ClientError {
        ClientError::protocol(&*self.origin, error)
    }
}

/// Stands for a close without a code (RFC 6455 §7.1.5).
const NO_CODE: u16 = 1005;
