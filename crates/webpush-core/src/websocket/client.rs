//! Frames of a client: those it sends are masked (RFC 6455 §5.3), those it receives are not.
//!
//! A push service does not fragment messages, so [`parse`] needs no buffer: messages borrow from the caller's bytes.
//!
//! ```
//! use webpush_core::websocket::{WebSocketMessage, client};
//!
//! let mut out = Vec::new();
//! client::text(&mut out, "Hello", [0x37, 0xfa, 0x21, 0x3d]);
//! assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
//!
//! let read = b"\x81\x05Hello\x89";
//! assert_eq!(client::parse(read), Ok(Some((WebSocketMessage::Text("Hello"), 7))));
//! assert_eq!(client::parse(&read[7..]), Ok(None), "the ping is incomplete");
//! ```

use super::frame::{Direction, Head, Opcode, apply_mask};
use super::message::WebSocketMessage;
use super::violation::Violation;
use super::write::{HEAD_BYTES, head};

/// Maximum length of a message, more than that of a `hello` with all broadcasts.
const MESSAGE_BYTES: u64 = 128 * 1024;

/// Parses the frame at the start of `bytes` and returns it with its length; `None` if it is incomplete.
///
/// # Errors
/// [`Violation`] if the frame is masked, fragmented, malformed or too long.
pub fn parse(bytes: &[u8]) -> Result<Option<(WebSocketMessage<'_>, usize)>, Violation> {
    let Some(head) = Head::parse(bytes, Direction::FromServer)? else { return Ok(None) };
    if !head.is_final {
        return Err(Violation::protocol("a message is fragmented"));
    }
    if head.payload_bytes > MESSAGE_BYTES {
        return Err(Violation { code: 1009, reason: "a message exceeds 128 KiB" });
    }
    let payload = usize::try_from(head.payload_bytes).ok().and_then(|length| {
        let end = head.bytes.checked_add(length)?;
        Some((bytes.get(head.bytes..end)?, end))
    });
    let Some((payload, end)) = payload else { return Ok(None) };
    Ok(Some((WebSocketMessage::new(head.opcode, payload)?, end)))
}

/// Appends a text message.
pub fn text(out: &mut Vec<u8>, text: &str, mask: [u8; 4]) {
    frame(out, Opcode::Text, text.as_bytes(), mask);
}

/// Appends a ping without a payload.
pub fn ping(out: &mut Vec<u8>, mask: [u8; 4]) {
    frame(out, Opcode::Ping, &[], mask);
}

/// Appends a pong with the payload of a ping (RFC 6455 §5.5.3).
pub fn pong(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    frame(out, Opcode::Pong, payload, mask);
}

/// Appends a close without a code.
pub fn close(out: &mut Vec<u8>, mask: [u8; 4]) {
    frame(out, Opcode::Close, &[], mask);
}

fn frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    out.reserve(HEAD_BYTES + mask.len() + payload.len());
    head(out, opcode, payload.len(), 0x80);
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

#[cfg(test)]
mod tests {
    use super::super::{WebSocketReader, write};
    use super::*;
    use proptest::prelude::*;

    const LENGTHS: [usize; 6] = [0, 1, 125, 126, 65_535, 65_536];

    #[test]
    fn r6455_5_7_the_examples_of_the_standard() {
        assert_eq!(parse(b"\x81\x05Hello!"), Ok(Some((WebSocketMessage::Text("Hello"), 7))));
        assert_eq!(parse(b"\x89\x05Hello"), Ok(Some((WebSocketMessage::Ping(b"Hello"), 7))));
    }

    #[test]
    fn the_server_reads_what_the_client_writes() {
        for length in LENGTHS {
            let written = "x".repeat(length);
            let mut out = Vec::new();
            text(&mut out, &written, [1, 2, 3, 4]);
            pong(&mut out, b"p", [5, 6, 7, 8]);
            let mut reader = WebSocketReader::default();
            reader.feed(&out);
            assert_eq!(reader.next(), Ok(Some(WebSocketMessage::Text(&written))), "{length}");
            assert_eq!(reader.next(), Ok(Some(WebSocketMessage::Pong)));
        }
    }

    #[test]
    fn the_client_reads_what_the_server_writes() {
        for length in LENGTHS {
            let written = "x".repeat(length);
            let mut out = Vec::new();
            write::text(&mut out, &written);
            let length = out.len();
            write::close(&mut out, Some(1001), "bye");
            for missing in [1, length / 2, length] {
                assert_eq!(parse(&out[..length - missing]), Ok(None), "{missing} bytes are missing");
            }
            assert_eq!(parse(&out), Ok(Some((WebSocketMessage::Text(&written), length))));
            assert_eq!(parse(&out[length..]), Ok(Some((WebSocketMessage::Close(Some(1001)), 7))));
        }
    }

    #[test]
    fn frames_that_no_push_service_sends_are_refused() {
        let endless = b"\x81\x7f\x00\x00\x00\x00\x00\x02\x00\x01";
        for bytes in [&b"\x01\x01x"[..], b"\x81\x81\0\0\0\0x", b"\x81\x01\xff", b"\xc1\x01x", endless] {
            assert!(parse(bytes).is_err(), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some((_, length))) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
