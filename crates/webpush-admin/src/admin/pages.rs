//! The files of the dashboard, which are compiled into the program.
//!
//! They contain no data and load nothing from elsewhere, so they need no token; the API behind them may.

use bytes::Bytes;
use http::Response;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use webpush_http::answer::Answer;

/// Allows only files and requests of this listener; forbids inline code and framing.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
     worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the dashboard.
pub(super) struct Asset {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

macro_rules! file {
    ($path:literal, $name:literal, $media_type:expr) => {
        Asset { path: $path, media_type: $media_type, text: include_str!(concat!("dashboard/", $name)) }
    };
}

const ASSETS: &[Asset] = &[
    file!("/", "index.html", HTML),
    file!("/dashboard/style.css", "style.css", CSS),
    file!("/dashboard/icon.svg", "icon.svg", SVG),
    // For tabs that show something else of this listener, such as /metrics.
    file!("/favicon.ico", "icon.svg", SVG),
    file!("/dashboard/main.js", "main.js", SCRIPT),
    file!("/dashboard/largest.js", "largest.js", SCRIPT),
    file!("/dashboard/ask.js", "ask.js", SCRIPT),
    file!("/dashboard/format.js", "format.js", SCRIPT),
    file!("/dashboard/plot.js", "plot.js", SCRIPT),
    file!("/dashboard/series.js", "series.js", SCRIPT),
    file!("/dashboard/tables.js", "tables.js", SCRIPT),
    file!("/dashboard/try.js", "try.js", SCRIPT),
    file!("/dashboard/browser.js", "browser.js", SCRIPT),
    file!("/dashboard/worker.js", "worker.js", SCRIPT),
];

/// Returns the file at a path.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    pub(super) fn answer(&self) -> Answer {
        let mut answer = Response::new(Bytes::from_static(self.text.as_bytes()));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(OPENER_POLICY, SAME_ORIGIN);
        headers.insert(RESOURCE_POLICY, SAME_ORIGIN);
        answer
    }
}
