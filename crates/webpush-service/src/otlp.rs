//! OpenTelemetry spans: one per push request, and one per delivery of a message.
//!
//! They belong to the trace of the sender. Without the feature `otlp` the same functions do nothing.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod exported;
// Its test needs no OpenTelemetry.
#[cfg(any(test, feature = "otlp"))]
mod pending;

#[cfg(not(feature = "otlp"))]
pub use absent::{NoSpan as Span, NoSpans as Spans};
#[cfg(feature = "otlp")]
pub use exported::{NAME, Span, Spans};
