//! Detects HTTP/1.1 clients that have closed their side of the connection.
//!
//! A client may do so after its request and still expect the response. One that receives server-sent events has usually
//! disconnected, and must not count as connected: a TTL 0 message would be lost on it. `hyper` does not read while it
//! writes, so the event stream has to.

use bytes::BytesMut;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket that can be polled for its end while `hyper` owns it.
pub(crate) struct SharedSocket<S>(Arc<Mutex<Socket<S>>>);

struct Socket<S> {
    stream: S,
    /// Bytes that were read while looking for the end; `hyper` reads them first.
    early: BytesMut,
}

/// Maximum bytes to read ahead of `hyper`. A client that receives events has little reason to send.
const MOST_EARLY_BYTES: usize = 4096;

/// Polls for the end of the client's side. Created for every connection, used by those that stream.
pub(crate) type Closing = Arc<dyn Fn(&mut Context<'_>) -> Poll<()> + Send + Sync>;

impl<S: AsyncRead + Unpin + Send + 'static> SharedSocket<S> {
    /// Creates a socket from a stream and bytes that were read from it.
    pub(crate) fn new(stream: S, early: BytesMut) -> (Self, Closing) {
        let socket = Arc::new(Mutex::new(Socket { stream, early }));
        let looked_at = Arc::clone(&socket);
        (Self(socket), Arc::new(move |cx| lock(&looked_at).poll_closed(cx)))
    }
}

impl<S> SharedSocket<S> {
    /// Returns the stream and the bytes read ahead, once the [`Closing`] was dropped.
    pub(crate) fn into_inner(self) -> Option<(S, BytesMut)> {
        let socket = Arc::into_inner(self.0)?.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some((socket.stream, socket.early))
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Reads until the client closes. One that fills the buffer counts as closed.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 512];
        while self.early.len() < MOST_EARLY_BYTES {
            let mut buf = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.early.extend_from_slice(buf.filled()),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SharedSocket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut socket = lock(&self.0);
        if !socket.early.is_empty() {
            let length = socket.early.len().min(buf.remaining());
            buf.put_slice(&socket.early.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut socket.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SharedSocket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut lock(&self.0).stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut lock(&self.0).stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        lock(&self.0).stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).stream).poll_shutdown(cx)
    }
}

/// Both sides are in one task, so this never blocks.
fn lock<S>(socket: &Mutex<Socket<S>>) -> MutexGuard<'_, Socket<S>> {
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn a_close_is_detected_and_no_byte_is_lost() {
        let (mut client, server) = duplex(64);
        let (mut watched, closing) = SharedSocket::new(server, BytesMut::new());
        let look = || poll_fn(|cx| Poll::Ready(closing(cx)));
        assert!(look().await.is_pending());
        client.write_all(b"next").await.unwrap();
        assert!(look().await.is_pending() && look().await.is_pending());
        let mut read = [0; 4];
        watched.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"next");
        client.shutdown().await.unwrap();
        assert!(look().await.is_ready());
    }

    #[tokio::test]
    async fn the_stream_is_returned_with_the_bytes_read_ahead() {
        let (mut client, server) = duplex(64);
        let (mut watched, closing) = SharedSocket::new(server, BytesMut::from("GET /"));
        let mut read = [0; 4];
        watched.read_exact(&mut read).await.unwrap();
        client.write_all(b" more").await.unwrap();
        assert!(poll_fn(|cx| Poll::Ready(closing(cx))).await.is_pending());
        drop(closing);
        let (_stream, early) = watched.into_inner().unwrap();
        assert_eq!((&read[..], &early[..]), (&b"GET "[..], &b"/ more"[..]));
    }

    #[tokio::test]
    async fn bytes_sent_ahead_do_not_hide_a_close() {
        let (mut client, server) = duplex(64);
        let (_watched, closing) = SharedSocket::new(server, BytesMut::new());
        let look = || poll_fn(|cx| Poll::Ready(closing(cx)));
        client.write_all(b"\r\n").await.unwrap();
        assert!(look().await.is_pending());
        client.shutdown().await.unwrap();
        assert!(look().await.is_ready());
    }

    #[tokio::test]
    async fn a_client_that_fills_the_buffer_counts_as_closed() {
        let (mut client, server) = duplex(2 * MOST_EARLY_BYTES);
        let (_watched, closing) = SharedSocket::new(server, BytesMut::new());
        client.write_all(&[b'x'; MOST_EARLY_BYTES]).await.unwrap();
        poll_fn(|cx| closing(cx)).await;
    }
}
