//! Responses of the resources.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use webpush_service::error::ServiceError;

/// A complete response.
pub type Answer = Response<Bytes>;

/// Returns a response without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

/// Adds headers to a response.
pub(crate) fn with(
    mut answer: Answer,
    headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> Answer {
    for (name, value) in headers {
        answer.headers_mut().append(name, value);
    }
    answer
}

/// Forbids caching of a response that has capability URLs.
pub fn no_store<B>(answer: &mut Response<B>) {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Returns a header value that consists of our own URLs and numbers.
pub(crate) fn value(text: String) -> Result<HeaderValue, ServiceError> {
    Ok(HeaderValue::try_from(text)?)
}
