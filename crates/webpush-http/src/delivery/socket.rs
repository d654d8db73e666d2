//! A stream of frames in both directions: reads and writes at the same time.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use webpush_core::protocol::chromium::McsReader;
use webpush_core::websocket::WebSocketReader;

/// Bytes of one read. The buffer is on the stack, so an idle agent has none.
const READ_BYTES: usize = 4096;
/// While more than this is unwritten, nothing is read and no message is sent.
const MAX_UNWRITTEN_BYTES: usize = 64 * 1024;

/// Assembles frames from bytes.
pub(super) trait FrameAssembler: Default {
    fn feed(&mut self, bytes: &[u8]);
}

impl FrameAssembler for WebSocketReader {
    fn feed(&mut self, bytes: &[u8]) {
        Self::feed(self, bytes);
    }
}

impl FrameAssembler for McsReader {
    fn feed(&mut self, bytes: &[u8]) {
        Self::feed(self, bytes);
    }
}

/// One agent's socket.
pub(super) struct Socket<S, R> {
    stream: S,
    pub(super) reader: R,
    unwritten: Vec<u8>,
    /// TLS may still have to flush written bytes.
    unflushed: bool,
    /// The reader may have a complete frame.
    pub(super) unread: bool,
    sending: Sending,
}

/// The sending side.
enum Sending {
    Open,
    /// The last unwritten frame is the last of all.
    Closing,
    Ended,
}

/// An event of a socket.
pub(super) enum Io {
    /// Bytes have arrived: look for complete frames.
    Read,
    /// Everything was written.
    Written,
    /// The peer has closed the stream, or is gone.
    Closed,
}

impl<S: AsyncRead + AsyncWrite + Unpin, R: FrameAssembler> Socket<S, R> {
    /// Creates a socket on a stream. `early` are bytes that were read from it.
    pub(super) fn new(stream: S, early: &[u8]) -> Self {
        let (mut reader, unwritten) = (R::default(), Vec::new());
        reader.feed(early);
        Self { stream, reader, unwritten, unflushed: false, unread: true, sending: Sending::Open }
    }

    /// Returns true until the reader has no complete frame.
    pub(super) const fn has_unread(&self) -> bool {
        self.unread
    }

    /// Returns the bytes to write, for another frame to be appended.
    pub(super) const fn unwritten(&mut self) -> &mut Vec<u8> {
        &mut self.unwritten
    }

    /// Ends the sending side after what is unwritten. Nothing more may be sent.
    pub(super) const fn end_sending(&mut self) {
        self.sending = Sending::Closing;
    }

    pub(super) const fn is_writing(&self) -> bool {
        !self.unwritten.is_empty() || self.unflushed || matches!(self.sending, Sending::Closing)
    }

    /// Returns true if another frame may be read or sent.
    pub(super) const fn has_room(&self) -> bool {
        self.unwritten.len() <= MAX_UNWRITTEN_BYTES
    }

    /// Writes unwritten bytes and reads.
    pub(super) fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<Io> {
        if self.is_writing() {
            match self.poll_write(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Io::Written),
                Poll::Ready(Err(_)) => return Poll::Ready(Io::Closed),
                Poll::Pending if !self.has_room() => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        self.poll_read(cx, R::feed)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, take: impl FnOnce(&mut R, &[u8])) -> Poll<Io> {
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

    /// Writes the rest, and reads until the peer has ended its side too.
    ///
    /// If a socket is closed with unread bytes, the kernel resets the connection, and the last frames are lost.
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
    use webpush_core::websocket::WebSocketMessage;

    #[tokio::test]
    async fn the_sending_side_ends_with_a_close_and_the_other_side_is_still_read() {
        let (stream, mut peer) = duplex(1024);
        let mut socket = Socket::<_, WebSocketReader>::new(stream, b"");
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
