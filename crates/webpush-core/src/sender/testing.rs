//! A deterministic curve for tests, whose keys are derived from a number.

use super::Curve;
use crate::base64url;
use crate::subscription::SenderKey;

/// The number of a key that is not on the curve.
pub(crate) const OFF_CURVE: u8 = 255;

/// A curve whose signatures are a checksum of key and message.
pub(crate) struct Fake;

impl Curve for Fake {
    fn contains(&self, point: &[u8; 65]) -> bool {
        point[1] != OFF_CURVE
    }

    fn verifies(&self, key: &SenderKey, message: &[u8], signature: &[u8; 64]) -> bool {
        *signature == sign(key, message)
    }
}

pub(crate) fn key(number: u8) -> SenderKey {
    let mut point = [number; 65];
    point[0] = 4;
    SenderKey(point)
}

pub(crate) fn key_text(number: u8) -> String {
    base64url::encode(key(number).0)
}

pub(crate) fn sign(key: &SenderKey, message: &[u8]) -> [u8; 64] {
    let mut signature = [key.0[1]; 64];
    for (at, byte) in message.iter().enumerate() {
        signature[at % 64] = signature[at % 64].rotate_left(3) ^ byte;
    }
    signature
}

/// Creates a token that is signed with the key of this number.
pub(crate) fn token(number: u8, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", base64url::encode(header), base64url::encode(claims));
    let signature = base64url::encode(sign(&key(number), signed.as_bytes()));
    format!("{signed}.{signature}")
}
