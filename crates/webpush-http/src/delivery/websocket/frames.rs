//! The frames of a WebSocket.

use crate::delivery::socket::Socket;
use tokio::io::{AsyncRead, AsyncWrite};
use webpush_core::websocket::{Violation, WebSocketMessage, WebSocketReader, write};

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S, WebSocketReader> {
    /// Returns the next complete message.
    pub(in crate::delivery) fn next(&mut self) -> Result<Option<WebSocketMessage<'_>>, Violation> {
        let next = self.reader.next();
        self.unread = !matches!(next, Ok(None));
        next
    }

    pub(super) fn text(&mut self, text: &str) {
        write::text(self.unwritten(), text);
    }

    pub(super) fn ping(&mut self) {
        write::ping(self.unwritten());
    }

    pub(super) fn pong(&mut self, payload: &[u8]) {
        write::pong(self.unwritten(), payload);
    }

    /// Sends a close, after which nothing may be sent.
    ///
    /// The sending side ends with the close rather than with the answer: Firefox sends no answer, and reconnects only at
    /// the end of the stream.
    pub(in crate::delivery) fn close(&mut self, code: Option<u16>, reason: &str) {
        write::close(self.unwritten(), code, reason);
        self.end_sending();
    }
}
