//! Export of traces to an OpenTelemetry collector, in builds with the feature `otlp`.
//!
//! [`webpush_service::otlp`] decides what is recorded.

#[cfg(feature = "otlp")]
mod collector;

use webpush_service::otlp::Spans;

/// Starts the export to the collector at this origin.
///
/// Must be called on the runtime, which sends the batches.
///
/// # Errors
/// Fails if the standard variables of OpenTelemetry are invalid.
#[cfg(feature = "otlp")]
pub(crate) fn start(endpoint: Option<&str>) -> anyhow::Result<Spans> {
    use anyhow::Context as _;
    use opentelemetry::KeyValue;
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;

    let Some(endpoint) = endpoint else { return Ok(Spans::disabled()) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector::Collector::new(endpoint)?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .build()
        .context("cannot export traces (--otlp-endpoint)")?;
    let resource = Resource::builder()
        .with_service_name(webpush_service::otlp::NAME)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    Ok(Spans::new(provider))
}

/// Records nothing: this build has no exporter.
///
/// # Errors
/// Fails if there is an endpoint. The parser of flags accepts none in this build.
#[cfg(not(feature = "otlp"))]
pub(crate) fn start(endpoint: Option<&str>) -> anyhow::Result<Spans> {
    anyhow::ensure!(endpoint.is_none(), NOT_BUILT_IN);
    Ok(Spans::disabled())
}

/// The error for an endpoint in a build without the exporter.
#[cfg(not(feature = "otlp"))]
pub(crate) const NOT_BUILT_IN: &str = "\
    this build of webpush-server cannot export traces: unset otlp.endpoint, or build it with --features otlp";
