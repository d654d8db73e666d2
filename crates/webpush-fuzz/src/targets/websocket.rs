//! WebSocket frames of clients and servers.

use webpush_core::websocket::{WEBSOCKET_MESSAGE_BYTES, WebSocketMessage, WebSocketReader, client, write};

use crate::input::Input;

pub(super) const TOKENS: &[&[u8]] = &[
    b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    b"\x01\x83\x00\x00\x00\x00Hel",
    b"\x80\x82\x00\x00\x00\x00lo",
    b"\x89\x80\x00\x00\x00\x00",
    b"\x8a\x81\x00\x00\x00\x00x",
    b"\x88\x82\x00\x00\x00\x00\x03\xe8",
    b"\x82\xfe\x00\x03\x00\x00\x00\x00abc",
    b"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00a",
    b"\x01\x81\x00\x00\x00\x00\xe2",
    b"\xe2\x82\xac",
];

pub(super) fn run(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let parts = read(bytes, usize::from(*size).max(1));
    assert_eq!(whole, parts, "chunks change what is read");
    read_as_client(bytes);
    assert_written(Input::new(bytes));
    assert_fragments(Input::new(bytes));
}

/// Describes all messages, and the code of a violation.
fn read(bytes: &[u8], at_once: usize) -> Vec<String> {
    let (mut reader, mut all) = (WebSocketReader::default(), Vec::new());
    for part in bytes.chunks(at_once) {
        reader.feed(part);
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(message)) => {
                    if let WebSocketMessage::Text(text) = &message {
                        assert!(text.len() <= WEBSOCKET_MESSAGE_BYTES);
                    }
                    all.push(format!("{message:?}"));
                    if matches!(message, WebSocketMessage::Close(_)) {
                        return all;
                    }
                }
                Err(violation) => {
                    all.push(violation.code.to_string());
                    return all;
                }
            }
        }
    }
    all
}

/// A client needs each byte of a frame, and no byte after it.
fn read_as_client(bytes: &[u8]) {
    if let Ok(Some((message, length))) = client::parse(bytes) {
        assert!((2..=bytes.len()).contains(&length));
        assert_eq!(client::parse(&bytes[..length]), Ok(Some((message, length))));
        for end in [0, 1, length - 1] {
            assert_eq!(client::parse(&bytes[..end]), Ok(None), "{end} of {length} bytes");
        }
    }
}

/// Each side reads what the other one writes.
fn assert_written(mut input: Input<'_>) {
    let (mask, code) = (input.array(), [None, Some(1000), Some(1008), Some(4999)][input.below(4)]);
    let payload = input.bytes(125);
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    let (mut by_client, mut by_server) = (Vec::new(), Vec::new());
    client::text(&mut by_client, &text, mask);
    client::ping(&mut by_client, mask);
    client::pong(&mut by_client, payload, mask);
    client::close(&mut by_client, mask);
    let mut reader = WebSocketReader::default();
    reader.feed(&by_client);
    assert_eq!(reader.next(), Ok(Some(WebSocketMessage::Text(&text))));
    assert_eq!(reader.next(), Ok(Some(WebSocketMessage::Ping(b""))));
    assert_eq!(reader.next(), Ok(Some(WebSocketMessage::Pong)));
    assert_eq!(reader.next(), Ok(Some(WebSocketMessage::Close(None))));
    write::text(&mut by_server, &text);
    write::ping(&mut by_server);
    write::pong(&mut by_server, payload);
    write::close(&mut by_server, code, &text);
    let mut rest = &by_server[..];
    let expected = [
        WebSocketMessage::Text(&text),
        WebSocketMessage::Ping(b""),
        WebSocketMessage::Pong,
        WebSocketMessage::Close(code),
    ];
    for expected in expected {
        let (message, length) = client::parse(rest).unwrap().unwrap();
        assert_eq!(message, expected);
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
}

/// A text of at most 120 bytes arrives in any fragments, with a ping before each.
fn assert_fragments(mut input: Input<'_>) {
    let (first, second) = (input.below(64), input.below(64));
    let text = String::from_utf8_lossy(input.bytes(40)).into_owned();
    let (first, second) = (first.min(text.len()), (first + second).min(text.len()));
    let parts = [&text.as_bytes()[..first], &text.as_bytes()[first..second], &text.as_bytes()[second..]];
    let mut reader = WebSocketReader::default();
    for (number, part) in parts.into_iter().enumerate() {
        assert_eq!(reader.next(), Ok(None));
        // The last frame is final; the first has the opcode of a text; the mask is zero.
        let head = [[0x01, 0x00, 0x80][number], 0x80 | u8::try_from(part.len()).unwrap_or(u8::MAX)];
        reader.feed(&[&[0x89, 0x80, 0, 0, 0, 0], &head[..], &[0; 4], part].concat());
        assert_eq!(reader.next(), Ok(Some(WebSocketMessage::Ping(b""))));
    }
    assert_eq!(reader.next(), Ok(Some(WebSocketMessage::Text(&text))));
    assert_eq!(reader.next(), Ok(None));
}
