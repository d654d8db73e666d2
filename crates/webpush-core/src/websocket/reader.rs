//! Frames becoming messages (RFC 6455 §5.4, §5.5, §8.1).

use super::close;
use super::frame::{Direction, Head, Opcode, apply_mask};
use std::error::Error;
use std::fmt;

/// The largest message of an agent on a WebSocket, in one frame or several.
pub const WEBSOCKET_MESSAGE_BYTES: usize = 64 * 1024;

/// The messages in the bytes that one client sends.
///
/// # Calling protocol
///
/// Pass bytes to [`feed`](Self::feed) as they arrive, then call [`next`](Self::next) until it returns `None` before
/// feeding more: then at most one incomplete frame is kept. After [`Received::Close`] or an error nothing more is read.
///
/// ```
/// use webpush_core::websocket::{Reader, Received};
///
/// let mut reader = Reader::default();
/// reader.feed(&[0x89, 0x80, 1, 2, 3, 4]);
/// assert_eq!(reader.next(), Ok(Some(Received::Ping(b""))));
/// assert_eq!(reader.next(), Ok(None));
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    /// What has come and was not taken, behind what was.
    buffer: Vec<u8>,
    /// How much of the buffer was taken.
    taken: usize,
    /// A message of several frames that is not whole, or was taken just now. Few are sent.
    message: Option<Box<Message>>,
}

#[derive(Debug)]
struct Message {
    is_text: bool,
    is_whole: bool,
    payload: Vec<u8>,
    /// How much of it is known to be text.
    checked: usize,
}

/// One message or control frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// To be answered with a pong of the same payload (RFC 6455 §5.5.2).
    Ping(&'a [u8]),
    /// An answer to a ping, or a sign of life that nobody asked for (RFC 6455 §5.5.3).
    Pong,
    /// The peer closes, with this code if it gave one. Nothing may follow.
    Close(Option<u16>),
}

/// A violation of RFC 6455 by the peer.
///
/// Its connection is closed with this code and reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// RFC 6455 §7.4.1: 1002, 1007 or 1009.
    pub code: u16,
    /// What was wrong.
    pub reason: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl Error for Violation {}

impl Violation {
    pub(super) const fn protocol(reason: &'static str) -> Self {
        Self { code: 1002, reason }
    }

    const NOT_TEXT: Self = Self { code: 1007, reason: "a text message is not UTF-8" };
    const TOO_LARGE: Self = Self { code: 1009, reason: "a message may have 64 KiB" };
}

impl<'a> Received<'a> {
    /// Interprets the payload of an unfragmented frame.
    #[inline]
    pub(super) fn new(opcode: Opcode, payload: &'a [u8]) -> Result<Self, Violation> {
        Ok(match opcode {
            Opcode::Text => Self::Text(str::from_utf8(payload).map_err(|_| Violation::NOT_TEXT)?),
            Opcode::Binary => Self::Binary(payload),
            Opcode::Ping => Self::Ping(payload),
            Opcode::Pong => Self::Pong,
            Opcode::Close => Self::Close(close_code(payload)?),
            Opcode::Continuation => return Err(Violation::protocol("there is no message to continue")),
        })
    }
}

impl Reader {
    /// Takes bytes that came from the socket.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.forget_taken();
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next message or control frame; `None` until more has come.
    ///
    /// # Errors
    /// [`Violation`]; after that nothing more is to be read.
    #[allow(clippy::should_implement_trait, reason = "what is returned borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<Received<'_>>, Violation> {
        loop {
            self.message.take_if(|message| message.is_whole);
            let Some((head, payload)) = self.next_frame()? else {
                self.forget_taken();
                return Ok(None);
            };
            let is_message = matches!(head.opcode, Opcode::Text | Opcode::Binary | Opcode::Continuation);
            if is_message && !(head.is_final && self.message.is_none()) {
                if self.add_fragment(&head, &payload)? {
                    return self.message.as_deref().map(Message::received).transpose();
                }
                continue;
            }
            return Received::new(head.opcode, &self.buffer[payload]).map(Some);
        }
    }

    /// The next whole frame, and where in the buffer its payload is.
    fn next_frame(&mut self) -> Result<Option<(Head, std::ops::Range<usize>)>, Violation> {
        let Some(head) = Head::parse(&self.buffer[self.taken..], Direction::FromClient)? else {
            return Ok(None);
        };
        let length = usize::try_from(head.payload_bytes).unwrap_or(usize::MAX);
        let so_far = self.message.as_ref().map_or(0, |message| message.payload.len());
        let of_message = if head.opcode.is_control() { 0 } else { so_far };
        if length.saturating_add(of_message) > WEBSOCKET_MESSAGE_BYTES {
            return Err(Violation::TOO_LARGE);
        }
        let start = self.taken + head.bytes;
        let payload = start..start + length;
        let Some(masked) = self.buffer.get_mut(payload.clone()) else { return Ok(None) };
        apply_mask(masked, head.mask);
        self.taken = payload.end;
        Ok(Some((head, payload)))
    }

    /// Adds a frame to the message it belongs to; whether that is whole now.
    fn add_fragment(&mut self, head: &Head, payload: &std::ops::Range<usize>) -> Result<bool, Violation> {
        let message = match (head.opcode, &mut self.message) {
            (Opcode::Continuation, Some(message)) => message,
            (Opcode::Continuation, None) => {
                return Err(Violation::protocol("there is no message to continue"));
            }
            (opcode, none @ None) => none.insert(Box::new(Message::new(opcode == Opcode::Text))),
            (_, Some(_)) => {
                return Err(Violation::protocol("a message begins before the last one has ended"));
            }
        };
        message.payload.extend_from_slice(&self.buffer[payload.clone()]);
        if message.is_text {
            // As early as possible (RFC 6455 §8.1): only a character may be missing its end.
            match str::from_utf8(&message.payload[message.checked..]) {
                Ok(_) => message.checked = message.payload.len(),
                Err(error) if error.error_len().is_none() && !head.is_final => {
                    message.checked += error.valid_up_to();
                }
                Err(_) => return Err(Violation::NOT_TEXT),
            }
        }
        message.is_whole = head.is_final;
        Ok(message.is_whole)
    }

    fn forget_taken(&mut self) {
        if self.taken == self.buffer.len() {
            self.buffer = Vec::new();
        } else if self.taken > 0 {
            self.buffer.drain(..self.taken);
        }
        self.taken = 0;
    }
}

impl Message {
    const fn new(is_text: bool) -> Self {
        Self { is_text, is_whole: false, payload: Vec::new(), checked: 0 }
    }

    fn received(&self) -> Result<Received<'_>, Violation> {
        Ok(if self.is_text {
            Received::Text(str::from_utf8(&self.payload).map_err(|_| Violation::NOT_TEXT)?)
        } else {
            Received::Binary(&self.payload)
        })
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    match payload.split_first_chunk() {
        None if payload.is_empty() => Ok(None),
        None => Err(Violation::protocol("a close has half a code")),
        Some((code, reason)) => {
            let code = u16::from_be_bytes(*code);
            if !close::may_be_sent(code) {
                return Err(Violation::protocol("a close has a code that may not be sent"));
            }
            str::from_utf8(reason).map_err(|_| Violation::NOT_TEXT)?;
            Ok(Some(code))
        }
    }
}

#[cfg(test)]
mod tests;
