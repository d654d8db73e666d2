//! The HTTP server around a service.

use crate::gateway::Gateway;
use crate::problem::{self, ErrorStyle, VapidErrorStatus};
use crate::transport::proxies::Proxies;
use arc_swap::ArcSwap;
use std::sync::Arc;
use webpush_service::service::Service;

/// The service and its HTTP configuration.
pub struct HttpServer {
    /// The service.
    pub service: Arc<Service>,
    /// The form of error responses.
    pub error_style: ErrorStyle,
    /// Trusted reverse proxies, which can be replaced at runtime.
    pub proxies: ArcSwap<Proxies>,
    /// The push gateway for Matrix homeservers.
    pub gateway: Gateway,
}

/// The part of the configuration that only HTTP needs.
#[derive(Default)]
pub struct HttpConfig {
    /// Trusted reverse proxies.
    pub proxies: Proxies,
    /// The status for an invalid VAPID header.
    pub vapid_status: VapidErrorStatus,
    /// The push gateway for Matrix homeservers.
    pub gateway: Gateway,
}

impl HttpServer {
    /// Creates a server around a service.
    #[must_use]
    pub fn new(service: Arc<Service>, config: HttpConfig) -> Arc<Self> {
        let HttpConfig { proxies, vapid_status, gateway } = config;
        let refusals = Arc::clone(&service.metrics.refusals);
        refusals.set_names(problem::names());
        let error_style = ErrorStyle { origin: service.origin.clone(), vapid_status, refusals };
        Arc::new(Self { service, error_style, proxies: ArcSwap::from_pointee(proxies), gateway })
    }
}
