//! The server cases of the Autobahn testsuite that are about reading, with its numbers.
//!
//! `interop/README.md` describes how to run the testsuite itself, a Python 2 program.

use super::*;

/// Reads a text in one frame, in frames of one byte, and in two frames for every split position.
fn read_in_all_fragments(text: &[u8]) -> Vec<Vec<String>> {
    let split_at = |positions: &[usize]| {
        let (mut frames, mut from) = (Vec::new(), 0);
        for (number, to) in positions.iter().chain([&text.len()]).enumerate() {
            let opcode = if number == 0 { 1 } else { 0 };
            let last = if number == positions.len() { 0x80 } else { 0 };
            frames.extend(frame(opcode | last, &text[from..*to]));
            from = *to;
        }
        read(&frames)
    };
    let every: Vec<_> = (1..text.len()).collect();
    let two = (0..=text.len()).map(|position| split_at(&[position]));
    [split_at(&[]), split_at(&every)].into_iter().chain(two).collect()
}

#[test]
fn case_1_text_and_binary_of_every_length_in_all_chunk_sizes() {
    for length in [0, 125, 126, 127, 128, 65_535, 65_536] {
        let payload = vec![b'*'; length];
        for (first, name) in [(0x81, "Text"), (0x82, "Binary")] {
            let whole = read(&frame(first, &payload));
            assert!(whole.len() == 1 && whole[0].starts_with(name), "{length}");
            for at_once in [1, 997, 2048] {
                assert_eq!(read_in(&frame(first, &payload), at_once), whole, "{length} in {at_once}");
            }
        }
    }
}

#[test]
fn case_2_pings_with_every_payload_many_at_once_and_octet_by_octet() {
    for payload in [&b""[..], b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", &[0xfe; 125]] {
        let bytes = frame(0x89, payload);
        assert_eq!(read_in(&bytes, 1), [format!("Ping({payload:?})")]);
        assert_eq!(read(&bytes.repeat(10)).len(), 10);
    }
    assert_eq!(read(&frame(0x89, &[0xfe; 126])), ["1002"]);
    let unasked = [frame(0x8a, b""), frame(0x8a, b"unasked"), frame(0x89, b"p")].concat();
    assert_eq!(read(&unasked), ["Pong", "Pong", "Ping([112])"]);
}

#[test]
fn case_3_each_reserved_bit_on_each_opcode_after_good_messages() {
    for bits in 1..8_u8 {
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a, 0x01] {
            let bytes = [frame(0x81, b"good"), frame(first | bits << 4, b""), frame(0x89, b"")].concat();
            for at_once in [1, bytes.len()] {
                assert_eq!(read_in(&bytes, at_once), ["Text(\"good\")", "1002"], "{bits} {first:#x}");
            }
        }
    }
}

#[test]
fn case_4_each_reserved_opcode_with_and_without_a_payload() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for payload in [&b""[..], b"reserved"] {
            let bytes = [frame(0x81, b"good"), frame(0x80 | opcode, payload)].concat();
            assert_eq!(read(&bytes), ["Text(\"good\")", "1002"], "{opcode}");
        }
    }
}

#[test]
fn case_5_fragments() {
    let (begin, middle, end) = (frame(0x01, b"a"), frame(0x00, b"b"), frame(0x80, b"c"));
    let ping = frame(0x89, b"p");
    let no_message = frame(0x80, b"x");
    for (frames, expected) in [
        // 5.1, 5.2: fragmented pings and pongs.
        (vec![frame(0x09, b"a"), end.clone()], &["1002"][..]),
        (vec![frame(0x0a, b"a"), end.clone()], &["1002"]),
        // 5.3 to 5.8: with pings between.
        (vec![begin.clone(), end.clone()], &["Text(\"ac\")"]),
        (vec![begin.clone(), ping.clone(), end.clone()], &["Ping([112])", "Text(\"ac\")"]),
        // 5.9 to 5.14: a continuation of nothing, in every form.
        (vec![no_message.clone(), frame(0x81, b"x")], &["1002"]),
        (vec![middle.clone(), frame(0x81, b"x")], &["1002"]),
        (vec![begin.clone(), end.clone(), middle.clone()], &["Text(\"ac\")", "1002"]),
        // 5.15: a second end.
        (vec![begin.clone(), end.clone(), no_message, begin.clone()], &["Text(\"ac\")", "1002"]),
        // 5.16, 5.17: continuation in front of each message.
        (vec![middle.clone(), begin.clone(), end.clone()], &["1002"]),
        // 5.18: two beginnings.
        (vec![begin.clone(), frame(0x81, b"x")], &["1002"]),
        (vec![begin.clone(), begin.clone()], &["1002"]),
        // 5.19, 5.20: five fragments with pings between.
        (
            vec![begin, middle.clone(), ping.clone(), middle.clone(), middle, ping, end],
            &["Ping([112])", "Ping([112])", "Text(\"abbbc\")"],
        ),
    ] {
        let bytes = frames.concat();
        for at_once in [1, bytes.len()] {
            assert_eq!(read_in(&bytes, at_once), expected);
        }
    }
}

