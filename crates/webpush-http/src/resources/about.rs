//! The front page.

use crate::answer::Answer;
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use webpush_service::service::Service;

/// Returns the front page.
pub(crate) fn front(service: &Service) -> Answer {
    let (origin, token) = (&service.origin, service.subscribe_tokens.load().example_prefix());
    text(format!(
        "webpush-server {version}: a Web Push service (RFC 8030).\n\n\
         Subscribe and listen:  webpush-server listen {origin}{token}\n\
         Subscribe by hand:     POST {origin}{token}/subscribe\n\
         Errors explained:      {origin}/errors\n",
        version = env!("CARGO_PKG_VERSION"),
    ))
}

fn text(body: String) -> Answer {
    let mut answer = Response::new(Bytes::from(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
