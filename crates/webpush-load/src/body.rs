//! Message bodies: opaque to the service, with a stamp of number and due time.

use anyhow::{Context as _, ensure};
use std::str::FromStr;
use std::time::{Duration, Instant};
use webpush_core::base64url;

/// Length of a stamp in bytes, and so of the shortest body.
pub const STAMP_BYTES: usize = 16;
/// Largest body that every service must accept (RFC 8030 §7.2).
const MOST_BYTES: usize = 4096;
/// Sizes of the mix in rotation: mostly short, some of maximum length.
const MIX: [usize; 10] = [200, 200, 1000, 200, 400, 200, 2500, 200, 400, 4000];
const FILLER: [u8; MOST_BYTES] = [0x5a; MOST_BYTES];
/// Characters of base64url that hold a stamp, in whole groups.
const STAMP_CHARACTERS: usize = 24;

/// Distribution of body sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// The same size for every body.
    Fixed(usize),
    /// From 200 to 4,000 bytes: 200 half of the time, 930 on average.
    Mixed,
}

/// Identifies a message and its due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the message.
    pub number: u64,
    /// Its due time, from the start of the run.
    pub due: Duration,
}

/// The start of a run, from which stamps count.
#[derive(Clone, Copy)]
pub struct Beginning(Instant);

impl Beginning {
    /// Creates the start of a run that starts now.
    #[must_use]
    pub fn now() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

impl FromStr for Sizes {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text == "mixed" {
            return Ok(Self::Mixed);
        }
        let size = text.parse().context("a number of bytes, or \"mixed\"")?;
        ensure!((STAMP_BYTES..=MOST_BYTES).contains(&size), "from {STAMP_BYTES} to {MOST_BYTES} bytes");
        Ok(Self::Fixed(size))
    }
}

impl Sizes {
    /// Returns the body length of a message.
    #[must_use]
    pub fn length(self, number: u64) -> usize {
        match self {
            Self::Fixed(size) => size,
            Self::Mixed => MIX[usize::try_from(number % MIX.len() as u64).unwrap_or_default()],
        }
    }
}

/// Appends a body of that length.
pub fn write(out: &mut Vec<u8>, stamp: Stamp, length: usize) {
    out.extend_from_slice(&stamp.number.to_be_bytes());
    out.extend_from_slice(&u64::try_from(stamp.due.as_nanos()).unwrap_or(u64::MAX).to_be_bytes());
    out.extend_from_slice(&FILLER[..length.saturating_sub(STAMP_BYTES)]);
}

/// Reads the stamp at the start of a body.
#[must_use]
pub fn stamp(body: &[u8]) -> Option<Stamp> {
    let (number, rest) = body.split_first_chunk()?;
    let (due, _) = rest.split_first_chunk()?;
    Some(Stamp { number: u64::from_be_bytes(*number), due: Duration::from_nanos(u64::from_be_bytes(*due)) })
}

/// Reads the stamp of a base64url body, and decodes no more than that.
#[must_use]
pub fn stamp_of_base64(text: &str) -> Option<Stamp> {
    let start = text.get(..STAMP_CHARACTERS).unwrap_or(text);
    stamp(&base64url::decode_lenient(start)?)
}

/// Returns a channel ID: a UUID of a number, the same in each run.
#[must_use]
pub fn uuid(number: u64) -> String {
    let spread = format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    format!("{}-{}-4{}-8000-{number:012x}", &spread[..8], &spread[8..12], &spread[12..15])
}

/// Returns bytes in base64url, as a service sends them.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    base64url::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_also_in_base64() {
        let sent = Stamp { number: 7, due: Duration::from_nanos(123_456_789) };
        for length in [STAMP_BYTES, 17, 18, 200, MOST_BYTES] {
            let mut body = Vec::new();
            write(&mut body, sent, length);
            assert_eq!(body.len(), length);
            assert_eq!(stamp(&body), Some(sent));
            assert_eq!(stamp_of_base64(&base64(&body)), Some(sent), "{length}");
        }
        assert_eq!(stamp(&[0; 15]), None);
        assert_eq!(stamp_of_base64("AAAA"), None);
    }

    #[test]
    fn sizes_are_numbers_or_a_mix() {
        assert_eq!("200".parse::<Sizes>().unwrap(), Sizes::Fixed(200));
        assert_eq!("mixed".parse::<Sizes>().unwrap(), Sizes::Mixed);
        for wrong in ["", "15", "4097", "many"] {
            assert!(wrong.parse::<Sizes>().is_err(), "{wrong}");
        }
        let sum: usize = (0..10).map(|number| Sizes::Mixed.length(number)).sum();
        assert_eq!(sum, 9_300);
    }

    #[test]
    fn channels_have_different_names() {
        assert_eq!(uuid(1).len(), 36);
        assert_ne!(uuid(1), uuid(2));
    }
}
