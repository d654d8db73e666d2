//! Messages and control frames.

use super::close;
use super::frame::Opcode;
use super::violation::Violation;

/// A message or control frame.
#[derive(Debug, PartialEq, Eq)]
pub enum WebSocketMessage<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered with a pong of the same payload (RFC 6455 §5.5.2).
    Ping(&'a [u8]),
    /// A pong, solicited or not (RFC 6455 §5.5.3).
    Pong,
    /// A close with an optional status code. Nothing may follow.
    Close(Option<u16>),
}

impl<'a> WebSocketMessage<'a> {
    /// Interprets the payload of an unfragmented frame.
    #[inline]
    pub(super) fn new(opcode: Opcode, payload: &'a [u8]) -> Result<Self, Violation> {
        Ok(match opcode {
            Opcode::Text => Self::Text(str::from_utf8(payload).map_err(|_| Violation::NOT_TEXT)?),
            Opcode::Binary => Self::Binary(payload),
            Opcode::Ping => Self::Ping(payload),
            Opcode::Pong => Self::Pong,
            Opcode::Close => Self::Close(close_code(payload)?),
            Opcode::Continuation => {
                return Err(Violation::protocol("a continuation frame follows no message"));
            }
        })
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    match payload.split_first_chunk() {
        None if payload.is_empty() => Ok(None),
        None => Err(Violation::protocol("the status code of a close is incomplete")),
        Some((code, reason)) => {
            let code = u16::from_be_bytes(*code);
            if !close::may_be_sent(code) {
                return Err(Violation::protocol("the status code of a close is not allowed"));
            }
            str::from_utf8(reason).map_err(|_| Violation::NOT_TEXT)?;
            Ok(Some(code))
        }
    }
}
