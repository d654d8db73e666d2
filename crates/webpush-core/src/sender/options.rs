//! Subscription options, which restrict a subscription to one sender (RFC 8292 §4.1).

use super::token::object;
use super::{Curve, SenderKeyError, parse_key};
use crate::problem::Problem;
use crate::subscription::SenderKey;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;

/// The media type of the options (RFC 8292 §4.1).
const MEDIA_TYPE: &[u8] = b"application/webpush-options+json";

/// The supported options. Others are ignored.
#[derive(Deserialize)]
struct Options {
    vapid: Option<Value>,
}

/// Parses the sender to which a new subscription is restricted.
///
/// Returns `None` if it is not restricted. Bodies of other media types are ignored.
///
/// # Errors
/// [`Problem::OptionsMalformed`]: a subscription must not become unrestricted because of a mistake.
pub fn parse_restriction(
    headers: &HeaderMap,
    body: &[u8],
    curve: &impl Curve,
) -> Result<Option<SenderKey>, Problem> {
    let malformed = |detail| Problem::OptionsMalformed { detail };
    if !headers.get_all(CONTENT_TYPE).iter().any(|value| is_options(value.as_bytes())) {
        return Ok(None);
    }
    let options: Options =
        object(body).ok_or_else(|| malformed("They are not a JSON object with unique names"))?;
    match options.vapid {
        None => Ok(None),
        Some(Value::String(text)) => parse_key(&text, curve).map(Some).map_err(|error| {
            malformed(match error {
                SenderKeyError::Encoding => "Their vapid member is not base64url",
                SenderKeyError::Length => {
                    "Their vapid member is not 65 bytes, the length of an uncompressed P-256 point"
                }
                SenderKeyError::Form => "Their vapid member is not an uncompressed P-256 point",
                SenderKeyError::OffCurve => "Their vapid member is a point that is not on P-256",
            })
        }),
        Some(_) => Err(malformed("Their vapid member is not a string")),
    }
}

/// Returns true for the media type of the options, with or without parameters.
fn is_options(content_type: &[u8]) -> bool {
    // A list is invalid, but if it contains the type the subscription must not become unrestricted.
    content_type.split(|byte| *byte == b',').any(|media_type| {
        let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sender::testing::{Fake, OFF_CURVE, key, key_text};
    use http::HeaderValue;
    use proptest::prelude::*;

    const OPTIONS: &str = "application/webpush-options+json";

    fn read(content_type: &'static str, body: &str) -> Result<Option<SenderKey>, Problem> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        parse_restriction(&headers, body.as_bytes(), &Fake)
    }

    #[test]
    fn r8292_4_1_a_the_right_type_with_a_key_restricts() {
        let body = format!(r#" {{"vapid":"{}"}} "#, key_text(3));
        for right in [OPTIONS, "Application/WebPush-Options+JSON ; charset=utf-8"] {
            assert_eq!(read(right, &body), Ok(Some(key(3))), "{right}");
        }
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
        headers.append(CONTENT_TYPE, HeaderValue::from_static(OPTIONS));
        assert_eq!(parse_restriction(&headers, body.as_bytes(), &Fake), Ok(Some(key(3))));
    }

    #[test]
    fn r8292_4_1_b_other_types_are_ignored() {
        let body = format!(r#"{{"vapid":"{}"}}"#, key_text(3));
        for (other, body) in
            [("application/json", &*body), ("application/webpush-options", &body), ("text/plain", "{")]
        {
            assert_eq!(read(other, body), Ok(None), "{other}");
        }
        assert_eq!(parse_restriction(&HeaderMap::new(), body.as_bytes(), &Fake), Ok(None));
    }

    #[test]
    fn r8292_4_1_c_unknown_members_are_ignored_and_vapid_may_be_absent() {
        let body = format!(r#"{{"x":{{"vapid":1}},"vapid":"{}","y":null}}"#, key_text(3));
        assert_eq!(read(OPTIONS, &body), Ok(Some(key(3))));
        for none in ["{}", r#"{"vapid":null}"#, r#"{"VAPID":1}"#] {
            assert_eq!(read(OPTIONS, none), Ok(None), "{none}");
        }
    }

    #[test]
    fn r8292_4_1_d_never_silently_unrestricted() {
        for list in [
            "application/webpush-options+json, text/plain",
            "text/plain , application/webpush-options+json;q=1",
        ] {
            assert!(read(list, "{").is_err(), "{list}");
        }
        let good = key_text(3);
        for wrong in [
            String::new(),
            "{".to_owned(),
            "null".to_owned(),
            "[]".to_owned(),
            format!(r#"["{good}"]"#),
            format!(r#""{good}""#),
            r#"{"vapid":""}"#.to_owned(),
            r#"{"vapid":1}"#.to_owned(),
            format!(r#"{{"vapid":["{good}"]}}"#),
            format!(r#"{{"vapid":"{}"}}"#, &good[..80]),
            format!(r#"{{"vapid":"{}"}}"#, key_text(OFF_CURVE)),
            format!(r#"{{"vapid":"{good}","vapid":null}}"#),
            format!(r#"{{"vapid":"{good}"}} x"#),
        ] {
            assert!(matches!(read(OPTIONS, &wrong), Err(Problem::OptionsMalformed { .. })), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_parsed_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(OPTIONS))]);
            let _ = parse_restriction(&headers, &body, &Fake);
        }
    }
}
