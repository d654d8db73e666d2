//! The HTTP server around a service.

use crate::gateway::Gateway;
use crate::gateway::limiter::GatewayLimiter;
use crate::interceptor::Interceptor;
use crate::problem::{self, ErrorStyle, VapidErrorStatus};
use crate::resources::errors_page;
use crate::transport::proxies::Proxies;
use arc_swap::ArcSwap;
use bytes::Bytes;
use std::sync::Arc;
use webpush_service::service::Service;

/// The service and its HTTP configuration.
pub struct HttpServer {
    /// The service.
    pub service: Arc<Service>,
    /// The form of error responses.
    pub error_style: ErrorStyle,
    /// The page of all errors. Its responses share it.
    pub(crate) errors_page: Bytes,
    /// Trusted reverse proxies, which can be replaced at runtime.
    pub proxies: ArcSwap<Proxies>,
    /// The push gateway for Matrix homeservers.
    pub gateway: Gateway,
    /// True if Chromium can check in and register.
    pub speaks_chromium: bool,
    /// Sees requests before the router.
    pub(crate) interceptor: Option<Arc<dyn Interceptor>>,
    /// Begins the push URLs of autopush agents.
    autopush_endpoints: Option<String>,
    /// Bounds the bodies of notifications in memory, in total and per client network.
    pub(crate) notification_bodies: GatewayLimiter,
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
    /// Lets Chromium check in and register. It also needs an MCS listener.
    pub speaks_chromium: bool,
    /// Sees requests before the router.
    pub interceptor: Option<Arc<dyn Interceptor>>,
    /// Begins the push URLs of autopush agents; `None` for the public origin and `/push/`.
    pub autopush_endpoints: Option<String>,
}

impl HttpServer {
    /// Creates a server around a service.
    #[must_use]
    pub fn new(service: Arc<Service>, config: HttpConfig) -> Arc<Self> {
        let HttpConfig { proxies, vapid_status, gateway, speaks_chromium, interceptor, autopush_endpoints } =
            config;
        let refusals = Arc::clone(&service.metrics.refusals);
        refusals.set_names(problem::names());
        let error_style = ErrorStyle { origin: service.origin.clone(), vapid_status, refusals };
        let errors_page = errors_page::render(&error_style);
        Arc::new(Self {
            service,
            error_style,
            errors_page,
            proxies: ArcSwap::from_pointee(proxies),
            gateway,
            speaks_chromium,
            interceptor,
            autopush_endpoints,
            notification_bodies: GatewayLimiter::default(),
        })
    }

    /// Returns the push URL with this path, for an autopush agent.
    pub(crate) fn autopush_endpoint(&self, path: &str) -> String {
        match (&self.autopush_endpoints, path.rsplit('/').next()) {
            (Some(start), Some(token)) => [start, token].concat(),
            _ => [&*self.service.origin, path].concat(),
        }
    }
}
