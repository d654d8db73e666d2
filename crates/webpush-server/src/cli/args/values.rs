//! Syntax of values that several commands or files use.

use std::time::Duration;

/// Parses an origin: scheme, host and perhaps a port (RFC 6454 §6.2).
///
/// It may have a path, below which the server is then.
pub(crate) fn parse_origin(text: &str) -> Result<String, String> {
    let wrong = || {
        format!("'{text}' is not an origin: expected https://host, https://host:port or https://host/path")
    };
    let uri: http::Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    let path = uri.path().trim_end_matches('/');
    let is_plain = |segment: &str| {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
        !matches!(segment, "" | "." | "..") && segment.chars().all(is_safe)
    };
    let is_path = path.split('/').skip(1).all(is_plain);
    if !is_path || uri.query().is_some() || authority.as_str().contains('@') {
        return Err(wrong());
    }
    let authority = authority.as_str().to_ascii_lowercase();
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    Ok(format!("{scheme}://{}{path}", authority.strip_suffix(default_port).unwrap_or(&authority)))
}

/// The longest time, 100 years: the sum of any time and the clock's is a time.
const MAX_TIME: Duration = Duration::from_secs(36_500 * 24 * 3600);

/// Parses a time: a number of seconds, or with a unit.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("'{text}' is not a time: expected seconds, or a number with s, m, h or d, such as 30d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match number.checked_mul(unit).map(Duration::from_secs) {
        Some(time) if time <= MAX_TIME => Ok(time),
        _ => Err(format!("'{text}' is too long: expected at most 36500d")),
    }
}

/// Parses a tolerance for clocks.
pub(crate) fn parse_leeway(text: &str) -> Result<Duration, String> {
    const MAX_LEEWAY: Duration = Duration::from_secs(3600);
    let time = parse_time(text)?;
    if time > MAX_LEEWAY { Err("expected at most 1h".to_owned()) } else { Ok(time) }
}

/// Parses a time greater than zero.
pub(crate) fn parse_timeout(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    if time.is_zero() { Err("expected a time greater than zero".to_owned()) } else { Ok(time) }
}

/// Parses a size: a number of bytes, or with a unit.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!("'{text}' is not a size: expected bytes, or a number with KiB, MiB or GiB, such as 256MiB")
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalized_and_anything_else_is_refused() {
        assert_eq!(parse_origin("https://Push.Example:443/").unwrap(), "https://push.example");
        assert_eq!(parse_origin("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(parse_origin("https://Example.org/Push/").unwrap(), "https://example.org/Push");
        for wrong in [
            "push.example",
            "ftp://x",
            "https://x/a//b",
            "https://x/../a",
            "https://x/a%20b",
            "https://u@x",
            "https://x?y",
            "https://",
            "",
        ] {
            assert!(parse_origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("30d").unwrap(), Duration::from_secs(2_592_000));
        assert_eq!(parse_time("90").unwrap(), Duration::from_secs(90));
        for wrong in ["", "d", "-1", "1.5h", "3w", "99999999999999999999", "9999999999999999999d"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    /// C10: settings could be durations that overflow.
    #[test]
    fn times_have_upper_bounds() {
        assert_eq!(parse_time("36500d").unwrap(), MAX_TIME);
        for long in ["36501d", "3153600001", "18446744073709551615", "213503982334601d"] {
            assert!(parse_time(long).unwrap_err().contains("at most 36500d"), "{long}");
        }
        assert_eq!(parse_leeway("1h").unwrap(), Duration::from_secs(3600));
        assert!(parse_leeway("3601s").is_err());
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("256MiB").unwrap(), 256 * 1024 * 1024);
        assert_eq!(parse_size("4096").unwrap(), 4096);
        for wrong in ["", "MiB", "-1", "1.5KiB", "3MB", "99999999999GiB", "99999999999999999999"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
