//! A WebSocket on its stream: what came, what is to go, both at once.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use webpush_core::websocket::{Violation, WebSocketMessage, WebSocketReader, write};

/// How much is read at once. It is on the stack: an idle agent has no buffer.
const READ_BYTES: usize = 4096;
/// As long as more than this waits to be written nothing more is begun, and nothing is read.
const MOST_UNWRITTEN_BYTES: usize = 64 * 1024;

/// One agent's socket.
pub(super) struct Socket<S> {
    stream: S,
    reader: WebSocketReader,
    unwritten: Vec<u8>,
    /// What was written may still have to be flushed, by TLS.
    unflushed: bool,
    /// The reader may have a whole message.
    unread: bool,
    sending: Sending,
}

/// The sending side.
enum Sending {
    Open,
    /// A close is the last of what waits to be written.
    Closing,
    Ended,
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
    /// On a stream of which these bytes were read early.
    pub(super) fn new(stream: S, early: &[u8]) -> Self {
        let (mut reader, unwritten) = (WebSocketReader::default(), Vec::new());
        reader.feed(early);
        Self { stream, reader, unwritten, unflushed: false, unread: true, sending: Sending::Open }
    }

    /// The next message that has come whole.
    pub(super) fn next(&mut self) -> Result<Option<WebSocketMessage<'_>>, Violation> {
        let next = self.reader.next();
        self.unread = !matches!(next, Ok(None));
        next
    }

    /// Returns true until [`next`](Self::next) has returned `None`.
    pub(super) const fn has_unread(&self) -> bool {
        self.unread
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

    /// Nothing more is sent after this. The sending side ends with it and not with the answer, for Firefox gives none: only
    /// the end of the stream tells it to connect again.
    pub(super) fn close(&mut self, code: Option<u16>, reason: &str) {
        write::close(&mut self.unwritten, code, reason);
        self.sending = Sending::Closing;
    }

    /// Whether something waits to be written.
    pub(super) const fn is_writing(&self) -> bool {
        !self.unwritten.is_empty() || self.unflushed || matches!(self.sending, Sending::Closing)
    }

    /// Whether more may be begun.
    pub(super) const fn has_room(&self) -> bool {
        self.unwritten.len() <= MOST_UNWRITTEN_BYTES
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
        self.poll_read(cx, WebSocketReader::feed)
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut WebSocketReader, &[u8]),
    ) -> Poll<Io> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut bytes);
        match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
            Ok(()) if !buf.filled().is_empty() => {
                take(&mut self.reader, buf.filled());
                self.unread = true;
                Poll::Ready(Io::Read)
            }
            Ok(()) | Err(_) => Poll::Ready(Io::Closed),
        }
    }

    /// Writes the close and waits for the other side to end as well: what is left unread when a socket is closed makes the
    /// kernel reset the connection, and the close would be lost with it.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_writing() {
            ready!(self.poll_write(cx))?;
        }
        while !matches!(ready!(self.poll_read(cx, |_, _| {})), Io::Closed) {}
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unwritten))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unwritten.drain(..written);
            self.unflushed = true;
        }
        self.unwritten = Vec::new();
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.unflushed = false;
        if matches!(self.sending, Sending::Closing) {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.sending = Sending::Ended;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn the_sending_side_ends_with_a_close_and_what_comes_is_still_read() {
        let (stream, mut peer) = duplex(1024);
        let mut socket = Socket::new(stream, b"");
        socket.close(Some(1001), "");
        assert!(matches!(poll_fn(|cx| socket.poll_io(cx)).await, Io::Written));
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, [0x88, 2, 0x03, 0xE9]);
        assert!(!socket.is_writing());
        // A ping with a masking key of zeros.
        peer.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
        assert!(matches!(poll_fn(|cx| socket.poll_io(cx)).await, Io::Read));
        assert!(matches!(socket.next(), Ok(Some(WebSocketMessage::Ping(_)))));
    }
}
