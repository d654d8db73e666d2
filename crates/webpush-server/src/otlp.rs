//! A span for each request that sends a message, in the trace that its sender began, and one for the way of the
//! message to its agent. They go to an OpenTelemetry collector.
//!
//! A build without the feature `otlp` has the same functions, which do nothing.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod exported;
// Its test needs no exporter.
#[cfg(any(test, feature = "otlp"))]
mod pending;

#[cfg(not(feature = "otlp"))]
pub use absent::{Span, Spans};
#[cfg(feature = "otlp")]
pub use exported::{Span, Spans};

/// What is said in a build without the exporter to whoever sets an endpoint.
#[cfg(not(feature = "otlp"))]
pub(crate) const NOT_BUILT_IN: &str = "\
    this build of webpush-server can't export traces: leave otlp.endpoint unset, or build it with --features otlp";
