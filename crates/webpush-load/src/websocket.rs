//! A WebSocket client without a buffer while it is idle.
//!
//! Many thousands of them wait in one process.

use crate::dial::{Dialer, Speak, Stream};
use anyhow::{Context as _, anyhow, bail, ensure};
use bytes::{Buf as _, BytesMut};
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use webpush_core::websocket::{WebSocketMessage, client};

/// Bytes of one read.
const READ_BYTES: usize = 8 * 1024;
/// How long to wait for the answer to a close.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest head of a response.
const HEAD_BYTES: usize = 16 * 1024;

/// An open WebSocket.
pub struct WebSocket {
    stream: Stream,
    unread: BytesMut,
    mask: u32,
}

impl WebSocket {
    /// Connects and performs the handshake (RFC 6455 §4.1).
    ///
    /// The key is the example of the RFC, as nothing here depends on it.
    ///
    /// # Errors
    /// If the connection or the handshake fails.
    pub async fn open(dialer: &Dialer) -> anyhow::Result<Self> {
        let mut stream = dialer.connect(Speak::Http1).await?;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: push-notification\r\n\r\n",
            dialer.authority
        );
        stream.write_all(request.as_bytes()).await?;
        let mut unread = BytesMut::new();
        let end = loop {
            if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            ensure!(unread.len() < HEAD_BYTES, "the answer to the opening has no end");
            unread.reserve(READ_BYTES);
            ensure!(stream.read_buf(&mut unread).await? > 0, "closed instead of opened");
        };
        let head = unread.split_to(end);
        if !head.starts_with(b"HTTP/1.1 101") {
            let line = String::from_utf8_lossy(&head);
            bail!("no WebSocket was opened: {}", line.lines().next().unwrap_or_default());
        }
        if unread.is_empty() {
            unread = BytesMut::new();
        }
        Ok(Self { stream, unread, mask: 0x9e37_79b9 })
    }

    /// Returns the connection itself, for frames that no client should send.
    #[must_use]
    pub fn into_stream(self) -> Stream {
        self.stream
    }

    /// Sends a text message in one write.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        let mut out = Vec::with_capacity(text.len() + 16);
        client::text(&mut out, text, self.next_mask());
        self.write(&out).await
    }

    /// Passes the next text message to `take`. Responds to pings. Cancel safe.
    ///
    /// # Errors
    /// If the connection is closed, or the server violates the protocol.
    pub async fn next<T>(&mut self, take: impl FnOnce(&str) -> T) -> anyhow::Result<T> {
        loop {
            let read = client::parse(&self.unread).map_err(|violation| anyhow!("{}", violation.reason))?;
            let answer = match read {
                Some((WebSocketMessage::Text(text), length)) => {
                    let taken = take(text);
                    self.forget(length);
                    return Ok(taken);
                }
                Some((WebSocketMessage::Ping(payload), length)) => Some((payload.to_vec(), length)),
                Some((WebSocketMessage::Pong | WebSocketMessage::Binary(_), length)) => {
                    self.forget(length);
                    continue;
                }
                Some((WebSocketMessage::Close(code), _)) => {
                    bail!("the server closed with {}", code.unwrap_or(1005))
                }
                None => None,
            };
            if let Some((payload, length)) = answer {
                let mut out = Vec::new();
                client::pong(&mut out, &payload, self.next_mask());
                self.forget(length);
                self.write(&out).await?;
            } else {
                self.read_more().await?;
            }
        }
    }

    /// Closes, and waits until the server has closed too, which shows that it has noticed.
    pub async fn leave(mut self) {
        let mut out = Vec::new();
        client::close(&mut out, self.next_mask());
        let closed = async {
            self.write(&out).await?;
            loop {
                // The close of the server is an error here, and expected.
                self.next(|_| ()).await?;
            }
        };
        let _: Result<anyhow::Result<()>, _> = tokio::time::timeout(PATIENCE, closed).await;
    }

    /// Reads into a buffer on the stack of the poll.
    ///
    /// A buffer in the agent would take most of its memory.
    async fn read_more(&mut self) -> anyhow::Result<()> {
        let Self { stream, unread, .. } = self;
        let read = poll_fn(|cx| {
            let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
            let mut buf = ReadBuf::uninit(&mut bytes);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf))?;
            unread.extend_from_slice(buf.filled());
            Poll::Ready(std::io::Result::Ok(buf.filled().len()))
        });
        ensure!(read.await.context("the connection broke")? > 0, "the connection was closed");
        Ok(())
    }

    fn forget(&mut self, length: usize) {
        self.unread.advance(length);
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await.context("the connection broke")?;
        self.stream.flush().await.context("the connection broke")
    }

    /// Returns the next masking key. It need not be unpredictable, as there is no intermediary.
    const fn next_mask(&mut self) -> [u8; 4] {
        self.mask ^= self.mask << 13;
        self.mask ^= self.mask >> 17;
        self.mask ^= self.mask << 5;
        self.mask.to_be_bytes()
    }
}
