//! Parses push requests. The fields of a [`PublishRequest`] are valid and need no further checks.

use crate::encoding::Encoding;
use crate::header::{Link, Preferences, Single, links, single};
use crate::problem::Problem;
use crate::topic::Topic;
use crate::urgency::Urgency;
use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderName;
use std::time::Duration;

/// The value of a TTL that overflows (RFC 8030 §5.2, as RFC 9111 §1.2.2).
const TTL_OVERFLOW_SECONDS: u64 = 1 << 31;

const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const TOPIC: HeaderName = HeaderName::from_static("topic");

/// The link relation of a receipt subscription (RFC 8030 §5.1).
pub(crate) const RECEIPT_REL: &str = "urn:ietf:params:push:receipt";

/// A request to a push resource.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    /// The requested TTL. Zero: deliver immediately or discard.
    pub ttl: Duration,
    /// The urgency.
    pub urgency: Urgency,
    /// The topic.
    pub topic: Option<Topic>,
    /// The headers that the agent needs to read the body.
    pub encoding: Encoding,
    /// True if the sender requests a receipt (`Prefer: respond-async`).
    pub wants_receipt: bool,
    /// The receipt subscription in `Link`; always `None` without `wants_receipt`.
    pub receipt_subscription: Option<Link>,
    /// The body.
    pub body: Bytes,
}

impl PublishRequest {
    /// Parses the headers of a request.
    ///
    /// # Errors
    /// [`Problem`] for the first header that does not follow RFC 8030 §5.2 to §5.4, or is too long.
    pub fn parse(headers: &HeaderMap, body: Bytes) -> Result<Self, Problem> {
        Self::parse_or(headers, body, None)
    }

    /// Parses the headers of a request, with a default for a missing TTL.
    ///
    /// # Errors
    /// See [`PublishRequest::parse`].
    pub fn parse_or(
        headers: &HeaderMap,
        body: Bytes,
        default_ttl: Option<Duration>,
    ) -> Result<Self, Problem> {
        let preferences = Preferences::parse(headers);
        let links = if preferences.respond_async { links(headers)? } else { Vec::new() };
        Ok(Self {
            ttl: ttl(headers, default_ttl)?,
            urgency: urgency(headers)?.unwrap_or_default(),
            topic: topic(headers)?,
            encoding: Encoding::parse(headers)?,
            wants_receipt: preferences.respond_async,
            receipt_subscription: links.into_iter().find(|link| link.has_rel(RECEIPT_REL)),
            body,
        })
    }
}

