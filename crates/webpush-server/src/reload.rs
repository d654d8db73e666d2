//! SIGHUP: the configuration is read again. All of it is put in force that can be while the service runs, or nothing: a
//! file that is broken leaves everything as it is.

use crate::log::Log;
use crate::serve::ServerConfig;
use crate::service_manager;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::Signal;
use webpush_admin::broadcasts::Sources;
use webpush_http::server::HttpServer;
use webpush_http::transport::certificate::{self, Certificate};
use webpush_http::transport::tls;
use webpush_service::service::ConfigSummary;
use webpush_service::subscribe_tokens::SubscribeTokens;

/// Reads the sources of settings again.
pub type ReadAgain = Box<dyn Fn() -> anyhow::Result<Reread> + Send + Sync>;

/// What they say now.
pub struct Reread {
    /// All settings.
    pub settings: ServerConfig,
    /// The names of those that differ from the start and can't be changed while the service runs.
    pub later: Vec<String>,
}

/// What can be changed while the service runs, and where the changes come from.
pub struct Reload {
    /// Reads them.
    pub read_again: ReadAgain,
    /// The log.
    pub log: Log,
    /// Limits, rates, tokens, proxies.
    pub server: Arc<HttpServer>,
    /// The certificate, if it is from files.
    pub certificate: Option<Arc<Certificate>>,
    /// The versions of broadcasts.
    pub broadcasts: Arc<Mutex<Sources>>,
}

/// Reloads at each signal.
pub async fn run(reload: Reload, mut hangups: Signal) {
    let reload = Arc::new(reload);
    while hangups.recv().await.is_some() {
        let reload = Arc::clone(&reload);
        // Files are read on a thread that may wait for a disk. It does not panic, so there is nothing to join for.
        let _ = tokio::task::spawn_blocking(move || service_manager::while_reloading(|| reload.now())).await;
    }
}

impl Reload {
    fn now(&self) {
        match self.try_now() {
            Ok(later) if later.is_empty() => tracing::info!("the configuration was read again"),
            Ok(later) => {
                let settings = later.join(", ");
                tracing::warn!(
                    settings,
                    "the configuration was read again; what changed of these takes effect at the next start"
                );
            }
            Err(error) => {
                tracing::error!("the configuration can't be used, so nothing was changed: {error:#}");
            }
        }
    }

    /// Says what has to wait for the next start.
    fn try_now(&self) -> anyhow::Result<Vec<String>> {
        let Reread { settings, mut later } = (self.read_again)()?;
        // Whatever can fail comes first.
        let tokens = SubscribeTokens::load(settings.subscribe_tokens.as_ref())?;
        let loaded = settings.identity.as_ref().map(tls::load).transpose()?;
        match (&self.certificate, loaded) {
            (Some(in_force), Some(loaded)) => {
                self.server.service.metrics.process.set_certificate_expiry(certificate::expiry(&loaded));
                in_force.replace(loaded);
            }
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => later.push("tls".to_owned()),
        }
        self.server.service.replace_limits(settings.limits);
        self.server.proxies.store(Arc::new(settings.proxies));
        self.server.service.subscribe_tokens.store(Arc::new(tokens));
        let mut broadcasts = self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner);
        broadcasts.configure(settings.broadcasts);
        // Still locked, as when one is set: of two changes the later one is told last.
        self.server.service.set_broadcasts(broadcasts.in_force());
        drop(broadcasts);
        self.log.set_level(&settings.log.level);
        let shown = ConfigSummary { toml: settings.shown, pending_restart: later.clone() };
        self.server.service.configuration.store(Arc::new(shown));
        Ok(later)
    }
}
