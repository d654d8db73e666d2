//! Frames of a WebSocket as a client writes and reads them (RFC 6455 §5): the mirror image of `webpush_core::websocket`.

use super::error::ClientError;

/// What a server may send.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole text message.
    Text(&'a str),
    /// To be answered.
    Ping(&'a [u8]),
    /// An answer.
    Pong,
    /// The end, with its code.
    Close(Option<u16>),
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Adds a text message under a mask (RFC 6455 §5.3).
pub fn text(out: &mut Vec<u8>, text: &str, mask: [u8; 4]) {
    frame(out, TEXT, text.as_bytes(), mask);
}

/// Adds the answer to a ping.
pub fn pong(out: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    frame(out, PONG, payload, mask);
}

/// Adds a ping without a payload.
pub fn ping(out: &mut Vec<u8>, mask: [u8; 4]) {
    frame(out, PING, &[], mask);
}

/// Adds a close that gives no reason.
pub fn close(out: &mut Vec<u8>, mask: [u8; 4]) {
    frame(out, CLOSE, &[], mask);
}

fn frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(FINAL | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => out.push(MASKED | short),
        (_, Ok(middle)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// Reads the frame that bytes begin with, and how long it is; `None` while there is not all of it.
///
/// # Errors
/// When it is one that a push service has no reason to send: fragmented, binary or masked.
pub fn parse(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, ClientError> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & FINAL == 0 || second & MASKED != 0 {
        return Err(nonsense("a frame that is fragmented or masked"));
    }
    let (length, rest) = match second {
        126 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            None => return Ok(None),
        },
        short => (u64::from(*short), rest),
    };
    let Some(payload) = usize::try_from(length).ok().and_then(|length| rest.get(..length)) else {
        return Ok(None);
    };
    let frame = match first & 0x0f {
        TEXT => Frame::Text(str::from_utf8(payload).map_err(|_| nonsense("a text that is no UTF-8"))?),
        PING => Frame::Ping(payload),
        PONG => Frame::Pong,
        CLOSE => Frame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
        _ => return Err(nonsense("a frame of a kind that it has no use for")),
    };
    Ok(Some((frame, bytes.len() - rest.len() + payload.len())))
}

fn nonsense(what: &str) -> ClientError {
    ClientError::Unavailable(format!("the server sent {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::websocket::{Reader, Received, write};

    #[test]
    fn r6455_5_7_the_examples_of_the_standard() {
        let mut out = Vec::new();
        text(&mut out, "Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        assert_eq!(parse(b"\x81\x05Hello!").unwrap(), Some((Frame::Text("Hello"), 7)));
        assert_eq!(parse(b"\x89\x05Hello").unwrap(), Some((Frame::Ping(b"Hello"), 7)));
    }

    #[test]
    fn the_server_reads_what_is_written_here() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let said = "x".repeat(length);
            let mut out = Vec::new();
            text(&mut out, &said, [1, 2, 3, 4]);
            pong(&mut out, b"p", [5, 6, 7, 8]);
            let mut reader = Reader::default();
            reader.feed(&out);
            assert_eq!(reader.next().unwrap(), Some(Received::Text(&said)), "{length}");
            assert_eq!(reader.next().unwrap(), Some(Received::Pong));
        }
    }

    #[test]
    fn what_the_server_writes_is_read_here() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let said = "x".repeat(length);
            let mut out = Vec::new();
            write::text(&mut out, &said);
            let length = out.len();
            write::close(&mut out, Some(1001), "bye");
            for missing in [1, length / 2, length] {
                assert_eq!(parse(&out[..length - missing]).unwrap(), None, "{missing} bytes are missing");
            }
            assert_eq!(parse(&out).unwrap(), Some((Frame::Text(&said), length)));
            assert_eq!(parse(&out[length..]).unwrap(), Some((Frame::Close(Some(1001)), 7)));
        }
    }

    #[test]
    fn what_no_push_service_sends_is_an_error() {
        for bytes in [&b"\x01\x01x"[..], b"\x82\x01x", b"\x81\x81\0\0\0\0x"] {
            assert!(parse(bytes).is_err(), "{bytes:x?}");
        }
    }
}
