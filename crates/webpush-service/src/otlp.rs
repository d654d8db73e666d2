//! A span for each request that sends a message, in the trace that its sender began, and one for the way of the
//! message to its agent. They go to an OpenTelemetry collector.
//!
//! A build without the feature `otlp` has the same functions, which do nothing.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod exported;
// Its test needs no exporter.
#[cfg(any(test, feature = "otlp"))]
mod pending;

#[cfg(not(feature = "otlp"))]
pub use absent::{Span, Spans};
#[cfg(feature = "otlp")]
pub use exported::{NAME, Span, Spans};
