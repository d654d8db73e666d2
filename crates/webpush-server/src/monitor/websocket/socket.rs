//! A WebSocket on its stream: what came, what is to go, both at once.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use webpush_core::websocket::{Reader, Received, Violation, write};

/// How much is read at once. It is on the stack: an idle agent has no buffer.
const READ_BYTES: usize = 4096;
/// As long as more than this waits to be written nothing more is begun, and nothing is read.
const MOST_UNWRITTEN_BYTES: usize = 64 * 1024;

/// One agent's socket.
pub(super) struct Socket<S> {
    stream: S,
    reader: Reader,
    unwritten: Vec<u8>,
    /// How much of it is written.
    written: usize,
    /// What was written may still have to be flushed, by TLS.
    unflushed: bool,
}

/// What has happened on a socket.
pub(super) enum Io {
    /// Something came: look for whole messages.
    Read,
    /// All was written.
    Written,
    /// The other side has closed, or is not there any more.
    Closed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, reader: Reader::default(), unwritten: Vec::new(), written: 0, unflushed: false }
    }

    /// The next message that has come whole.
    pub(super) fn next(&mut self) -> Result<Option<Received<'_>>, Violation> {
        self.reader.next()
    }

    pub(super) fn text(&mut self, text: &str) {
        write::text(&mut self.unwritten, text);
    }

    pub(super) fn ping(&mut self) {
        write::ping(&mut self.unwritten);
    }

    pub(super) fn pong(&mut self, payload: &[u8]) {
        write::pong(&mut self.unwritten, payload);
    }

    pub(super) fn close(&mut self, code: Option<u16>, reason: &str) {
        write::close(&mut self.unwritten, code, reason);
    }

    /// Whether something waits to be written.
    pub(super) const fn is_writing(&self) -> bool {
        !self.unwritten.is_empty() || self.unflushed
    }

    /// Whether more may be begun.
    pub(super) const fn has_room(&self) -> bool {
        self.unwritten.len() - self.written <= MOST_UNWRITTEN_BYTES
    }

    /// Writes what waits and reads what comes.
    pub(super) fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<Io> {
        if self.is_writing() {
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Io::Written),
                Poll::Ready(Err(_)) => return Poll::Ready(Io::Closed),
                Poll::Pending if !self.has_room() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        self.poll_read(cx, Reader::feed)
    }

    /// Ends the sending side, once all is written, then waits for the other side to end its own. What it still sends is
    /// read, and not looked at: a socket that is closed over unread bytes is reset, and the reason of the close is lost.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        if self.is_writing() {
            poll_fn(|cx| self.poll_write(cx)).await?;
        }
        self.stream.shutdown().await?;
        while !matches!(poll_fn(|cx| self.poll_read(cx, |_, _| {})).await, Io::Closed) {}
        Ok(())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, take: impl FnOnce(&mut Reader, &[u8])) -> Poll<Io> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut bytes);
        match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {
                take(&mut self.reader, buf.filled());
                Poll::Ready(Io::Read)
            }
            Ok(()) | Err(_) => Poll::Ready(Io::Closed),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.unwritten.len() {
            let bytes = &self.unwritten[self.written..];
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            self.unflushed = true;
        }
        (self.unwritten, self.written) = (Vec::new(), 0);
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }
}
