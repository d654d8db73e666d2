//! Spans that are exported to a collector.

use super::pending::Pending;
use crate::log_ids::LogIds;
use futures_util::future::Either;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::time::now;
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use webpush_core::header::{Single, single};
use webpush_core::id::MessageId;
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::subscription::Subscription;

/// Maximum time to export the last spans at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// Service name in traces.
pub const NAME: &str = "webpush-server";
/// The sender's trace (W3C Trace Context).
///
/// `tracestate` is ignored, because it may hold anything, and would be exported.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Records spans, if an exporter is configured.
#[derive(Clone)]
pub struct Spans(Option<Arc<Exporter>>);

struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    pending: Mutex<Pending<SpanContext>>,
}

/// The span of one request, if it is traced.
pub struct Span(Option<Context>);

impl Spans {
    /// Creates spans that are not recorded.
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// Creates spans that a provider records.
    #[must_use]
    pub fn new(provider: SdkTracerProvider) -> Self {
        let tracer = provider.tracer(NAME);
        Self(Some(Arc::new(Exporter { provider, tracer, pending: Mutex::default() })))
    }

    /// Starts the span of a request if `name` returns one, and its sender's trace is sampled.
    pub fn start(&self, head: &Parts, name: impl FnOnce() -> Option<&'static str>) -> Span {
        let Some(exporting) = &self.0 else { return Span(None) };
        let Some(name) = name() else { return Span(None) };
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Traceparent(&head.headers));
        let span = exporting
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_attributes([KeyValue::new("http.request.method", head.method.as_str().to_owned())])
            .start_with_context(&exporting.tracer, &parent);
        Span(span.is_recording().then(|| parent.with_span(span)))
    }

    /// Adds the protocol of the subscription to the current request's span.
    pub fn record_subscription(&self, subscription: &Subscription) {
        if self.0.is_some() {
            let protocol = KeyValue::new("webpush.protocol", subscription.protocol.kind().as_str());
            Context::map_current(|context| context.span().set_attribute(protocol));
        }
    }

    /// Adds a message to the current request's span, and prepares the span of its delivery.
    ///
    /// Call this before the message is stored, because it may be settled immediately afterwards.
    pub fn record_message(&self, message: &Draft, log_ids: &LogIds) {
        let Some(exporting) = &self.0 else { return };
        Context::map_current(|context| {
            let span = context.span();
            if !span.is_recording() {
                return;
            }
            let bytes = i64::try_from(message.body.len()).unwrap_or(i64::MAX);
            span.set_attribute(KeyValue::new("webpush.message.size", bytes));
            let attributes = vec![
                KeyValue::new("webpush.agent", log_ids.inbox(message.agent).to_string()),
                KeyValue::new("webpush.subscription", log_ids.subscription(message.subscription).to_string()),
                KeyValue::new("webpush.message", log_ids.message(message.id).to_string()),
            ];
            span.add_event("message", attributes);
            exporting.pending().insert(message.id, span.span_context().clone(), now());
        });
    }

    /// Records that a message was written to its agent's connection.
    pub fn record_written(&self, message: MessageId) {
        if let Some(exporting) = &self.0 {
            exporting.pending().set_written(message, now());
        }
    }

    /// Ends the span of a delivery.
    pub fn record_end(&self, message: MessageId, outcome: Outcome) {
        let Some(exporting) = &self.0 else { return };
        let Some(delivery) = exporting.pending().remove(message) else { return };
        let parent = Context::new().with_remote_span_context(delivery.span);
        let mut span = exporting
            .tracer
            .span_builder("deliver")
            .with_start_time(delivery.started)
            .with_attributes([KeyValue::new("webpush.outcome", outcome_name(outcome))])
            .start_with_context(&exporting.tracer, &parent);
        if let Some(written) = delivery.written {
            span.add_event_with_timestamp("written", written, Vec::new());
        }
        span.end();
    }

    /// Returns the maximum duration of [`Spans::close`].
    pub fn flush_timeout(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |_| FLUSH_TIMEOUT)
    }

    /// Exports the remaining spans.
    pub async fn close(&self) {
        let Some(exporting) = self.0.clone() else { return };
        // The exporter logs its own errors.
        let closing = spawn_blocking(move || exporting.provider.shutdown_with_timeout(FLUSH_TIMEOUT));
        let _ = timeout(FLUSH_TIMEOUT, closing).await;
    }
}

impl Exporter {
    fn pending(&self) -> MutexGuard<'_, Pending<SpanContext>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Span {
    /// Runs a future in the span.
    pub fn instrument<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        match &self.0 {
            None => Either::Left(future),
            Some(context) => Either::Right(future.with_context(context.clone())),
        }
    }

    /// Ends the span with the status of the response.
    pub fn end(self, status: StatusCode) {
        let Some(context) = self.0 else { return };
        let span = context.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// Reads `traceparent` from the headers of a request.
struct Traceparent<'h>(&'h HeaderMap);

impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match single(self.0, &TRACEPARENT) {
            Single::Value(value) if key == TRACEPARENT => str::from_utf8(value).ok(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Expired => "expired",
        Outcome::Replaced => "replaced",
        Outcome::Canceled => "canceled",
        Outcome::Dropped => "dropped",
    }
}
