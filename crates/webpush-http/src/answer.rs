//! Responses as the resources make them.

use crate::problem::Failure;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{Response, StatusCode};

/// A whole response.
pub type Answer = Response<Bytes>;

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

/// Adds headers to an answer.
pub(crate) fn with(
    mut answer: Answer,
    headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> Answer {
    for (name, value) in headers {
        answer.headers_mut().append(name, value);
    }
    answer
}

/// Marks a response that holds capability URLs: no cache may keep those.
pub fn no_store<B>(answer: &mut Response<B>) {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// A header value made of our own URLs and numbers.
pub(crate) fn value(text: String) -> Result<HeaderValue, Failure> {
    Ok(HeaderValue::try_from(text)?)
}
