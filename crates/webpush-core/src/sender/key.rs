//! Sender keys (RFC 8292 §3.2), and restricted subscriptions (§4.2).

use super::Curve;
use super::claim_check::ClaimCheck;
use crate::base64url;
use crate::problem::Claim;
use crate::subscription::SenderKey;
use std::error::Error;
use std::fmt;

/// The first byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A text is not a public key. The party that wrote it, sender or agent, can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderKeyError {
    /// Not base64url.
    Encoding,
    /// Not 65 bytes.
    Length,
    /// Not in the uncompressed form.
    Form,
    /// Not a point on P-256.
    OffCurve,
}

impl SenderKeyError {
    /// Describes the text that was found instead of a key.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Encoding => "text that is not base64url",
            Self::Length => "a length other than 65 bytes",
            Self::Form => "65 bytes that do not begin with 4",
            Self::OffCurve => "a point that is not on the curve",
        }
    }
}

impl fmt::Display for SenderKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected base64url of an uncompressed P-256 point, found {}", self.as_str())
    }
}

impl Error for SenderKeyError {}

/// Parses a public key: base64url of the 65 bytes of an uncompressed point on P-256 (RFC 8292 §3.2).
///
/// # Errors
/// [`SenderKeyError`].
pub fn parse_key(text: &str, curve: &impl Curve) -> Result<SenderKey, SenderKeyError> {
    let bytes = base64url::decode_lenient(text).ok_or(SenderKeyError::Encoding)?;
    let point: [u8; 65] = bytes.try_into().map_err(|_| SenderKeyError::Length)?;
    if point[0] != UNCOMPRESSED {
        return Err(SenderKeyError::Form);
    }
    if !curve.contains(&point) {
        return Err(SenderKeyError::OffCurve);
    }
    Ok(SenderKey(point))
}

/// Checks that a sender's key is the one to which a subscription is restricted (RFC 8292 §4.2).
#[must_use]
pub fn check_restriction(key: &SenderKey, restricted_to: &SenderKey) -> ClaimCheck {
    let passed = key == restricted_to;
    let found = if passed { "that key" } else { "another key" };
    ClaimCheck::new(Claim::Key, passed, "the key that the subscription is restricted to", found)
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
        for (wrong, error) in [
            (text.replace('B', "!"), SenderKeyError::Encoding),
            (format!("{text} "), SenderKeyError::Encoding),
            (String::new(), SenderKeyError::Length),
            (base64url::encode(&key(7).0[..33]), SenderKeyError::Length),
            (base64url::encode([4; 66]), SenderKeyError::Length),
            (base64url::encode(hybrid), SenderKeyError::Form),
            (key_text(OFF_CURVE), SenderKeyError::OffCurve),
        ] {
            assert_eq!(parse_key(&wrong, &Fake), Err(error), "{wrong}");
        }
    }

    #[test]
    fn r8292_4_2_e_keys_are_compared_as_bytes() {
        assert!(check_restriction(&key(1), &key(1)).passed);
        assert!(!check_restriction(&key(1), &key(2)).passed);
    }
}
