//! What an attempt tells, line by line.

use super::error::SelfTestError;
use crate::admin::messages::millis;
use crate::admin::reply::{Content, Reply};
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use webpush_service::service::Service;
use webpush_store::StoreError;

/// More steps than an attempt has, so that nobody waits for whoever reads them.
const STEPS: usize = 64;

/// Lines as they come; the store has no part in them.
pub(super) type Lines = mpsc::Receiver<Result<Bytes, StoreError>>;

/// Where steps are told. Times are in milliseconds since the attempt began.
pub(super) struct Told {
    service: Arc<Service>,
    began: Duration,
    lines: mpsc::Sender<Result<Bytes, StoreError>>,
}

/// The two ends of what is told.
pub(super) fn channel(service: Arc<Service>) -> (Told, Lines) {
    let (lines, told) = mpsc::channel(STEPS);
    let began = service.traces.now();
    (Told { service, began, lines }, told)
}

/// The response whose body they are.
pub(super) fn answer(lines: Lines) -> Reply {
    let mut answer = Response::new(Content::Pieces(lines));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    answer
}

impl Told {
    /// Somebody did something just now.
    pub(super) async fn step(&self, who: &str, step: &str, detail: impl Into<Value>) {
        self.step_at(who, step, self.service.traces.now(), detail).await;
    }

    /// It was at that time, as times of a trace are written.
    pub(super) async fn step_at(&self, who: &str, step: &str, at: Duration, detail: impl Into<Value>) {
        let ms = millis(at.saturating_sub(self.began));
        self.line(json!({"who": who, "step": step, "ms": ms, "detail": detail.into()})).await;
    }

    /// It is over.
    pub(super) async fn end(&self, ended: Result<(), SelfTestError>) {
        let ms = millis(self.service.traces.now().saturating_sub(self.began));
        let error = ended.err().map(|error| error.sentence());
        self.line(json!({"end": true, "ok": error.is_none(), "ms": ms, "error": error})).await;
    }

    /// Whoever has gone away meanwhile is not told.
    async fn line(&self, line: Value) {
        let _ = self.lines.send(Ok(Bytes::from(format!("{line}\n")))).await;
    }
}
