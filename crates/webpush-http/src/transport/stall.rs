//! Fails writes to a peer that stops reading.
//!
//! Neither hyper nor `h2` has a timeout for writes. Without one a peer that stops reading would keep its responses and its
//! connection permit until TCP gives up, which it never does while the peer's window is closed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use webpush_core::time::CompactDuration;

/// A stream whose writes time out.
pub struct StallGuard<S> {
    stream: S,
    patience: CompactDuration,
    /// Bytes of partial writes since the timer was set.
    progress: u16,
    /// The timer of a pending write; an idle connection has none.
    waiting: Option<Pin<Box<Sleep>>>,
}

/// Bytes that a stalled peer must read before its timer is set anew.
///
/// A peer that reads a byte at a time would otherwise hold its responses for as long as it likes.
const LEAST_PROGRESS_BYTES: u16 = 1024;

impl<S> StallGuard<S> {
    /// Fails a write that makes no progress for `patience`.
    pub fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience: patience.into(), progress: 0, waiting: None }
    }

    /// Returns the stream itself.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Watches a write of `length` bytes.
    fn watch_write(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &poll
            && *written < length
            && self.waiting.is_some()
        {
            self.progress = self.progress.saturating_add(u16::try_from(*written).unwrap_or(u16::MAX));
            if self.progress < LEAST_PROGRESS_BYTES {
                return poll;
            }
        }
        self.watch(cx, poll)
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            (self.waiting, self.progress) = (None, 0);
            return poll;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(self.patience.into())));
        match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch_write(cx, poll, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch_write(cx, poll, bufs.iter().map(|buf| buf.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    const PATIENCE: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_write_without_progress_times_out() {
        let (near, mut far) = duplex(4);
        let mut near = StallGuard::new(near, PATIENCE);
        near.write_all(b"1234").await.unwrap();
        assert!(near.waiting.is_none());
        assert_eq!(near.write_all(b"5").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let mut read = [0; 4];
        far.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"1234");
    }

    /// A2: slow drips held responses for ever.
    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_a_byte_at_a_time_is_stalled() {
        let (near, mut far) = duplex(8);
        let mut near = StallGuard::new(near, Duration::from_secs(60));
        let drip = async {
            loop {
                sleep(Duration::from_secs(45)).await;
                if far.read_u8().await.is_err() {
                    return;
                }
            }
        };
        let write = async { near.write_all(&[0; 4096]).await };
        tokio::select! {
            () = drip => panic!("the writer waits for ever"),
            written = write => assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut),
        }
    }

    #[tokio::test]
    async fn a_slow_peer_that_makes_progress_does_not_time_out() {
        let (near, mut far) = duplex(1);
        let mut near = StallGuard::new(near, Duration::from_secs(3600));
        let write = async { near.write_all(b"1234").await.unwrap() };
        let mut read = [0; 4];
        let (_, ()) = tokio::join!(far.read_exact(&mut read), write);
        assert!(near.waiting.is_none(), "the timer goes with the wait");
    }
}
