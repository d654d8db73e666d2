//! Headers that may be there once (`TTL`, `Urgency`, `Topic`).

use http::HeaderMap;
use http::header::HeaderName;

/// How often a header is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Single<'a> {
    /// Not at all.
    Absent,
    /// Once, with this value, without the white space around it.
    Value(&'a [u8]),
    /// More than once: no value can be told from it.
    Repeated,
}

/// Reads a header that may be there once.
#[must_use]
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Single<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Single::Absent,
        (Some(value), None) => Single::Value(value.as_bytes().trim_ascii()),
        (Some(_), Some(_)) => Single::Repeated,
    }
}
