//! Assembles messages from the frames of a client (RFC 6455 §5.4, §5.5, §8.1).

use super::frame::{Direction, Head, Opcode, apply_mask};
use super::message::WebSocketMessage;
use super::violation::Violation;

/// Maximum length of a message from an agent, in one frame or several.
pub const WEBSOCKET_MESSAGE_BYTES: usize = 64 * 1024;

/// The reading side of a server's WebSocket.
///
/// # Calling protocol
///
/// Pass bytes to [`feed`](Self::feed) as they arrive, then call [`next`](Self::next) until it returns `None`, so that at
/// most one incomplete frame is buffered. Stop after [`WebSocketMessage::Close`] or an error.
///
/// ```
/// use webpush_core::websocket::{WebSocketMessage, WebSocketReader};
///
/// let mut reader = WebSocketReader::default();
/// reader.feed(&[0x89, 0x80, 1, 2, 3, 4]);
/// assert_eq!(reader.next(), Ok(Some(WebSocketMessage::Ping(b""))));
/// assert_eq!(reader.next(), Ok(None));
/// ```
#[derive(Debug, Default)]
pub struct WebSocketReader {
    buffer: Vec<u8>,
    /// Length of the part of the buffer that was returned already.
    consumed: usize,
    /// A fragmented message: incomplete, or returned by the last call. Boxed because it is rare.
    message: Option<Box<FragmentedMessage>>,
}

#[derive(Debug)]
struct FragmentedMessage {
    is_text: bool,
    is_complete: bool,
    payload: Vec<u8>,
    /// Length of the part that was checked to be UTF-8.
    checked: usize,
}

impl WebSocketReader {
    /// Buffers bytes from the socket.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.discard_consumed();
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next message or control frame; `None` if it is incomplete.
    ///
    /// # Errors
    /// [`Violation`]. The reader must not be used after that.
    #[allow(clippy::should_implement_trait, reason = "the message borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<WebSocketMessage<'_>>, Violation> {
        loop {
            self.message.take_if(|message| message.is_complete);
            let Some((head, payload)) = self.next_frame()? else {
                self.discard_consumed();
                return Ok(None);
            };
            let is_message = matches!(head.opcode, Opcode::Text | Opcode::Binary | Opcode::Continuation);
            if is_message && !(head.is_final && self.message.is_none()) {
                if self.add_fragment(&head, &payload)? {
                    return self.message.as_deref().map(FragmentedMessage::message).transpose();
                }
                continue;
            }
            return WebSocketMessage::new(head.opcode, &self.buffer[payload]).map(Some);
        }
    }

    /// Returns the next complete frame and the range of its payload in the buffer.
    fn next_frame(&mut self) -> Result<Option<(Head, std::ops::Range<usize>)>, Violation> {
        let Some(head) = Head::parse(&self.buffer[self.consumed..], Direction::FromClient)? else {
            return Ok(None);
        };
        let length = usize::try_from(head.payload_bytes).unwrap_or(usize::MAX);
        let buffered = self.message.as_ref().map_or(0, |message| message.payload.len());
        let buffered = if head.opcode.is_control() { 0 } else { buffered };
        if length.saturating_add(buffered) > WEBSOCKET_MESSAGE_BYTES {
            return Err(Violation::TOO_LARGE);
        }
        let start = self.consumed + head.bytes;
        let payload = start..start + length;
        let Some(masked) = self.buffer.get_mut(payload.clone()) else { return Ok(None) };
        apply_mask(masked, head.mask);
        self.consumed = payload.end;
        Ok(Some((head, payload)))
    }

    /// Adds a frame to the fragmented message. Returns true if the message is complete.
    fn add_fragment(&mut self, head: &Head, payload: &std::ops::Range<usize>) -> Result<bool, Violation> {
        let message = match (head.opcode, &mut self.message) {
            (Opcode::Continuation, Some(message)) => message,
            (Opcode::Continuation, None) => {
                return Err(Violation::protocol("a continuation frame follows no message"));
            }
            (opcode, none @ None) => none.insert(Box::new(FragmentedMessage::new(opcode == Opcode::Text))),
            (_, Some(_)) => {
                return Err(Violation::protocol("a message starts before the previous one has ended"));
            }
        };
        message.payload.extend_from_slice(&self.buffer[payload.clone()]);
        if message.is_text {
            // Fails as early as possible (RFC 6455 §8.1). Only the last character may be incomplete.
            match str::from_utf8(&message.payload[message.checked..]) {
                Ok(_) => message.checked = message.payload.len(),
                Err(error) if error.error_len().is_none() && !head.is_final => {
                    message.checked += error.valid_up_to();
                }
                Err(_) => return Err(Violation::NOT_TEXT),
            }
        }
        message.is_complete = head.is_final;
        Ok(message.is_complete)
    }

    fn discard_consumed(&mut self) {
        if self.consumed == self.buffer.len() {
            self.buffer = Vec::new();
        } else if self.consumed > 0 {
            self.buffer.drain(..self.consumed);
        }
        self.consumed = 0;
    }
}

impl FragmentedMessage {
    const fn new(is_text: bool) -> Self {
        Self { is_text, is_complete: false, payload: Vec::new(), checked: 0 }
    }

    fn message(&self) -> Result<WebSocketMessage<'_>, Violation> {
        Ok(if self.is_text {
            WebSocketMessage::Text(str::from_utf8(&self.payload).map_err(|_| Violation::NOT_TEXT)?)
        } else {
            WebSocketMessage::Binary(&self.payload)
        })
    }
}

#[cfg(test)]
mod tests;
