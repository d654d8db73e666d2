//! The page that explains every error. Error responses link to it.

use crate::answer::{Answer, with};
use crate::problem::{CatalogueEntry, ErrorStyle, entries};
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>Errors of this Web Push service</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 45rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word }
section { padding: 0 0.75rem; border-left: 0.25rem solid transparent }
section:target { border-color: currentcolor }
</style>
</head>
<body>
<main>
<h1>Errors of this Web Push service</h1>
<p>The <code>type</code> of an error names one of these. Numbers and names in the sentences are examples.
<code>errno</code> is the number that autopush has for it.</p>
";

const FOOT: &str = "</main>\n</body>\n</html>\n";

/// Headers of a page for people. It has no scripts and fetches nothing.
pub(crate) const PAGE_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// Renders the page.
pub(crate) fn render(style: &ErrorStyle) -> Bytes {
    let mut body = HEAD.to_owned();
    for entry in entries(style.vapid_status) {
        body.push_str(&section(&entry));
    }
    body.push_str(FOOT);
    body.into()
}

/// Returns the response with the page.
pub(crate) fn answer(page: &Bytes) -> Answer {
    with(Response::new(page.clone()), PAGE_HEADERS)
}

fn section(entry: &CatalogueEntry) -> String {
    let CatalogueEntry { name, title, status, errnos, detail } = entry;
    let errnos: Vec<_> = errnos
        .iter()
        .map(|errno| errno.map_or_else(|| "none".to_owned(), |errno| errno.to_string()))
        .collect();
    format!(
        "<section id=\"{name}\">\n<h2>{title}</h2>\n<p><a href=\"#{name}\"><code>{name}</code></a>, \
         status {status}, errno {errnos}</p>\n<p>{detail}</p>\n</section>\n",
        title = escaped(title),
        errnos = errnos.join(" or "),
        detail = escaped(detail),
    )
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::VapidErrorStatus;

    fn text(vapid_status: VapidErrorStatus) -> String {
        let style = ErrorStyle {
            origin: "https://push.example".to_owned(),
            vapid_status,
            refusals: Default::default(),
        };
        String::from_utf8(render(&style).to_vec()).unwrap()
    }

    #[test]
    fn every_name_is_an_anchor_once() {
        let page = text(VapidErrorStatus::Rfc);
        let entries = entries(VapidErrorStatus::Rfc);
        for CatalogueEntry { name, .. } in &entries {
            assert_eq!(page.matches(&format!(" id=\"{name}\"")).count(), 1, "{name}");
        }
        assert_eq!(page.matches(" id=").count(), entries.len());
        assert!(page.contains("<code>ttl-malformed</code></a>, status 400 Bad Request, errno 111 or 114<"));
        assert!(page.contains("<code>urgency-malformed</code></a>, status 400 Bad Request, errno none<"));
    }

    #[test]
    fn the_page_shows_the_configured_status() {
        let of_vapid = |status| format!("<code>vapid-invalid</code></a>, status {status}, errno 109<");
        assert!(text(VapidErrorStatus::Rfc).contains(&of_vapid("403 Forbidden")));
        assert!(text(VapidErrorStatus::Autopush).contains(&of_vapid("401 Unauthorized")));
    }

    #[test]
    fn the_page_is_escaped_and_fetches_nothing() {
        assert_eq!(escaped("<a href=\"x\">&amp;"), "&lt;a href=&quot;x&quot;&gt;&amp;amp;");
        let page = text(VapidErrorStatus::Rfc);
        assert!(page.contains("expected &quot;https://push.example&quot;"), "{page}");
        for fetching in ["src=", "<link", "<script", "url(", "@import"] {
            assert!(!page.contains(fetching), "{fetching}");
        }
    }
}
