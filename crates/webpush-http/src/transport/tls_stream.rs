//! TLS on a connection, with no buffers while it is idle.
//!
//! `tokio-rustls` keeps 4 KiB for reading on each connection. Most connections wait for hours, so this uses rustls'
//! unbuffered API, and allocates only for records that are incomplete, plaintext that is not read and bytes that are not
//! sent.

mod backlog;
mod record_layer;
#[cfg(test)]
mod tests;

use backlog::Backlog;
use record_layer::RecordLayer;
use rustls::ServerConfig;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read from the socket at a time, on the stack.
const READ_BYTES: usize = 8 * 1024;
/// Maximum plaintext that is encrypted before the bytes of earlier plaintext are sent.
const MOST_PLAINTEXT: usize = 32 * 1024;

/// Accepts TLS connections.
#[derive(Clone)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
}

impl TlsAcceptor {
    pub(super) const fn new(config: Arc<ServerConfig>) -> Self {
        Self { config }
    }

    /// Does the handshake.
    ///
    /// # Errors
    /// If the connection fails or ends, or the peer violates TLS; an alert has been sent then.
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let records = RecordLayer::new(Arc::clone(&self.config)).map_err(invalid)?;
        let mut stream = TlsStream { stream, records, is_closing: false };
        poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }
}

/// The server's side of a TLS connection.
pub struct TlsStream<S> {
    stream: S,
    records: RecordLayer,
    /// True once `close_notify` is sent or queued.
    is_closing: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Returns the protocol that was agreed on (ALPN, RFC 7301).
    pub fn protocol(&self) -> Option<&[u8]> {
        self.records.protocol()
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.records.is_handshaking() {
            ready!(self.poll_receive(cx, None))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads from the socket, and decrypts into `out` as far as it has room.
    ///
    /// Meanwhile sends what rustls wants to send: parts of the handshake, tickets, alerts and responses to KeyUpdate.
    fn poll_receive(&mut self, cx: &mut Context<'_>, out: Option<&mut ReadBuf<'_>>) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        let mut bytes = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut read = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        let arrived = read.filled_mut();
        if arrived.is_empty() {
            // Without close_notify the end may be an attacker's (RFC 8446 §6.1).
            return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
        }
        let received = self.records.receive(arrived, out);
        let sent = self.poll_send(cx);
        received.map_err(invalid)?;
        match sent {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    /// Sends all encrypted bytes.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outgoing = self.records.outgoing();
        while !outgoing.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, outgoing.bytes()))?;
            if sent == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            outgoing.take(sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            self.records.read(buf);
            if buf.filled().len() > before || buf.remaining() == 0 || self.records.has_peer_closed() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(cx, Some(buf)))?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let data = &data[..data.len().min(MOST_PLAINTEXT)];
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.records.send(data).map_err(invalid)?;
        // The data is accepted, also if not all of it can be sent now.
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(data.len()))
    }

    /// Encrypts small parts together, so that they are one record and one write.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = parts.iter().filter(|part| !part.is_empty());
        let (first, second) = (filled.next(), filled.next());
        let (Some(first), Some(_)) = (first, second) else {
            return self.poll_write(cx, first.map_or(&[], |first| first));
        };
        if first.len() >= MOST_PLAINTEXT {
            return self.poll_write(cx, first);
        }
        let mut joined =
            Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>().min(MOST_PLAINTEXT));
        for part in parts {
            let room = MOST_PLAINTEXT - joined.len();
            joined.extend_from_slice(&part[..part.len().min(room)]);
        }
        self.poll_write(cx, &joined)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_closing, true) {
            self.records.close().map_err(invalid)?;
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
