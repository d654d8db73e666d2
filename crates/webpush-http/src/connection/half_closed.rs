//! Clients of HTTP/1.1 that have closed their side of the connection.
//!
//! One that has sent a whole request may do that and still wants its answer. But a client that is to be sent events and
//! has closed has mostly gone away; it must not be counted as listening, since a message with TTL 0 would be lost on it.
//! `hyper` does not read while it writes, so whoever makes the events has to look.

use bytes::BytesMut;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket that can be looked at while `hyper` has it.
pub(crate) struct Watched<S>(Arc<Mutex<Socket<S>>>);

struct Socket<S> {
    stream: S,
    /// What was read by looking: `hyper` gets it first.
    early: BytesMut,
}

/// How much is read ahead of `hyper`. A client that is sent events has little reason to send anything.
const MOST_EARLY_BYTES: usize = 4096;

/// Waits until the client has closed its side. Made for every connection, used by those that stream.
pub(crate) type Closing = Arc<dyn Fn(&mut Context<'_>) -> Poll<()> + Send + Sync>;

impl<S: AsyncRead + Unpin + Send + 'static> Watched<S> {
    /// Of a stream of which these bytes were read early.
    pub(crate) fn new(stream: S, early: BytesMut) -> (Self, Closing) {
        let socket = Arc::new(Mutex::new(Socket { stream, early }));
        let looked_at = Arc::clone(&socket);
        (Self(socket), Arc::new(move |cx| lock(&looked_at).poll_closed(cx)))
    }
}

impl<S> Watched<S> {
    /// The stream and what was read early, once nobody can look at it any more.
    pub(crate) fn into_inner(self) -> Option<(S, BytesMut)> {
        let socket = Arc::into_inner(self.0)?.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some((socket.stream, socket.early))
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Reads on until the client closes; one that sends very much ahead counts as closed.
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

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
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

/// One task has both sides, so nobody ever waits here; nor is anything half done if it panicked.
fn lock<S>(socket: &Mutex<Socket<S>>) -> MutexGuard<'_, Socket<S>> {
    socket.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn a_close_is_seen_and_nothing_is_lost() {
        let (mut client, server) = duplex(64);
        let (mut watched, closing) = Watched::new(server, BytesMut::new());
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
    async fn the_stream_is_given_back_with_what_was_read_early() {
        let (mut client, server) = duplex(64);
        let (mut watched, closing) = Watched::new(server, BytesMut::from("GET /"));
        let mut read = [0; 4];
        watched.read_exact(&mut read).await.unwrap();
        client.write_all(b" more").await.unwrap();
        assert!(poll_fn(|cx| Poll::Ready(closing(cx))).await.is_pending());
        drop(closing);
        let (_stream, early) = watched.into_inner().unwrap();
        assert_eq!((&read[..], &early[..]), (&b"GET "[..], &b"/ more"[..]));
    }

    #[tokio::test]
    async fn what_is_sent_ahead_hides_no_close() {
        let (mut client, server) = duplex(64);
        let (_watched, closing) = Watched::new(server, BytesMut::new());
        let look = || poll_fn(|cx| Poll::Ready(closing(cx)));
        client.write_all(b"\r\n").await.unwrap();
        assert!(look().await.is_pending());
        client.shutdown().await.unwrap();
        assert!(look().await.is_ready());
    }

    #[tokio::test]
    async fn whoever_sends_very_much_ahead_is_not_listening() {
        let (mut client, server) = duplex(2 * MOST_EARLY_BYTES);
        let (_watched, closing) = Watched::new(server, BytesMut::new());
        client.write_all(&[b'x'; MOST_EARLY_BYTES]).await.unwrap();
        poll_fn(|cx| closing(cx)).await;
    }
}
