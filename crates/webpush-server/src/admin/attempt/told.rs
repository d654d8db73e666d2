//! What an attempt tells, line by line.

use crate::admin::messages::millis;
use crate::client::error::ClientError;
use crate::service::Service;
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// More steps than an attempt has, so that nobody waits for whoever reads them.
const STEPS: usize = 64;

/// Lines as they come.
pub(in crate::admin) type Lines = StreamBody<Frames>;
type Frames = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;

/// Where steps are told. Times are in milliseconds since the attempt began.
pub(super) struct Told {
    service: Arc<Service>,
    began: Duration,
    lines: mpsc::Sender<Value>,
}

/// The two ends of what is told.
pub(super) fn channel(service: Arc<Service>) -> (Told, Lines) {
    let (lines, told) = mpsc::channel(STEPS);
    let began = service.traces.now();
    let frames = unfold(told, |mut told: mpsc::Receiver<Value>| async {
        let line = told.recv().await?;
        Some((Ok(Frame::data(Bytes::from(format!("{line}\n")))), told))
    });
    (Told { service, began, lines }, StreamBody::new(Box::pin(frames)))
}

/// The response whose body they are.
pub(in crate::admin) fn answer<B>(lines: Lines, body: impl FnOnce(Lines) -> B) -> Response<B> {
    let mut answer = Response::new(body(lines));
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
    pub(super) async fn end(&self, ended: Result<(), ClientError>) {
        let ms = millis(self.service.traces.now().saturating_sub(self.began));
        let error = ended.err().map(|error| error.sentence().to_owned());
        self.line(json!({"end": true, "ok": error.is_none(), "ms": ms, "error": error})).await;
    }

    /// Whoever has gone away meanwhile is not told.
    async fn line(&self, line: Value) {
        let _ = self.lines.send(line).await;
    }
}
