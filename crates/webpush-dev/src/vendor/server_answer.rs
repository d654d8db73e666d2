//! Reads the error responses of our server.

use http::StatusCode;
use serde::Deserialize;
use webpush_http::answer::Answer;

/// The problem document of a response (RFC 9457), with the members of autopush-rs.
#[derive(Default, Deserialize)]
struct Document {
    #[serde(default)]
    r#type: String,
    errno: Option<u16>,
    #[serde(default)]
    detail: String,
}

/// A response of our server that is not a success.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// The name of the problem, such as `ttl-missing`; empty if unknown.
    pub(super) problem: String,
    /// The error number of autopush-rs.
    pub(super) errno: Option<u16>,
    /// A sentence for people.
    pub(super) detail: String,
}

impl Refusal {
    /// Reads a response. One that is not a problem document has only its status.
    pub(super) fn from_answer(answer: &Answer) -> Self {
        let document: Document = serde_json::from_slice(answer.body()).unwrap_or_default();
        let problem = document.r#type.rsplit_once('#').map(|(_, name)| name.to_owned()).unwrap_or_default();
        let detail = if document.detail.is_empty() { reason(answer.status()) } else { document.detail };
        Self { status: answer.status(), problem, errno: document.errno, detail }
    }
}

/// Returns the standard phrase of a status.
pub(super) fn reason(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("Error").to_owned()
}
