//! The source of randomness of this crate: keys, salts, masks and signatures.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{EcdsaKeyPair, Signature};

/// The operating system returned no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoEntropy;

/// Returns random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}

/// Signs a message, with a random nonce.
pub(crate) fn sign(key: &EcdsaKeyPair, message: &[u8]) -> Result<Signature, Unspecified> {
    key.sign(&SystemRandom::new(), message)
}
