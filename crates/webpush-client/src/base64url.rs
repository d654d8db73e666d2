//! base64url without padding (RFC 4648 §5), as Web Push writes every key.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Padding is never written but accepted, since some libraries write it.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes as text.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    ENGINE.encode(bytes)
}

/// Text as bytes. The standard alphabet is accepted too: people paste keys from many sources.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text
        .chars()
        .map(|character| match character {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    ENGINE.decode(text).ok()
}

/// Text as exactly `N` bytes.
#[must_use]
pub fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read_and_one_is_written() {
        assert_eq!(encode([0xfb, 0xff]), "-_8");
        for text in ["-_8", "-_8=", "+/8", "+/8="] {
            assert_eq!(decode(text).unwrap(), [0xfb, 0xff], "{text}");
        }
        assert_eq!(decode_exactly::<3>("-_8"), None);
        assert_eq!(decode("-_ 8"), None);
    }
}
