//! The time of day: read here, passed on as a value.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use webpush_core::time::Timestamp;

/// The present.
#[must_use]
pub fn now() -> Timestamp {
    // A clock before 1970 is as good as none; the server will say that the token is from the past.
    Timestamp::default().after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

/// As RFC 3339 writes it, in UTC with milliseconds.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    const DAY_SECONDS: u64 = 86_400;
    // 9999-12-31: the last day that the format can write.
    const LAST_DAY: u64 = 2_932_896;
    let (seconds, millis) = (time.as_millis() / 1000, time.as_millis() % 1000);
    let (days, second) = ((seconds / DAY_SECONDS).min(LAST_DAY), seconds % DAY_SECONDS);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The Gregorian date of a day after 1970-01-01. Years are counted from March, so that the leap day ends one.
const fn date(days: u64) -> (u64, u64, u64) {
    // Days from 0000-03-01 to 1970-01-01, and the lengths of 400, 100, 4 years and 1 year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March have 31 and 30 days in a pattern that repeats every five: 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * era + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_with_and_without_leap_days() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_millis(millis)), text);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = date(0);
        for day in 1..200_000 {
            let today = date(day);
            let first = today.2 == 1 && (today.1 == before.1 + 1 || (today.1, before.1) == (1, 12));
            assert!(first || (today.0, today.1, today.2) == (before.0, before.1, before.2 + 1), "{today:?}");
            before = today;
        }
    }
}
