//! Requests and responses as a report shows them.

use bytes::Bytes;
use http::{HeaderMap, Method};
use std::fmt::Write as _;
use webpush_client::connection::FullResponse;
use webpush_client::url::CapabilityUrl;
use webpush_core::header::links;

/// Maximum length of a body in a report.
const SHOWN_BODY_BYTES: usize = 300;

/// A response, and the exchange as text.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The status code.
    pub(crate) status: u16,
    /// The header fields.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
    /// The URL of the request, against which references resolve.
    pub(crate) url: CapabilityUrl,
    /// Request and response.
    pub(crate) transcript: String,
}

impl Exchange {
    /// Combines a request, as text, with its response.
    pub(crate) fn new(request: String, url: &CapabilityUrl, response: FullResponse) -> Self {
        let FullResponse { status, headers, body } = response;
        let mut transcript = request;
        let _ = write!(transcript, "\n\n{}", status.as_u16());
        fields(&mut transcript, &headers);
        show_body(&mut transcript, &body);
        Self { status: status.as_u16(), headers, body, url: url.clone(), transcript }
    }

    /// Returns true for 2xx.
    pub(crate) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Returns the value of a field, if there is one and it is text.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.headers, name)
    }

    /// Returns the URL in `Location`.
    pub(crate) fn location(&self) -> Option<CapabilityUrl> {
        self.url.join(self.field("location")?).ok()
    }

    /// Returns the targets of the links with this relation.
    pub(crate) fn links(&self, rel: &str) -> Vec<CapabilityUrl> {
        targets(&self.headers, &self.url, rel)
    }
}

/// Returns the targets of the links with this relation, resolved against a URL.
pub(crate) fn targets(headers: &HeaderMap, base: &CapabilityUrl, rel: &str) -> Vec<CapabilityUrl> {
    let all = links(headers).unwrap_or_default();
    all.iter().filter(|link| link.has_rel(rel)).filter_map(|link| base.join(&link.target).ok()).collect()
}

/// Returns the value of a field, if there is one and it is text.
pub(crate) fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Returns a request as text.
pub(crate) fn request_text(method: &Method, url: &CapabilityUrl, headers: &HeaderMap, body: &[u8]) -> String {
    let mut text = format!("{method} {}", url.expose());
    fields(&mut text, headers);
    show_body(&mut text, body);
    text
}

fn fields(text: &mut String, headers: &HeaderMap) {
    for (name, value) in headers {
        let _ = write!(text, "\n{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
}

fn show_body(text: &mut String, body: &[u8]) {
    match std::str::from_utf8(body) {
        Ok("") => {}
        Ok(body) if body.len() <= SHOWN_BODY_BYTES => {
            let _ = write!(text, "\n\n{body}");
        }
        _ => {
            let _ = write!(text, "\n\n({} bytes)", body.len());
        }
    }
}
