//! The curve of senders' keys.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey};
use webpush_core::sender::Curve;
use webpush_core::subscription::SenderKey;

/// P-256 of `aws-lc-rs`.
#[derive(Clone, Copy, Debug)]
pub struct P256;

impl Curve for P256 {
    fn contains(&self, point: &[u8; 65]) -> bool {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
    }

    fn verifies(&self, key: &SenderKey, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.0).verify(message, signature).is_ok()
    }
}
