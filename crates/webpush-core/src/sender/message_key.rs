//! Detects messages that are encrypted with the VAPID key of their sender (RFC 8292 §3.2).

use super::parameter::crypto_key;
use crate::base64url;
use crate::encoding::Encoding;
use crate::subscription::SenderKey;

/// Offsets in the header of the aes128gcm coding: key ID length and key ID (RFC 8188 §2.1).
const KEY_ID_LENGTH_AT: usize = 20;
const KEY_ID_AT: usize = 21;

/// Returns true if the message names `key` as the key it was encrypted with.
///
/// That is the key ID of aes128gcm (RFC 8291 §4), or `dh` in the `Crypto-Key` of aesgcm. Nothing else in a body is ever
/// examined.
#[must_use]
pub fn shares_message_key(key: &SenderKey, encoding: &Encoding, body: &[u8]) -> bool {
    let aes128gcm = encoding
        .content_encoding()
        .is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"aes128gcm"));
    (aes128gcm && key_id(body) == Some(&key.0[..])) || is_dh(key, encoding)
}

fn key_id(body: &[u8]) -> Option<&[u8]> {
    let length = usize::from(*body.get(KEY_ID_LENGTH_AT)?);
    body.get(KEY_ID_AT..KEY_ID_AT + length)
}

fn is_dh(key: &SenderKey, encoding: &Encoding) -> bool {
    let header = encoding.crypto_key().and_then(|value| std::str::from_utf8(value).ok());
    let Some(header) = header else { return false };
    crypto_key(header, "dh").any(|dh| base64url::decode_lenient(&dh).as_deref() == Some(&key.0[..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::testing::{key, key_text};

    fn shares(headers: [Option<&str>; 4], body: &[u8]) -> bool {
        let encoding = Encoding::from_parts(headers.map(|value| value.map(str::as_bytes))).unwrap();
        shares_message_key(&key(1), &encoding, body)
    }

    fn body(key_id: &[u8]) -> Vec<u8> {
        [&[0; 20][..], &[u8::try_from(key_id.len()).unwrap()], key_id, b"ciphertext"].concat()
    }

    #[test]
    fn r8292_3_2_b_the_message_key_is_in_the_body_or_in_crypto_key() {
        let aes128gcm = [None, Some("AES128gcm"), None, None];
        assert!(shares(aes128gcm, &body(&key(1).0)));
        assert!(!shares(aes128gcm, &body(&key(2).0)));
        assert!(!shares(aes128gcm, &body(b"")));
        assert!(!shares([None; 4], &body(&key(1).0)), "without the coding the body is opaque");
        for end in 0..86 {
            assert!(!shares(aes128gcm, &body(&key(1).0)[..end]), "{end} bytes");
        }
        let aesgcm = |parameter: &str| {
            shares([None, Some("aesgcm"), None, Some(&format!("keyid=p;{parameter}={}", key_text(1)))], b"")
        };
        assert!(aesgcm("dh"));
        assert!(!aesgcm("p256ecdsa"));
    }
}
