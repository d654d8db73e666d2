//! Clock and random source, injected by the caller.
//!
//! The program provides the clock of the operating system and a cryptographic random source; simulations and tests
//! provide seeded ones.

use crate::time::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A source of time.
pub trait Clock: Send + Sync {
    /// Returns the wall-clock time. It may jump in either direction.
    fn now(&self) -> Timestamp;

    /// Returns the monotonic time. It never goes back.
    fn monotonic(&self) -> MonotonicTime;
}

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills a buffer with random bytes.
    ///
    /// # Errors
    /// [`EntropyError`] if the source fails. The buffer then has unspecified content.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// A point in monotonic time: nanoseconds since the start of its clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonotonicTime(u64);

impl MonotonicTime {
    /// Creates a point in time from its distance to the clock's start. Saturates after 584 years.
    #[must_use]
    pub fn since_start(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Returns the distance to the clock's start.
    #[must_use]
    pub const fn elapsed_since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Returns this point plus `length`. Saturates.
    #[must_use]
    pub fn after(self, length: Duration) -> Self {
        Self(self.0.saturating_add(Self::since_start(length).0))
    }

    /// Returns the time from `earlier` to this point; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A clock and a source of random bytes. Clones share both.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Env {
    /// Combines a clock and a source of random bytes.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// Returns the wall-clock time; see [`Clock::now`].
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the monotonic time; see [`Clock::monotonic`].
    #[must_use]
    pub fn monotonic(&self) -> MonotonicTime {
        self.clock.monotonic()
    }

    /// Returns `N` random bytes.
    ///
    /// # Errors
    /// [`EntropyError`] if the source fails.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], EntropyError> {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns the source of random bytes.
    #[must_use]
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    /// Returns the clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").finish_non_exhaustive()
    }
}

/// The random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntropyError;

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operating system returned no random bytes")
    }
}

impl std::error::Error for EntropyError {}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(7)
        }

        fn monotonic(&self) -> MonotonicTime {
            MonotonicTime::since_start(Duration::from_secs(3))
        }
    }

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.fill(9);
            if bytes.is_empty() { Err(EntropyError) } else { Ok(()) }
        }
    }

    #[test]
    fn an_environment_forwards_to_its_sources() {
        let env = Env::new(Arc::new(Fixed), Arc::new(Fixed));
        assert_eq!((env.now(), env.random()), (Timestamp::from_millis(7), Ok([9; 3])));
        assert_eq!(env.random::<0>(), Err(EntropyError));
        assert_eq!(env.monotonic().elapsed_since_start(), Duration::from_secs(3));
    }

    #[test]
    fn monotonic_time_never_overflows() {
        let (start, second) = (MonotonicTime::default(), Duration::from_secs(1));
        assert_eq!(start.after(second).since(start), second);
        assert_eq!(start.since(start.after(second)), Duration::ZERO);
        assert_eq!(start.after(Duration::MAX).after(Duration::MAX), MonotonicTime(u64::MAX));
    }
}
