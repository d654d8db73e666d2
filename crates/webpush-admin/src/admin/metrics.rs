//! Serves `/metrics` as OpenMetrics text.

use super::Admin;
use super::error::AdminError;
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use std::sync::Arc;
use tokio::task::spawn_blocking;
use webpush_http::answer::Answer;
use webpush_service::metrics::report;

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Returns all metrics. Some are read from the file system, hence the blocking thread.
pub(super) async fn show(admin: &Admin) -> Result<Answer, AdminError> {
    let is_ready = admin.service.check_readiness().await.is_ok();
    let service = Arc::clone(&admin.service);
    let report = spawn_blocking(move || report::open_metrics(service, is_ready)).await;
    let Ok(Ok(text)) = report else { return Err(AdminError::Internal) };
    let mut answer = Response::new(Bytes::from(text));
    answer.headers_mut().insert(CONTENT_TYPE, OPEN_METRICS);
    Ok(answer)
}
