//! How far the peer of an HTTP/2 connection lags behind, which `h2` does not tell: it queues frames without bound.
//!
//! Whenever `h2` is polled it writes all frames it may send, until there are none or the socket is full. So after a
//! poll that did not end with a full socket nothing is queued but what flow control holds back. Pushing is then
//! allowed again, up to a number.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Pushes queued on a connection before it must have been written out.
const MOST_UNWRITTEN: usize = 32;

/// Shared by a connection, its socket and its monitors.
#[derive(Default)]
pub struct Pressure {
    socket_full: AtomicBool,
    unwritten: AtomicUsize,
    relieved: Notify,
}

impl Pressure {
    /// Waits until one more push may be queued, and counts it.
    pub async fn admit(&self) {
        loop {
            let relieved = self.relieved.notified();
            if self.unwritten.load(Ordering::Acquire) < MOST_UNWRITTEN {
                self.unwritten.fetch_add(1, Ordering::AcqRel);
                return;
            }
            relieved.await;
        }
    }

    /// Waits until everything queued has been written out.
    pub async fn written(&self) {
        loop {
            let relieved = self.relieved.notified();
            if self.unwritten.load(Ordering::Acquire) == 0 {
                return;
            }
            relieved.await;
        }
    }

    /// To be called after each poll of the connection.
    pub fn polled(&self) {
        let full = self.socket_full.load(Ordering::Acquire);
        if !full && self.unwritten.swap(0, Ordering::AcqRel) > 0 {
            self.relieved.notify_waiters();
        }
    }
}

/// A socket that says when it is full.
pub struct Gauged<S> {
    /// The socket.
    pub stream: S,
    /// Whom it tells.
    pub pressure: Arc<Pressure>,
}

impl<S> Gauged<S> {
    fn note<T>(&self, poll: Poll<T>) -> Poll<T> {
        self.pressure.socket_full.store(poll.is_pending(), Ordering::Release);
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gauged<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gauged<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
