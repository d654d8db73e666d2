//! The exporter of spans to an OpenTelemetry collector, in builds with the feature `otlp`. What is recorded, and when, is in
//! [`webpush_service::otlp`].

#[cfg(feature = "otlp")]
mod collector;

use webpush_service::otlp::Spans;

/// Starts to export spans to a collector at this origin. Must be called on the runtime, which does the sending.
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
        .with_http_client(collector::Collector::at(endpoint)?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .build()
        .context("traces can't be exported (--otlp-endpoint)")?;
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
/// Fails if there is an endpoint. The parser of flags takes none in this build.
#[cfg(not(feature = "otlp"))]
pub(crate) fn start(endpoint: Option<&str>) -> anyhow::Result<Spans> {
    anyhow::ensure!(endpoint.is_none(), NOT_BUILT_IN);
    Ok(Spans::disabled())
}

/// What is said in a build without the exporter to whoever sets an endpoint.
#[cfg(not(feature = "otlp"))]
pub(crate) const NOT_BUILT_IN: &str = "\
    this build of webpush-server can't export traces: leave otlp.endpoint unset, or build it with --features otlp";
