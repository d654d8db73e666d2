//! Headers that may occur once (`TTL`, `Urgency`, `Topic`).

use http::HeaderMap;
use http::header::HeaderName;

/// A header that may occur once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Single<'a> {
    /// The header is missing.
    Absent,
    /// The value, without surrounding whitespace.
    Value(&'a [u8]),
    /// The header occurs more than once, so its value is ambiguous.
    Repeated,
}

/// Returns the value of a header that may occur once.
#[must_use]
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Single<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Single::Absent,
        (Some(value), None) => Single::Value(value.as_bytes().trim_ascii()),
        (Some(_), Some(_)) => Single::Repeated,
    }
}
