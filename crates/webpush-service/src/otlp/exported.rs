//! Spans, and the exporter that takes them.

use super::pending::Pending;
use crate::pseudonyms::Pseudonyms;
use futures_util::future::Either;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
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

/// The longest that the last spans are waited for when the service stops.
const FLUSH: Duration = Duration::from_secs(5);
/// The program, in traces.
pub const NAME: &str = "webpush-server";
/// The sender's trace (W3C Trace Context). `tracestate` is not read: it may hold anything, and would be exported.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Makes spans, if there is somewhere to export them to.
#[derive(Clone)]
pub struct Spans(Option<Arc<Exporting>>);

struct Exporting {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    pending: Mutex<Pending<SpanContext>>,
}

/// The span of one request, if it is traced.
pub struct Span(Option<Context>);

impl Spans {
    /// None.
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// Hands spans to this provider.
    #[must_use]
    pub fn new(provider: SdkTracerProvider) -> Self {
        let tracer = provider.tracer(NAME);
        Self(Some(Arc::new(Exporting { provider, tracer, pending: Mutex::default() })))
    }

    /// The span of a request, if one of that name is due and its sender did not decide against it.
    pub fn start(&self, head: &Parts, name: impl FnOnce() -> Option<&'static str>) -> Span {
        let Some(exporting) = &self.0 else { return Span(None) };
        let Some(name) = name() else { return Span(None) };
        let parent =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &OfSender(&head.headers));
        let span = exporting
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Server)
            .with_attributes([KeyValue::new("http.request.method", head.method.as_str().to_owned())])
            .start_with_context(&exporting.tracer, &parent);
        Span(span.is_recording().then(|| parent.with_span(span)))
    }

    /// The request that is served is for this subscription.
    pub fn record_subscription(&self, subscription: &Subscription) {
        if self.0.is_some() {
            let protocol = KeyValue::new("webpush.protocol", subscription.protocol.kind().as_str());
            Context::map_current(|context| context.span().set_attribute(protocol));
        }
    }

    /// The request that is served sends this message, which may still be refused by the store. To be said before it is
    /// stored: it may be settled as soon as it is.
    pub fn record_message(&self, message: &Draft, names: &Pseudonyms) {
        let Some(exporting) = &self.0 else { return };
        Context::map_current(|context| {
            let span = context.span();
            if !span.is_recording() {
                return;
            }
            let bytes = i64::try_from(message.body.len()).unwrap_or(i64::MAX);
            span.set_attribute(KeyValue::new("webpush.message.size", bytes));
            let named = vec![
                KeyValue::new("webpush.agent", names.inbox(message.agent).to_string()),
                KeyValue::new("webpush.subscription", names.subscription(message.subscription).to_string()),
                KeyValue::new("webpush.message", names.message(message.id).to_string()),
            ];
            span.add_event("message", named);
            exporting.pending().insert(message.id, span.span_context().clone());
        });
    }

    /// A message was written to the connection of its agent.
    pub fn record_written(&self, message: MessageId) {
        if let Some(exporting) = &self.0 {
            exporting.pending().written(message);
        }
    }

    /// A message has ended so.
    pub fn record_end(&self, message: MessageId, outcome: Outcome) {
        let Some(exporting) = &self.0 else { return };
        let Some(taken) = exporting.pending().remove(message) else { return };
        let parent = Context::new().with_remote_span_context(taken.span);
        let mut span = exporting
            .tracer
            .span_builder("deliver")
            .with_start_time(taken.at)
            .with_attributes([KeyValue::new("webpush.outcome", word_for_outcome(outcome))])
            .start_with_context(&exporting.tracer, &parent);
        if let Some(written) = taken.written {
            span.add_event_with_timestamp("written", written, Vec::new());
        }
        span.end();
    }

    /// How long [`Spans::close`] may take.
    pub fn flush_timeout(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |_| FLUSH)
    }

    /// Exports what is left.
    pub async fn close(&self) {
        let Some(exporting) = self.0.clone() else { return };
        // That it did not work out was said where it was tried.
        let closing = spawn_blocking(move || exporting.provider.shutdown_with_timeout(FLUSH));
        let _ = timeout(FLUSH, closing).await;
    }
}

impl Exporting {
    fn pending(&self) -> MutexGuard<'_, Pending<SpanContext>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Span {
    /// What is done in there belongs to the span.
    pub fn instrument<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        match &self.0 {
            None => Either::Left(future),
            Some(context) => Either::Right(future.with_context(context.clone())),
        }
    }

    /// The request was answered.
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

/// The headers of a request, of which one counts.
struct OfSender<'h>(&'h HeaderMap);

impl Extractor for OfSender<'_> {
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

const fn word_for_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Expired => "expired",
        Outcome::Replaced => "replaced",
        Outcome::Canceled => "cancelled",
        Outcome::Dropped => "dropped",
    }
}
