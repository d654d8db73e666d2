//! Reloads the configuration on SIGHUP. An invalid configuration changes nothing.

use crate::certificate_files::CertificateFiles;
use crate::log::Log;
use crate::server_config::ServerConfig;
use crate::service_manager;
use crate::shared_settings::SharedSettings;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::Signal;
use webpush_admin::broadcasts::BroadcastSources;
use webpush_http::server::HttpServer;
use webpush_service::service::ConfigSummary;
use webpush_service::subscribe_tokens::SubscribeTokens;

/// Reads the configuration again.
pub type ReadConfig = Box<dyn Fn() -> anyhow::Result<NewConfig> + Send + Sync>;

/// The configuration at a reload.
pub struct NewConfig {
    /// The configuration.
    pub settings: ServerConfig,
    /// The names of changed settings that need a restart.
    pub needs_restart: Vec<String>,
}

/// The parts of a running server that a reload changes.
pub struct Reload {
    /// Reads the configuration.
    pub read_config: ReadConfig,
    /// The log.
    pub log: Log,
    /// Limits, rates, tokens and proxies.
    pub server: Arc<HttpServer>,
    /// The certificate, if it is read from files.
    pub certificate: Option<Arc<CertificateFiles>>,
    /// The versions of broadcasts.
    pub broadcasts: Arc<Mutex<BroadcastSources>>,
    /// The settings that must be equal on all nodes, in a cluster.
    pub shared_settings: Option<SharedSettings>,
}

/// Reloads at each signal.
pub async fn run(reload: Reload, mut hangups: Signal) {
    let reload = Arc::new(reload);
    while hangups.recv().await.is_some() {
        let reload = Arc::clone(&reload);
        let reloading =
            tokio::task::spawn_blocking(move || service_manager::while_reloading(|| reload.run_once()));
        let _ = reloading.await;
    }
}

impl Reload {
    fn run_once(&self) {
        match self.try_once() {
            Ok(needs_restart) if needs_restart.is_empty() => tracing::info!("configuration reloaded"),
            Ok(needs_restart) => {
                let settings = needs_restart.join(", ");
                tracing::warn!(settings, "configuration reloaded, except for settings that need a restart");
            }
            Err(error) => {
                tracing::error!("configuration not reloaded, because it is invalid: {error:#}");
            }
        }
    }

    /// Returns the changed settings that need a restart.
    fn try_once(&self) -> anyhow::Result<Vec<String>> {
        let NewConfig { settings, mut needs_restart } = (self.read_config)()?;
        // Everything that can fail comes before the first change.
        let tokens = SubscribeTokens::load(settings.subscribe_tokens.as_ref(), self.server.service.env())?;
        let now = self.server.service.now();
        let loaded = settings.load_certificate(now)?;
        let warnings = settings.warnings(loaded.as_ref().map(|loaded| &loaded.certificate), now);
        let origin = &self.server.service.origin;
        let hashes =
            self.shared_settings.as_ref().map(|shared| shared.hashes(&settings, origin)).transpose()?;
        let toml = settings.toml(Some(origin));
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        match (&self.certificate, loaded) {
            (Some(current), Some(loaded)) => current.replace(loaded),
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => needs_restart.push("tls".to_owned()),
        }
        self.server.service.replace_limits(settings.limits);
        self.server.proxies.store(Arc::new(settings.proxies));
        self.server.service.subscribe_tokens.store(Arc::new(tokens));
        let mut broadcasts = self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner);
        broadcasts.configure(settings.broadcasts);
        // Under the lock, so that concurrent changes are announced in their order.
        self.server.service.set_broadcasts(broadcasts.effective());
        drop(broadcasts);
        if let Some((shared, hashes)) = self.shared_settings.as_ref().zip(hashes) {
            shared.replace(hashes, &needs_restart);
        }
        self.log.set_level(&settings.log.level);
        let effective = ConfigSummary { toml, pending_restart: needs_restart.clone() };
        self.server.service.configuration.store(Arc::new(effective));
        Ok(needs_restart)
    }
}
