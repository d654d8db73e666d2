//! VAPID tokens of senders (RFC 8292): none, the same each time, or a new one each time.

use anyhow::Context as _;
use clap::ValueEnum;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};
use webpush_client::vapid::VapidKey;
use webpush_core::time::Timestamp;

/// How senders identify themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Vapid {
    /// Not at all.
    None,
    /// With the same token each time, which the service may cache.
    Repeated,
    /// With a new token each time.
    Fresh,
}

/// Tokens to use. They are signed before the measurement.
pub enum Tokens {
    /// No token.
    None,
    /// The same token.
    Repeated(String),
    /// Each token once.
    Fresh {
        /// The values of `Authorization`.
        pool: Vec<String>,
        /// The number of used ones.
        used: AtomicUsize,
    },
}

impl Tokens {
    /// Signs the tokens for `count` messages to an origin.
    ///
    /// # Errors
    /// If no random bytes are available.
    pub fn prepare(vapid: Vapid, origin: &str, messages: usize) -> anyhow::Result<Self> {
        let key = VapidKey::generate()?;
        let millis =
            SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_millis();
        let now = Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        let sign = || key.authorization(origin, Some("mailto:load@localhost"), now);
        Ok(match vapid {
            Vapid::None => Self::None,
            Vapid::Repeated => Self::Repeated(sign()?),
            Vapid::Fresh => {
                // Signatures are randomized, so each token is different.
                let threads = thread::available_parallelism().map_or(1, usize::from);
                let share = messages.div_ceil(threads);
                let pool = thread::scope(|scope| {
                    let signing: Vec<_> = (0..threads)
                        .map(|_| scope.spawn(|| (0..share).map(|_| sign()).collect::<Result<Vec<_>, _>>()))
                        .collect();
                    let signed =
                        signing.into_iter().map(|thread| thread.join().ok().context("signing ended early"));
                    signed.map(|tokens| Ok(tokens??)).collect::<anyhow::Result<Vec<_>>>()
                })?;
                Self::Fresh { pool: pool.concat(), used: AtomicUsize::new(0) }
            }
        })
    }

    /// Returns the value of `Authorization` for the next message, if it has one.
    ///
    /// # Errors
    /// [`UsedUp`].
    pub fn next(&self) -> Result<Option<&str>, UsedUp> {
        match self {
            Self::None => Ok(None),
            Self::Repeated(token) => Ok(Some(token)),
            Self::Fresh { pool, used } => {
                let next = pool.get(used.fetch_add(1, Ordering::Relaxed));
                next.map(|token| Some(token.as_str())).ok_or(UsedUp)
            }
        }
    }
}

/// All tokens were used: the measurement ends early.
#[derive(Debug)]
pub struct UsedUp;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fresh_token_is_used_once() {
        let tokens = Tokens::prepare(Vapid::Fresh, "http://127.0.0.1:1", 4).unwrap();
        let mut all: Vec<_> = (0..4).map(|_| tokens.next().unwrap().unwrap()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4);
        while tokens.next().is_ok() {}
        assert!(all.iter().all(|token| token.starts_with("vapid t=")));
    }

    #[test]
    fn a_repeated_token_is_one() {
        let tokens = Tokens::prepare(Vapid::Repeated, "http://127.0.0.1:1", 4).unwrap();
        assert_eq!(tokens.next().unwrap(), tokens.next().unwrap());
        assert!(Tokens::prepare(Vapid::None, "", 1).unwrap().next().unwrap().is_none());
    }
}
