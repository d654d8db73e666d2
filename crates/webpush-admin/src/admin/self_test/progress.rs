//! Reports the steps of a self-test as lines of JSON.

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

/// Capacity of the channel: more than the steps of a self-test, so that slow clients do not delay it.
const STEPS: usize = 64;

/// The lines of a response, which are never errors.
pub(super) type Lines = mpsc::Receiver<Result<Bytes, StoreError>>;

/// Sends steps to the client, with times in milliseconds since the start.
pub(super) struct StepReporter {
    service: Arc<Service>,
    started: Duration,
    lines: mpsc::Sender<Result<Bytes, StoreError>>,
}

pub(super) fn channel(service: Arc<Service>) -> (StepReporter, Lines) {
    let (sender, receiver) = mpsc::channel(STEPS);
    let started = service.traces.now();
    (StepReporter { service, started, lines: sender }, receiver)
}

/// Returns a response whose body is the lines.
pub(super) fn answer(lines: Lines) -> Reply {
    let mut answer = Response::new(Content::Pieces(lines));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    answer
}

impl StepReporter {
    /// Reports a step that just happened.
    pub(super) async fn step(&self, who: &str, step: &str, detail: impl Into<Value>) {
        self.step_at(who, step, self.service.traces.now(), detail).await;
    }

    /// Reports a step that happened at a time of the trace clock.
    pub(super) async fn step_at(&self, who: &str, step: &str, at: Duration, detail: impl Into<Value>) {
        let ms = millis(at.saturating_sub(self.started));
        self.line(json!({"who": who, "step": step, "ms": ms, "detail": detail.into()})).await;
    }

    /// Reports the result.
    pub(super) async fn end(&self, result: Result<(), SelfTestError>) {
        let ms = millis(self.service.traces.now().saturating_sub(self.started));
        let error = result.err().map(|error| error.sentence());
        self.line(json!({"end": true, "ok": error.is_none(), "ms": ms, "error": error})).await;
    }

    async fn line(&self, line: Value) {
        // The client may have disconnected.
        let _ = self.lines.send(Ok(Bytes::from(format!("{line}\n")))).await;
    }
}
