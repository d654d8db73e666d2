//! The system's clock and cryptographically secure random bytes.

use std::sync::Arc;
use webpush_core::env::{Entropy, EntropyError, Env};
use webpush_store::system::SystemClock;

/// Cryptographically secure random bytes, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[allow(clippy::disallowed_methods, reason = "the seam that all other code uses")]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| EntropyError)
    }
}

/// Returns the system's environment.
///
/// A server calls this once, and passes the result to [`Service::new`](crate::service::Service::new) and to its store.
/// Commands that run without a service may call it wherever they need it.
#[must_use]
pub fn env() -> Env {
    Env::new(Arc::new(SystemClock), Arc::new(SystemEntropy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_differ() {
        let env = env();
        assert_ne!(env.random::<32>(), env.random::<32>());
    }
}
