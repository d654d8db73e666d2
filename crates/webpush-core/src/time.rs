//! Wall-clock timestamps and compact durations.

use std::num::NonZeroU32;
use std::time::{Duration, UNIX_EPOCH};
use time::OffsetDateTime;

/// A point in time: milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last representable point, which is never reached.
    pub const NEVER: Self = Self(u64::MAX);

    /// Creates a timestamp from milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns this point plus `length`. Saturates at [`Timestamp::NEVER`].
    #[must_use]
    pub fn after(self, length: impl Into<Duration>) -> Self {
        let millis = u64::try_from(length.into().as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Returns this point minus `length`. Saturates at 1970-01-01.
    #[must_use]
    pub fn before(self, length: Duration) -> Self {
        let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// Returns the time from this point to `later`; zero if `later` is earlier.
    #[must_use]
    pub const fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }

    /// Formats the time as RFC 3339, in UTC with milliseconds.
    #[must_use]
    pub fn rfc3339(self) -> String {
        // 9999-12-31, the last day that the format can represent.
        const LAST_DAY: u64 = 2_932_896;
        const DAY_MILLIS: u64 = 86_400_000;
        let millis = (self.0 / DAY_MILLIS).min(LAST_DAY) * DAY_MILLIS + self.0 % DAY_MILLIS;
        let time = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(millis);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second, milli) = time.to_hms_milli();
        let month = u8::from(month);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }

    /// Formats the time as an HTTP date (RFC 9110 §5.6.7), in whole seconds.
    #[must_use]
    pub fn http_date(self) -> String {
        // 9999-12-31T23:59:59Z, the last date that the format can represent.
        const LAST_SECOND: u64 = 253_402_300_799;
        let seconds = (self.0 / 1000).min(LAST_SECOND);
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
    }
}

/// A duration in milliseconds that saturates at 49 days, a quarter as large as [`Duration`].
///
/// An `Option` of it is no larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CompactDuration {
    millis_plus_one: NonZeroU32,
}

impl CompactDuration {
    /// The longest representable duration.
    pub const MAX: Self = Self { millis_plus_one: NonZeroU32::MAX };
}

impl From<Duration> for CompactDuration {
    fn from(length: Duration) -> Self {
        let millis = u32::try_from(length.as_millis()).unwrap_or(u32::MAX);
        Self { millis_plus_one: NonZeroU32::MIN.saturating_add(millis) }
    }
}

impl From<CompactDuration> for Duration {
    fn from(length: CompactDuration) -> Self {
        Self::from_millis(u64::from(length.millis_plus_one.get()) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_handles_leap_days() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).rfc3339(), text);
        }
        assert_eq!(Timestamp::NEVER.rfc3339().len(), 24);
    }

    #[test]
    fn http_dates_follow_rfc_9110() {
        assert_eq!(Timestamp::from_millis(784_111_777_999).http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(Timestamp::NEVER.http_date(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    /// C10: a duration of 2^64 - 1 s was a panic.
    #[test]
    fn durations_never_overflow() {
        assert_eq!(Timestamp::NEVER.after(Duration::MAX), Timestamp::NEVER);
        assert_eq!(Timestamp::NEVER.until(Timestamp::default()), Duration::ZERO);
        assert_eq!(CompactDuration::from(Duration::MAX), CompactDuration::MAX);
        for millis in [0, 1, 60_000, u64::from(u32::MAX) - 1] {
            let length = Duration::from_millis(millis);
            assert_eq!(Duration::from(CompactDuration::from(length)), length);
        }
    }
}
