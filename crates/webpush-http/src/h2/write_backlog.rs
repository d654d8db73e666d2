//! Bounds the frames that wait to be written, which `h2` queues without limit.
//!
//! A poll of `h2` writes until nothing is left or the socket is full. If the socket is not full, only the peer's limits
//! hold frames back: flow control, which each push waits for, and concurrent streams (RFC 9113 §5.1.2), which are never
//! exceeded here.

use crate::h2::inbound::{FrameReader, Inbound};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Unwritten promises on a connection; more wait.
const MAX_UNWRITTEN: usize = 32;

/// Unwritten frames of a connection. Shared by the connection, its socket and its sessions.
#[derive(Default)]
pub struct WriteBacklog {
    socket_full: AtomicBool,
    queue: Mutex<Queue>,
    relieved: Notify,
}

struct Queue {
    /// Promises since everything was written.
    unwritten: usize,
    /// A body was queued since everything was written.
    body_unwritten: bool,
    /// How often everything was written.
    writes: u64,
    /// Pushes in flight.
    in_flight: usize,
    /// Concurrent pushes that the peer permits.
    limit: usize,
    /// The stream of the unwritten promises.
    ///
    /// `h2` numbers promises in the order of creation but writes them by stream, so those of two streams would be out of order
    /// (RFC 9113 §5.1.1).
    parent: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { unwritten: 0, body_unwritten: false, writes: 0, in_flight: 0, limit: usize::MAX, parent: 0 }
    }
}

impl Queue {
    const fn is_written(&self) -> bool {
        self.unwritten == 0 && !self.body_unwritten
    }
}

/// The permit to push one entry, held until its body is queued.
pub struct PushPermit<'a>(&'a WriteBacklog);

impl Drop for PushPermit<'_> {
    fn drop(&mut self) {
        self.0.queue().in_flight -= 1;
        self.0.relieved.notify_waiters();
    }
}

impl WriteBacklog {
    /// Waits until another push may be promised on the stream.
    pub async fn admit(&self, parent: u32) -> PushPermit<'_> {
        loop {
            let relieved = self.relieved.notified();
            {
                let mut queue = self.queue();
                let in_order = queue.unwritten == 0 || queue.parent == parent;
                if in_order && queue.unwritten < MAX_UNWRITTEN && queue.in_flight < queue.limit {
                    queue.parent = parent;
                    queue.unwritten += 1;
                    queue.in_flight += 1;
                    return PushPermit(self);
                }
            }
            relieved.await;
        }
    }

    /// Records that a part of a body was queued, after which the session waits.
    ///
    /// `h2` must be polled afterwards.
    pub fn record_body(&self) {
        self.queue().body_unwritten = true;
    }

    /// Waits until everything was written that is queued now.
    pub async fn written(&self) {
        let before = self.queue().writes;
        loop {
            let relieved = self.relieved.notified();
            {
                let queue = self.queue();
                // Another session may have queued more since.
                if queue.is_written() || queue.writes != before {
                    return;
                }
            }
            relieved.await;
        }
    }

    /// Records a poll of the connection, after which the peer permits `limit` concurrent pushes.
    pub fn record_poll(&self, limit: usize) {
        let relieved = {
            let mut queue = self.queue();
            let raised = limit > std::mem::replace(&mut queue.limit, limit);
            let full = self.socket_full.load(Ordering::Acquire);
            let written = !full && !queue.is_written();
            if written {
                (queue.unwritten, queue.body_unwritten) = (0, false);
                queue.writes += 1;
            }
            raised || written
        };
        if relieved {
            self.relieved.notify_waiters();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that records when it is full, and facts from the frames of its peer.
pub struct MeteredIo<S> {
    stream: S,
    backlog: Arc<WriteBacklog>,
    inbound: Arc<Inbound>,
    frames: FrameReader,
}

impl<S> MeteredIo<S> {
    /// Wraps a socket.
    pub fn new(stream: S, backlog: Arc<WriteBacklog>, inbound: Arc<Inbound>) -> Self {
        Self { stream, backlog, inbound, frames: FrameReader::default() }
    }

    fn record<T>(&self, poll: Poll<T>) -> Poll<T> {
        self.backlog.socket_full.store(poll.is_pending(), Ordering::Release);
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
        self.record(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.record(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.record(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::poll;
    use std::pin::pin;

    #[tokio::test]
    async fn no_more_pushes_are_in_flight_than_the_peer_permits() {
        let backlog = WriteBacklog::default();
        backlog.record_poll(1);
        let first = backlog.admit(1).await;
        let mut second = pin!(backlog.admit(1));
        assert!(poll!(second.as_mut()).is_pending());
        drop(first);
        let second = poll!(second.as_mut());
        assert!(second.is_ready());
        let mut third = pin!(backlog.admit(1));
        assert!(poll!(third.as_mut()).is_pending());
        backlog.record_poll(2);
        assert!(poll!(third.as_mut()).is_ready());
    }
}
