//! Bodies of messages, which say whose they are.

use bytes::Bytes;

/// Returns the body of a message: its number, its length, and bytes that depend on both.
#[must_use]
pub fn body(message: u32, length: usize) -> Bytes {
    let mut body = format!("{message}:{length}:").into_bytes();
    let seed = u64::from(message).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    body.extend((0..length).map(|at| seed.rotate_left(at as u32 % 64).to_le_bytes()[0]));
    body.into()
}

/// Returns the number of the message with this body; 0 if no message has it.
#[must_use]
pub fn message(received: &[u8]) -> u32 {
    let mut parts = received.splitn(3, |byte| *byte == b':');
    let mut number = || str::from_utf8(parts.next()?).ok()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(message), Some(length)) if body(message, length as usize) == received => message,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_its_message_unless_it_was_changed() {
        for length in [0, 1, 700] {
            let mut sent = body(7, length).to_vec();
            assert_eq!(message(&sent), 7);
            sent[0] = b'8';
            assert_eq!(message(&sent), if length == 0 { 8 } else { 0 });
        }
        assert_eq!(message(&body(7, 700)[..700]), 0);
        assert_eq!(message(b"x"), 0);
    }
}
