//! How far the peer of an HTTP/2 connection lags behind, which `h2` does not tell: it queues frames without bound.
//!
//! Whenever `h2` is polled it writes all frames it may send, until there are none or the socket is full. So after a
//! poll that did not end with a full socket, nothing is queued but what the peer's limits hold back: flow control, which
//! a push waits for by itself, and the number of streams the peer takes (RFC 9113 §5.1.2), which is never exceeded here.

use crate::h2::inbound::{FrameReader, Inbound};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Promises queued on a connection before it must have been written out.
const MOST_UNWRITTEN: usize = 32;

/// Shared by a connection, its socket and its monitors.
#[derive(Default)]
pub struct WriteBacklog {
    socket_full: AtomicBool,
    queue: Mutex<Queue>,
    relieved: Notify,
}

struct Queue {
    /// Promised since everything had been written.
    unwritten: usize,
    /// A body was handed over since everything had been written.
    body_unwritten: bool,
    /// Pushes that wait for flow control.
    under_way: usize,
    /// Pushes that the peer takes at the same time.
    limit: usize,
    /// The stream that the unwritten promises are on. `h2` numbers promises when they are made but writes them stream
    /// by stream, so two streams at a time would break the order of numbers (RFC 9113 §5.1.1).
    parent: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { unwritten: 0, body_unwritten: false, under_way: 0, limit: usize::MAX, parent: 0 }
    }
}

impl Queue {
    const fn is_written(&self) -> bool {
        self.unwritten == 0 && !self.body_unwritten
    }
}

/// The right to push one entry, until its body is handed over.
pub struct Permit<'a>(&'a WriteBacklog);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.queue().under_way -= 1;
        self.0.relieved.notify_waiters();
    }
}

impl WriteBacklog {
    /// Waits until one more push may be promised on the stream.
    pub async fn admit(&self, parent: u32) -> Permit<'_> {
        loop {
            let relieved = self.relieved.notified();
            {
                let mut queue = self.queue();
                let in_order = queue.unwritten == 0 || queue.parent == parent;
                if in_order && queue.unwritten < MOST_UNWRITTEN && queue.under_way < queue.limit {
                    queue.parent = parent;
                    queue.unwritten += 1;
                    queue.under_way += 1;
                    return Permit(self);
                }
            }
            relieved.await;
        }
    }

    /// To be called when the last part of a body was handed to `h2`, which will then be polled.
    pub fn handed_over(&self) {
        self.queue().body_unwritten = true;
    }

    /// Waits until everything queued has been written out.
    pub async fn written(&self) {
        loop {
            let relieved = self.relieved.notified();
            if self.queue().is_written() {
                return;
            }
            relieved.await;
        }
    }

    /// To be called after each poll of the connection, with the number of pushes the peer takes at the same time.
    pub fn polled(&self, limit: usize) {
        let relieved = {
            let mut queue = self.queue();
            let raised = limit > std::mem::replace(&mut queue.limit, limit);
            let full = self.socket_full.load(Ordering::Acquire);
            let written = !full && !queue.is_written();
            if written {
                (queue.unwritten, queue.body_unwritten) = (0, false);
            }
            raised || written
        };
        if relieved {
            self.relieved.notify_waiters();
        }
    }

    /// Nothing that may panic runs under the lock.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that reports when it is full, and what the frames of its peer say.
pub struct MeteredIo<S> {
    stream: S,
    pressure: Arc<WriteBacklog>,
    inbound: Arc<Inbound>,
    frames: FrameReader,
}

impl<S> MeteredIo<S> {
    /// Wraps a socket, and reports to these.
    pub fn new(stream: S, pressure: Arc<WriteBacklog>, inbound: Arc<Inbound>) -> Self {
        Self { stream, pressure, inbound, frames: FrameReader::default() }
    }

    fn note<T>(&self, poll: Poll<T>) -> Poll<T> {
        self.pressure.socket_full.store(poll.is_pending(), Ordering::Release);
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MeteredIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, inbound, frames, .. } = &mut *self;
        let before = buf.filled().len();
        let poll = Pin::new(stream).poll_read(cx, buf);
        frames.read(&buf.filled()[before..], inbound);
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MeteredIo<S> {
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
