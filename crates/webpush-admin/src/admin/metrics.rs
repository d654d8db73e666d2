//! Serves `/metrics` as OpenMetrics text, or in the classic format to clients that prefer it.

mod classic;

use super::Admin;
use super::error::AdminError;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, VARY};
use http::{HeaderMap, Response};
use std::sync::Arc;
use tokio::task::spawn_blocking;
use webpush_http::answer::Answer;
use webpush_service::metrics::report;

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

const CLASSIC: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Returns all metrics. Some are read from the file system, hence the blocking thread.
pub(super) async fn show(admin: &Admin, headers: &HeaderMap) -> Result<Answer, AdminError> {
    let is_ready = admin.service.check_readiness().await.is_ok();
    let service = Arc::clone(&admin.service);
    let report = spawn_blocking(move || report::open_metrics(service, is_ready)).await;
    let Ok(Ok(text)) = report else { return Err(AdminError::Internal) };
    let (text, content_type) = match classic::is_preferred(headers) {
        true => (classic::from_open_metrics(&text), CLASSIC),
        false => (text, OPEN_METRICS),
    };
    let mut answer = Response::new(Bytes::from(text));
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(answer)
}
