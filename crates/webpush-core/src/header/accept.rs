//! `Accept` (RFC 9110 §12.5.1): a list of media ranges with optional parameters and weight.

use super::split_unquoted;
use http::HeaderMap;
use http::header::ACCEPT;

/// Returns true if a request explicitly accepts a media type.
///
/// Wildcards do not count: most clients send `*/*` by default.
#[must_use]
pub fn accepts_explicitly(headers: &HeaderMap, media_type: &str) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| split_unquoted(value, ',')).any(|range| {
        let mut parts = split_unquoted(range, ';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
        named && !parts.any(is_weight_of_zero)
    })
}

/// Returns true for `q=0` to `q=0.000`, which means "not acceptable" (RFC 9110 §12.4.2).
fn is_weight_of_zero(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    name.eq_ignore_ascii_case("q") && whole == "0" && decimals.bytes().all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn accepts(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        accepts_explicitly(&headers, "text/event-stream")
    }

    #[test]
    fn r9110_12_5_1_a_named_type_counts_unless_its_weight_is_zero() {
        for value in [
            "text/event-stream",
            "Text/Event-Stream",
            "text/html, text/event-stream;q=0.5",
            "text/event-stream ; q=0.001",
            "text/event-stream;charset=utf-8",
            "text/event-stream;Q=1.000, */*;q=0",
            "*/*, text/event-stream",
            "text/html;x=\"a;q=0, b\",text/event-stream",
        ] {
            assert!(accepts(&[value]), "{value}");
        }
        for value in [
            "",
            "*/*",
            "text/*",
            "text/event-stream;q=0",
            "text/event-stream; Q=0.000",
            "text/event-stream2",
            "application/x;a=\", text/event-stream\"",
        ] {
            assert!(!accepts(&[value]), "{value}");
        }
        assert!(accepts(&["text/html", "text/event-stream"]));
        assert!(!accepts(&[]));
    }

    proptest! {
        #[test]
        fn any_value_is_parsed_without_panic(value in "[ -~\\t]*") {
            let _ = accepts(&[&value]);
        }
    }
}