#[test]
fn case_6_valid_utf_8_in_all_fragments() {
    for text in [
        "",
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        // The limits of each length, and around the surrogates.
        "\u{0}",
        "\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10000}\u{10ffff}",
        // Noncharacters (6.22) and the byte order mark are valid UTF-8.
        "\u{fffe}\u{1fffe}\u{10fffe}\u{feff}",
        "𠀀😀e\u{301}",
    ] {
        for read in read_in_all_fragments(text.as_bytes()) {
            assert_eq!(read, [format!("Text({text:?})")]);
        }
    }
}

#[test]
fn case_6_invalid_utf_8_in_all_fragments() {
    for wrong in [
        // Surrogates, single and in pairs (6.21).
        &b"\xed\xa0\x80"[..],
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        // Overlong encodings (6.18 to 6.20).
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\xaf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xfc\x80\x80\x80\x80\xaf",
        // Above the last code point, and five and six bytes long (6.6, 6.9).
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        // Unexpected continuation bytes, and incomplete characters (6.12 to 6.17).
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80\xbf",
        b"\xc2",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xc2 ",
        b"\xe2\x82 ",
        b"\xfe",
        b"\xff\xff",
    ] {
        for (before, after) in [("", ""), ("κόσμε", ""), ("κόσμε", "edited")] {
            let text = [before.as_bytes(), wrong, after.as_bytes()].concat();
            for read in read_in_all_fragments(&text) {
                assert_eq!(read, ["1007"], "{wrong:?}");
            }
        }
    }
}

#[test]
fn case_6_invalid_utf_8_is_refused_before_the_message_ends() {
    // 6.4.1: the second frame is wrong, a third would follow.
    let bytes = [frame(0x01, "κό".as_bytes()), frame(0x00, b"\xf4\x90\x80\x80")].concat();
    assert_eq!(read(&bytes), ["1007"]);
    // 6.4.2: the start of a character that cannot be completed.
    let bytes = [frame(0x01, "κό".as_bytes()), frame(0x00, b"\xf4"), frame(0x00, b"\x90")].concat();
    assert_eq!(read(&bytes), ["1007"]);
}

#[test]
fn case_7_closes() {
    let close = |code: u16, reason: &[u8]| frame(0x88, &[&code.to_be_bytes(), reason].concat());
    // 7.1.5: in the middle of a message.
    assert_eq!(read(&[frame(0x01, b"a"), close(1000, b"")].concat()), ["Close(Some(1000))"]);
    // 7.3: each length of a payload.
    assert_eq!(read(&frame(0x88, b"")), ["Close(None)"]);
    assert_eq!(read(&frame(0x88, b"a")), ["1002"]);
    for length in [0, 1, 122, 123] {
        assert_eq!(read(&close(1000, &vec![b'r'; length])), ["Close(Some(1000))"]);
    }
    assert_eq!(read(&close(1000, &[b'r'; 124])), ["1002"]);
    // 7.5.1: a reason that is not UTF-8.
    assert_eq!(read(&close(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80")), ["1007"]);
    // 7.7, 7.13: valid codes, including later registrations.
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        assert_eq!(read(&close(code, b"")), [format!("Close(Some({code}))")]);
    }
    // 7.9: invalid codes.
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(read(&close(code, b"")), ["1002"], "{code}");
    }
}

#[test]
fn case_9_the_largest_message_in_fragments_of_every_size() {
    let payload = vec![b'*'; WEBSOCKET_MESSAGE_BYTES];
    for size in [64, 256, 1024, 4096, 16_384, 65_536] {
        let parts: Vec<_> = payload.chunks(size).collect();
        let mut bytes = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let opcode = if number == 0 { 1 } else { 0 };
            let last = if number + 1 == parts.len() { 0x80 } else { 0 };
            bytes.extend(frame(opcode | last, part));
        }
        let read = read_in(&bytes, 4096);
        assert!(read.len() == 1 && read[0].len() == WEBSOCKET_MESSAGE_BYTES + 8, "{size}");
    }
}