/// RFC 8030 §5.2: `TTL = 1*DIGIT`, in seconds. Overflow yields 2^31.
fn ttl(headers: &HeaderMap, default: Option<Duration>) -> Result<Duration, Problem> {
    let digits = match single(headers, &TTL) {
        Single::Absent => return default.ok_or(Problem::TtlMissing),
        Single::Value(value) if is_number(value) => value,
        Single::Value(value) => {
            let negative = value.strip_prefix(b"-").is_some_and(is_number);
            return Err(Problem::TtlMalformed { negative });
        }
        Single::Repeated => return Err(Problem::TtlMalformed { negative: false }),
    };
    let mut seconds = 0_u64;
    for digit in digits {
        seconds = (seconds * 10 + u64::from(digit - b'0')).min(TTL_OVERFLOW_SECONDS);
    }
    Ok(Duration::from_secs(seconds))
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// RFC 8030 §5.3: the urgency of a message, or the minimum urgency of a monitoring request.
pub(crate) fn urgency(headers: &HeaderMap) -> Result<Option<Urgency>, Problem> {
    match single(headers, &URGENCY) {
        Single::Absent => Ok(None),
        Single::Value(value) => Urgency::parse(value).map(Some).ok_or(Problem::UrgencyMalformed),
        Single::Repeated => Err(Problem::UrgencyMalformed),
    }
}

/// RFC 8030 §5.4.
fn topic(headers: &HeaderMap) -> Result<Option<Topic>, Problem> {
    match single(headers, &TOPIC) {
        Single::Absent => Ok(None),
        Single::Value(value) => Topic::parse(value).map(Some).ok_or(Problem::TopicMalformed),
        Single::Repeated => Err(Problem::TopicMalformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn parse(list: &[(&'static str, &str)]) -> Result<PublishRequest, Problem> {
        PublishRequest::parse(&headers(list), Bytes::new())
    }

    #[test]
    fn r8030_5_2_a_ttl_is_needed_and_digits_only() {
        assert_eq!(parse(&[]).unwrap_err(), Problem::TtlMissing);
        let malformed = |negative| Problem::TtlMalformed { negative };
        for wrong in ["", "-", "1.5", "-1.5", "+1", "1 2", "1,2", "ten", "-ten", "0x10", "1s"] {
            assert_eq!(parse(&[("ttl", wrong)]).unwrap_err(), malformed(false), "{wrong}");
        }
        for negative in ["-1", "-99999999999999999999"] {
            assert_eq!(parse(&[("ttl", negative)]).unwrap_err(), malformed(true), "{negative}");
        }
        assert_eq!(parse(&[("ttl", "1"), ("ttl", "1")]).unwrap_err(), malformed(false));
        assert_eq!(parse(&[("ttl", " 007 ")]).unwrap().ttl, Duration::from_secs(7));
    }

    #[test]
    fn d1_send_d_where_a_ttl_may_be_left_out_one_that_is_there_still_counts() {
        let day = Duration::from_secs(86_400);
        let parse = |list: &[_]| PublishRequest::parse_or(&headers(list), Bytes::new(), Some(day));
        assert_eq!(parse(&[]).unwrap().ttl, day);
        assert_eq!(parse(&[("ttl", "7")]).unwrap().ttl, Duration::from_secs(7));
        assert_eq!(parse(&[("ttl", "-7")]).unwrap_err(), Problem::TtlMalformed { negative: true });
    }

    #[test]
    fn r8030_5_2_b_a_huge_ttl_is_2_to_the_31() {
        for (given, seconds) in [
            ("2147483647", 2_147_483_647),
            ("2147483648", 2_147_483_648),
            ("2147483649", 2_147_483_648),
            ("99999999999999999999999999999999", 2_147_483_648),
        ] {
            assert_eq!(parse(&[("ttl", given)]).unwrap().ttl, Duration::from_secs(seconds));
        }
    }

    #[test]
    fn r8030_5_3_a_urgency_is_one_of_four() {
        assert_eq!(parse(&[("ttl", "1")]).unwrap().urgency, Urgency::Normal);
        for urgency in Urgency::ALL {
            let request = parse(&[("ttl", "1"), ("urgency", urgency.as_str())]).unwrap();
            assert_eq!(request.urgency, urgency);
        }
        for wrong in ["", "urgent", "low, high", "very low"] {
            assert_eq!(parse(&[("ttl", "1"), ("urgency", wrong)]).unwrap_err(), Problem::UrgencyMalformed);
        }
        let twice = [("ttl", "1"), ("urgency", "low"), ("urgency", "low")];
        assert_eq!(parse(&twice).unwrap_err(), Problem::UrgencyMalformed);
    }

    #[test]
    fn r8030_5_4_a_topic_is_one_word() {
        assert!(parse(&[("ttl", "1"), ("topic", "upd")]).unwrap().topic.is_some());
        for wrong in ["", "a,b", "a b", "ä"] {
            assert_eq!(parse(&[("ttl", "1"), ("topic", wrong)]).unwrap_err(), Problem::TopicMalformed);
        }
        let twice = [("ttl", "1"), ("topic", "a"), ("topic", "a")];
        assert_eq!(parse(&twice).unwrap_err(), Problem::TopicMalformed);
    }

    #[test]
    fn r8030_5_1_f_a_receipt_link_alone_asks_for_nothing() {
        let link = "</receipt-subscription/x>; rel=\"urn:ietf:params:push:receipt\"";
        let request = parse(&[("ttl", "1"), ("link", link)]).unwrap();
        assert!(!request.wants_receipt && request.receipt_subscription.is_none());
        let request = parse(&[("ttl", "1"), ("link", link), ("prefer", "respond-async")]).unwrap();
        assert!(request.wants_receipt && request.receipt_subscription.is_some());
    }

    proptest! {
        #[test]
        fn any_headers_are_parsed_or_refused(
            list in prop::collection::vec(
                (
                    prop::sample::select(vec![
                        "ttl", "urgency", "topic", "prefer", "link", "content-type", "content-encoding",
                        "encryption", "crypto-key", "authorization",
                    ]),
                    prop::collection::vec(any::<u8>(), 0..80),
                ),
                0..12,
            ),
            body in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in list {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.append(name, value);
                }
            }
            if let Ok(request) = PublishRequest::parse(&headers, body.clone().into()) {
                prop_assert_eq!(&request.body[..], &body[..]);
                prop_assert!(request.ttl.as_secs() <= TTL_OVERFLOW_SECONDS);
            }
        }
    }
}
