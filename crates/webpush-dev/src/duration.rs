//! Durations as text: a number and a unit.

use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

/// Units, largest first, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The longest duration, ten years, so that sums stay in range.
const LONGEST_MILLIS: u64 = 10 * 365 * 86_400_000;

/// Parses a duration such as `500ms`, `5s` or `25h`.
///
/// # Errors
/// One sentence for the client.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let expected = || {
        format!(
            "'{}' is not a duration: write a whole number and ms, s, m, h or d, such as 5s",
            text.escape_debug()
        )
    };
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(expected)?;
    match number.checked_mul(millis) {
        Some(millis) if millis <= LONGEST_MILLIS => Ok(Duration::from_millis(millis)),
        _ => Err(format!("'{text}' is too long: at most 3650d")),
    }
}

/// Formats a duration in the largest unit that divides it.
pub(crate) fn format(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let divides = |(_, unit): &(&str, u64)| millis.is_multiple_of(*unit);
    // Zero is `0s`, not `0d`.
    let (name, unit) = match millis {
        0 => UNITS[3],
        _ => UNITS.into_iter().find(divides).unwrap_or(UNITS[4]),
    };
    format!("{}{name}", millis / unit)
}

/// Serializes an optional duration as text, for `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.serialize_str(&format(*value)),
        None => serializer.serialize_none(),
    }
}

/// Deserializes an optional duration, for `#[serde(with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse(&text).map_err(serde::de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for text in ["0s", "500ms", "5s", "90s", "7m", "25h", "3650d"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        assert_eq!(format(parse("24h").unwrap()), "1d");
        for text in ["", "5", "s", "-5s", "5 s", "1.5h", "5w", "3651d", "99999999999999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
