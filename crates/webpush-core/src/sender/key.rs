//! A sender's public key (RFC 8292 §3.2), and the comparison with the one that a subscription is for (§4.2).

use super::Curve;
use super::finding::Finding;
use crate::base64url;
use crate::problem::Claim;
use crate::subscription::SenderKey;
use std::error::Error;
use std::fmt;

/// The first byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// The reason for which a text is no key. The fault of the party that wrote it: sender or agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not base64url.
    Encoding,
    /// Not 65 bytes.
    Length,
    /// A point, if it is one, of another form.
    Form,
    /// Not a point on P-256.
    OffCurve,
}

impl KeyError {
    /// Returns the text that was found instead of a key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Encoding => "text that is not base64url",
            Self::Length => "another number of bytes than 65",
            Self::Form => "65 bytes that do not begin with 4",
            Self::OffCurve => "a point that is not on the curve",
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected base64url of an uncompressed P-256 point, found {}", self.as_str())
    }
}

impl Error for KeyError {}

/// Reads a public key: base64url of the 65 bytes of an uncompressed point on P-256 (RFC 8292 §3.2).
///
/// # Errors
/// What the text is instead.
pub fn parse_key(text: &str, curve: &impl Curve) -> Result<SenderKey, KeyError> {
    let bytes = base64url::decode_lenient(text).ok_or(KeyError::Encoding)?;
    let point: [u8; 65] = bytes.try_into().map_err(|_| KeyError::Length)?;
    if point[0] != UNCOMPRESSED {
        return Err(KeyError::Form);
    }
    if !curve.contains(&point) {
        return Err(KeyError::OffCurve);
    }
    Ok(SenderKey(point))
}

/// Whether a sender's key is the one that a subscription is restricted to (RFC 8292 §4.2): the same bytes, however
/// each was written.
#[must_use]
pub fn restriction(key: &SenderKey, restricted_to: &SenderKey) -> Finding {
    let holds = key == restricted_to;
    let found = if holds { "that key" } else { "another key" };
    Finding::new(Claim::Key, holds, "the key that the subscription is restricted to", found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::testing::{Fake, OFF_CURVE, key, key_text};

    #[test]
    fn r8292_3_2_a_a_key_is_65_bytes_on_the_curve_and_padding_is_tolerated() {
        let text = key_text(7);
        assert_eq!(parse_key(&text, &Fake), Ok(key(7)));
        assert_eq!(parse_key(&format!("{text}="), &Fake), Ok(key(7)));
        let SenderKey(mut hybrid) = key(7);
        hybrid[0] = 6;
        for (wrong, fault) in [
            (text.replace('B', "!"), KeyError::Encoding),
            (format!("{text} "), KeyError::Encoding),
            (String::new(), KeyError::Length),
            (base64url::encode(&key(7).0[..33]), KeyError::Length),
            (base64url::encode([4; 66]), KeyError::Length),
            (base64url::encode(hybrid), KeyError::Form),
            (key_text(OFF_CURVE), KeyError::OffCurve),
        ] {
            assert_eq!(parse_key(&wrong, &Fake), Err(fault), "{wrong}");
        }
    }

    #[test]
    fn r8292_4_2_e_keys_are_compared_as_bytes() {
        assert!(restriction(&key(1), &key(1)).holds);
        assert!(!restriction(&key(1), &key(2)).holds);
    }
}
