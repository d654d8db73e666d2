//! The rules of RFC 6455 for the frames of a client, and properties of any bytes.

mod autobahn;

use super::*;
use proptest::prelude::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Describes all messages in `bytes`, and the code of a violation.
fn read(bytes: &[u8]) -> Vec<String> {
    read_in(bytes, bytes.len().max(1))
}

fn read_in(bytes: &[u8], at_once: usize) -> Vec<String> {
    let (mut reader, mut all) = (WebSocketReader::default(), Vec::new());
    for part in bytes.chunks(at_once) {
        reader.feed(part);
        loop {
            all.push(match reader.next() {
                Ok(Some(message)) => format!("{message:?}"),
                Ok(None) => break,
                Err(Violation { code, .. }) => {
                    all.push(code.to_string());
                    return all;
                }
            });
        }
    }
    all
}

#[test]
fn r6455_5_2_lengths_of_all_three_sizes() {
    for length in [0, 1, 125, 126, 127, 65_535, WEBSOCKET_MESSAGE_BYTES] {
        let text = "x".repeat(length);
        assert_eq!(read(&frame(0x81, text.as_bytes())), [format!("Text({text:?})")], "{length}");
    }
    // A length that is not encoded in the shortest form is accepted.
    let long = [&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 1][..], &MASK, &[b'a' ^ MASK[0]]].concat();
    assert_eq!(read(&long), ["Text(\"a\")"]);
}

#[test]
fn r6455_5_2_what_was_not_agreed_on_is_refused() {
    for first in [0xc1, 0xa1, 0x91, 0x83, 0x87, 0x8b, 0x8f] {
        assert_eq!(read(&frame(first, b"a")), ["1002"], "{first:#x}");
    }
    assert_eq!(read(b"\x81\x01a"), ["1002"], "not masked");
}

#[test]
fn r6455_5_4_fragments_are_put_together_around_control_frames() {
    let whole =
        [frame(0x01, b"Hel"), frame(0x89, b"?"), frame(0x00, b""), frame(0x8a, b""), frame(0x80, b"lo")];
    assert_eq!(read(&whole.concat()), ["Ping([63])", "Pong", "Text(\"Hello\")"]);
    let two = [frame(0x02, b"a"), frame(0x80, b"b"), frame(0x81, b"c")].concat();
    assert_eq!(read(&two), ["Binary([97, 98])", "Text(\"c\")"]);
    let empty = [frame(0x01, b""), frame(0x80, b""), frame(0x81, b"c")].concat();
    assert_eq!(read(&empty), ["Text(\"\")", "Text(\"c\")"]);
}

#[test]
fn r6455_5_4_fragments_out_of_order_are_refused() {
    for wrong in [
        frame(0x80, b"a"),
        frame(0x00, b"a"),
        [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
        [frame(0x01, b"a"), frame(0x02, b"b")].concat(),
    ] {
        assert_eq!(read(&wrong), ["1002"]);
    }
    let after_the_end = [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat();
    assert_eq!(read(&after_the_end), ["Text(\"ab\")", "1002"]);
}

#[test]
fn r6455_5_5_control_frames_are_short_and_whole() {
    assert_eq!(read(&frame(0x89, &[b'p'; 125])).len(), 1);
    for wrong in [frame(0x89, &[b'p'; 126]), frame(0x09, b""), frame(0x08, b""), frame(0x0a, b"")] {
        assert_eq!(read(&wrong), ["1002"]);
    }
}

#[test]
fn r6455_5_5_1_a_close_has_a_code_that_may_be_sent_or_none() {
    assert_eq!(read(&frame(0x88, b"")), ["Close(None)"]);
    assert_eq!(read(&frame(0x88, b"\x03\xe8bye")), ["Close(Some(1000))"]);
    assert_eq!(read(&frame(0x88, b"\x03")), ["1002"]);
    assert_eq!(read(&frame(0x88, b"\x03\xed")), ["1002"], "1005 is not for the wire");
    assert_eq!(read(&frame(0x88, b"\x03\xe8\xff")), ["1007"]);
}

#[test]
fn r6455_8_1_text_is_utf_8_and_what_is_not_is_noticed_early() {
    let euro = "€".as_bytes();
    assert_eq!(read(&[frame(0x01, &euro[..1]), frame(0x80, &euro[1..])].concat()), ["Text(\"€\")"]);
    for wrong in [&b"\xff"[..], b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", &euro[..2]] {
        assert_eq!(read(&frame(0x81, wrong)), ["1007"], "{wrong:?}");
    }
    assert_eq!(read(&frame(0x01, b"ab\xff")), ["1007"], "before its last frame");
    assert_eq!(read(&[frame(0x01, &euro[..2]), frame(0x00, b"a")].concat()), ["1007"]);
    assert_eq!(read(&frame(0x82, b"\xff")), ["Binary([255])"]);
}

#[test]
fn messages_are_bounded_in_one_frame_or_many() {
    let too_large = WEBSOCKET_MESSAGE_BYTES + 1;
    assert_eq!(read(&frame(0x81, &vec![b'x'; too_large])[..14]), ["1009"], "before its payload has come");
    assert_eq!(read(&[&[0x81, 0xff][..], &[0xff; 8], &MASK].concat()), ["1009"]);
    let half = vec![b'x'; WEBSOCKET_MESSAGE_BYTES / 2];
    let many = [frame(0x01, &half), frame(0x00, &half), frame(0x89, b""), frame(0x00, b"x")];
    assert_eq!(read(&many.concat()), ["Ping([])", "1009"]);
}

#[test]
fn an_idle_connection_keeps_no_buffer() {
    let mut reader = WebSocketReader::default();
    for bytes in [frame(0x81, &[b'x'; 5000]), [frame(0x01, b"a"), frame(0x80, b"b")].concat()] {
        reader.feed(&bytes);
        while reader.next().unwrap().is_some() {}
        assert!(reader.buffer.capacity() == 0 && reader.message.is_none());
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        "[a-zé€😀]{0,40}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
    ];
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x81, 0x01, 0x00, 0x80, 0x82, 0x89, 0x8a]),
        1 => any::<u8>(),
    ];
    (first, payload).prop_map(|(first, payload)| frame(first, &payload))
}

proptest! {
    #[test]
    fn the_size_of_reads_makes_no_difference(frames in prop::collection::vec(any_frame(), 0..8), at_once in 1..50_usize) {
        let bytes = frames.concat();
        prop_assert_eq!(read_in(&bytes, at_once), read(&bytes));
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_in(&bytes, 7);
    }
}
