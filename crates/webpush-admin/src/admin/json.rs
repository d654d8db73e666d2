//! Answers in JSON.

use super::refusal::Refusal;
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use webpush_http::answer::Answer;

/// What programs and the page read.
pub(super) fn json_answer(value: &Value) -> Result<Answer, Refusal> {
    let json = serde_json::to_vec(value).map_err(|_| Refusal::Failed)?;
    let mut answer = Response::new(Bytes::from(json));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}
