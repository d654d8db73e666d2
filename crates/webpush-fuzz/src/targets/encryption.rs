//! Decryption of messages by the client.

use std::sync::LazyLock;
use webpush_client::encryption::{AgentKeys, decrypt, encrypt};

use crate::input::Input;

static KEYS: LazyLock<AgentKeys> = LazyLock::new(|| AgentKeys::generate().unwrap());
/// Maximum length of a plaintext (RFC 8291 §4).
const PLAINTEXT_BYTES: usize = 3993;

/// Where a body has its record size.
///
/// A larger one changes nothing for a body of one record (RFC 8188 §2.1).
const RECORD_SIZE: std::ops::Range<usize> = 16..20;

/// Nothing can be decrypted but what was encrypted, as a whole.
pub(super) fn run(input: &[u8]) {
    assert!(decrypt(&KEYS, input).is_err());
    let mut input = Input::new(input);
    let (at, bit) = (usize::from(u16::from_le_bytes(input.array())), input.byte() % 8);
    let plaintext = input.rest();
    let Ok(mut body) = encrypt(KEYS.recipient(), plaintext) else {
        assert!(plaintext.len() > PLAINTEXT_BYTES);
        return;
    };
    assert!(body.len() <= 4096);
    assert_eq!(decrypt(&KEYS, &body).as_deref().ok(), Some(plaintext));
    let at = at % body.len();
    assert!(decrypt(&KEYS, &body[..at]).is_err(), "{at} bytes of a body are decrypted");
    if RECORD_SIZE.contains(&at) {
        return;
    }
    body[at] ^= 1 << bit;
    assert!(decrypt(&KEYS, &body).is_err(), "a body with a wrong bit in byte {at} is decrypted");
}
