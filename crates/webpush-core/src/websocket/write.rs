//! Frames that a server sends: unmasked and unfragmented (RFC 6455 §5).

use super::close;
use super::frame::Opcode;

/// Maximum length of an unmasked header.
pub(super) const HEAD_BYTES: usize = 10;

/// Appends a text message.
pub fn text(out: &mut Vec<u8>, text: &str) {
    frame(out, Opcode::Text, &[text.as_bytes()]);
}

/// Appends a ping without a payload.
pub fn ping(out: &mut Vec<u8>) {
    frame(out, Opcode::Ping, &[]);
}

/// Appends a pong with the payload of a ping (RFC 6455 §5.5.3).
pub fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    frame(out, Opcode::Pong, &[payload]);
}

/// Appends a close. A long reason is truncated; without a code it is omitted.
pub fn close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    match code {
        Some(code) => frame(out, Opcode::Close, &[&code.to_be_bytes(), close::truncate(reason).as_bytes()]),
        None => frame(out, Opcode::Close, &[]),
    }
}

fn frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[&[u8]]) {
    let length = payload.iter().map(|part| part.len()).sum::<usize>();
    out.reserve(HEAD_BYTES + length);
    head(out, opcode, length, 0);
    payload.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends the header of an unfragmented message, without the mask.
///
/// `masked` is 0x80 if a mask follows, otherwise 0.
#[inline(always)]
pub(super) fn head(out: &mut Vec<u8>, opcode: Opcode, length: usize, masked: u8) {
    out.push(0x80 | opcode as u8);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => out.push(masked | short),
        (_, Ok(middle)) => {
            out.push(masked | 126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn r6455_5_7_the_examples_of_the_standard() {
        assert_eq!(written(|out| text(out, "Hello")), b"\x81\x05Hello");
        assert_eq!(written(|out| pong(out, b"Hello")), b"\x8a\x05Hello");
        assert_eq!(written(ping), b"\x89\x00");
        let long = "x".repeat(256);
        assert_eq!(written(|out| text(out, &long)), [b"\x81\x7e\x01\x00", long.as_bytes()].concat());
        let longest = "x".repeat(65_536);
        let head = b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00";
        assert_eq!(written(|out| text(out, &longest)), [&head[..], longest.as_bytes()].concat());
    }

    #[test]
    fn closes_fit_in_a_control_frame() {
        assert_eq!(written(|out| close(out, Some(1001), "bye")), b"\x88\x05\x03\xe9bye");
        assert_eq!(written(|out| close(out, None, "bye")), b"\x88\x00");
        assert_eq!(written(|out| close(out, Some(1008), &"y".repeat(500)))[..4], *b"\x88\x7d\x03\xf0");
    }
}
