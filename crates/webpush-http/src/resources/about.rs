//! The front page, as text for programs and as a page for browsers.

use crate::answer::{Answer, with};
use crate::resources::errors_page::{PAGE_HEADERS, escaped};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, VARY};
use http::{HeaderMap, Response};
use webpush_service::service::Service;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the front page.
pub(crate) fn front(service: &Service, headers: &HeaderMap) -> Answer {
    let (origin, token) = (&service.origin, service.subscribe_tokens.load().example_prefix());
    let mut answer = if wants_page(headers) {
        with(Response::new(Bytes::from(page(origin, token, service.base_path()))), PAGE_HEADERS)
    } else {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        with(Response::new(Bytes::from(text_page(origin, token))), [(CONTENT_TYPE, text)])
    };
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    answer
}

/// Returns true for a browser, which asks for HTML by name.
fn wants_page(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.split(',').any(|range| range.trim().starts_with("text/html")))
}

fn text_page(origin: &str, token: &str) -> String {
    format!(
        "webpush-server {VERSION}: a Web Push service (RFC 8030).\n\n\
         Subscribe and listen:  webpush-server listen {origin}{token}\n\
         Subscribe by hand:     POST {origin}{token}/subscribe\n\
         Errors explained:      {origin}/errors\n"
    )
}

fn page(origin: &str, token: &str, base_path: &str) -> String {
    let base = escaped(&format!("{origin}{token}"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Web Push service</title>\n<style>\n\
         :root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }}\n\
         main {{ max-width: 45rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word }}\n\
         </style>\n</head>\n<body>\n<main>\n<h1>Web Push service</h1>\n\
         <p>webpush-server {VERSION} delivers push notifications (RFC 8030) to browsers and apps. There is nothing to \
         do here by hand: the address of this page goes into the settings of a browser or app.</p>\n\
         <dl>\n<dt>Subscribe and listen</dt><dd><code>webpush-server listen {base}</code></dd>\n\
         <dt>Subscribe by hand</dt><dd><code>POST {base}/subscribe</code></dd>\n\
         <dt>Errors</dt><dd><a href=\"{base_path}/errors\">explained</a></dd>\n</dl>\n</main>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))])
    }

    /// E9: browsers got plain text at `/`.
    #[test]
    fn browsers_get_a_page_and_programs_text() {
        assert!(wants_page(&accepting("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(wants_page(&accepting("application/json, text/html;q=0.9")));
        assert!(!wants_page(&accepting("*/*")) && !wants_page(&HeaderMap::new()));
        let page = page("https://push.example", "/t/TOKEN", "");
        assert!(page.contains("POST https://push.example/t/TOKEN/subscribe") && page.ends_with("</html>\n"));
        assert!(text_page("https://push.example", "").contains("https://push.example/errors"));
    }
}
