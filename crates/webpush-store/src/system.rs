//! The clock of this machine, and random bytes from the standard library.

#![allow(clippy::disallowed_methods, reason = "this is what everything else calls instead")]

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use webpush_core::env::{Clock, Entropy, EntropyError, Env, MonotonicTime};
use webpush_core::time::Timestamp;

/// The start of monotonic time, one for the process so that instances can be compared.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> MonotonicTime {
        let start = *START;
        MonotonicTime::since_start(Instant::now().saturating_duration_since(start))
    }
}

/// Random bytes from the keys of the standard library's hash maps.
///
/// Not cryptographically secure: sufficient for salts of checksums and hashes, which is all that a store needs, but not
/// for IDs, tokens or keys. Programs pass a cryptographic source in [`Options::env`].
///
/// [`Options::env`]: crate::embedded::Options::env
#[derive(Clone, Copy, Debug, Default)]
pub struct HashEntropy;

impl Entropy for HashEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(8) {
            let random = RandomState::new().hash_one(0_u8).to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
        Ok(())
    }
}

/// Suspends the calling thread.
pub(crate) fn sleep(length: Duration) {
    thread::sleep(length);
}

/// Returns the environment of this machine, with [`HashEntropy`] for random bytes.
#[must_use]
pub fn env() -> Env {
    Env::new(Arc::new(SystemClock), Arc::new(HashEntropy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_and_random_bytes_differ() {
        let env = env();
        let begun = env.monotonic();
        assert!(env.now() > Timestamp::from_millis(1_600_000_000_000));
        assert_ne!(env.random::<20>(), env.random::<20>());
        assert!(env.monotonic() >= begun);
    }
}
