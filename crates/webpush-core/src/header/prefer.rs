//! `Prefer` (RFC 7240): a list of preferences with optional values and parameters.

use http::HeaderMap;
use http::header::HeaderName;
use std::time::Duration;

/// Maximum of `Prefer: wait=N` in seconds (RFC 7240 §4.3). Larger values are reduced to it.
const WAIT_SECONDS: u64 = 86_400;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The preferences that a push service supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `respond-async`: the sender requests a delivery receipt (RFC 8030 §5.1).
    pub respond_async: bool,
    /// `wait=N`: how long to hold the request (RFC 8030 §6 for 0).
    pub wait: Option<Duration>,
}

impl Preferences {
    /// Parses all `Prefer` headers.
    ///
    /// The first of several preferences with the same name counts (RFC 7240 §2). Malformed ones are ignored.
    #[must_use]
    pub fn parse(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| split_unquoted(value, ',')) {
            // Parameters follow the first semicolon; the supported preferences have none.
            let head = split_unquoted(preference, ';').next().unwrap_or_default();
            let (name, value) = head.split_once('=').unwrap_or((head, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            if name.eq_ignore_ascii_case("respond-async") {
                preferences.respond_async = true;
            } else if name.eq_ignore_ascii_case("wait") && preferences.wait.is_none() {
                preferences.wait = seconds(value);
            }
        }
        preferences
    }
}

fn seconds(digits: &str) -> Option<Duration> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(digits.parse().unwrap_or(WAIT_SECONDS).min(WAIT_SECONDS)))
}

/// Splits at each `separator` outside of quoted strings.
pub(crate) fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character: char| {
        let in_quotes = quoted;
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        character == separator && !in_quotes
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn parse(values: &[&str]) -> Preferences {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PREFER, HeaderValue::from_str(value).unwrap());
        }
        Preferences::parse(&headers)
    }

    #[test]
    fn r8030_6_h_lists_parameters_and_case() {
        let zero = Some(Duration::ZERO);
        for value in
            ["wait=0", "foo; x, wait=0", "Wait = \"0\"", "foo=\"a,b;wait=9\", wait=0; y=1", "wait=0,wait=7"]
        {
            assert_eq!(parse(&[value]).wait, zero, "{value}");
        }
        assert_eq!(parse(&["foo", "wait=10"]).wait, Some(Duration::from_secs(10)));
        assert_eq!(parse(&["wait=99999999999999999999999"]).wait, Some(Duration::from_secs(WAIT_SECONDS)));
        for none in ["", "wait", "wait=", "wait=-1", "wait=1.5", "xwait=0", "foo; wait=0"] {
            assert_eq!(parse(&[none]).wait, None, "{none}");
        }
        assert!(parse(&["wait=5, Respond-Async"]).respond_async);
        assert!(!parse(&["respond-asynchronously"]).respond_async);
    }

    proptest! {
        #[test]
        fn any_value_is_parsed_without_panic(value in "[ -~\\t]*") {
            let _ = parse(&[&value]);
        }
    }
}
