//! The renewal task: serves the stored certificate, and orders the next one before it expires.

use super::cache::{self, Cache};
use super::order::{self, Challenges, IssuedCertificate};
use super::schedule::{self, Jitter};
use super::{AcmeConfig, authority};
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use webpush_core::env::Env;
use webpush_core::time::Timestamp;
use webpush_http::transport::certificate::{self, Certificate, Validity};
use webpush_service::service::Service;

/// Maximum sleep before the clock is read again: it may be set, and timers stop while a machine sleeps.
const MAX_SLEEP: Duration = Duration::from_secs(10 * 60);

/// Keeps the certificate of the server valid.
pub struct Renewal {
    settings: AcmeConfig,
    cache: Cache,
    certificate: Arc<Certificate>,
    challenges: Challenges,
    service: Arc<Service>,
    /// Time of the next order.
    due: Timestamp,
    /// Number of consecutive failures.
    failures: u32,
}

impl Renewal {
    /// Serves the stored certificate if it is still valid. The server is ready if it covers all domains.
    ///
    /// # Errors
    /// Fails if the directory cannot be created, or if there are no trusted certificates for the CA.
    pub fn open(
        settings: AcmeConfig,
        data_dir: &Path,
        certificate: Arc<Certificate>,
        challenges: Challenges,
        service: Arc<Service>,
    ) -> anyhow::Result<Self> {
        authority::check_trust(settings.directory_ca_file.as_deref())?;
        let cache = Cache::open(data_dir, &settings.directory)?;
        let due = service.now();
        let mut renewal = Self { settings, cache, certificate, challenges, service, due, failures: 0 };
        let stored = renewal.cache.certificate().unwrap_or_else(|error| {
            tracing::warn!("ordering a new certificate: {error:#}");
            None
        });
        let covers_all = stored.is_some_and(|stored| renewal.serve_stored(stored));
        renewal.service.readiness.set_certificate_missing(!covers_all);
        Ok(renewal)
    }

    /// Orders certificates when they are due. Never returns.
    pub async fn run(mut self) {
        loop {
            sleep_until(self.service.env(), self.due).await;
            match order::order(&self.settings, &self.cache, &self.challenges).await {
                Ok(issued) => self.issued(issued).await,
                Err(error) => self.failed(&error),
            }
        }
    }

    /// Serves a stored certificate if it covers any domain, and returns true if it covers all.
    fn serve_stored(&mut self, stored: CertifiedKey) -> bool {
        let covered = self.settings.domains.iter().filter(|domain| cache::covers(&stored, domain)).count();
        let covers_all = covered == self.settings.domains.len();
        match certificate::validity(&stored) {
            Some(validity) if validity.until > self.service.now() && covered > 0 => {
                if covers_all {
                    self.due = schedule::renewal(validity, jitter(self.service.env()));
                }
                self.serve(stored, validity);
                covers_all
            }
            _ => false,
        }
    }

    async fn issued(&mut self, issued: IssuedCertificate) {
        let Some(validity) = certificate::validity(&issued.certificate) else {
            return self.failed(&anyhow::anyhow!("the issued certificate has no validity"));
        };
        self.service.metrics.acme.count_order(true);
        self.serve(issued.certificate, validity);
        self.service.readiness.set_certificate_missing(false);
        let (domains, until) = (self.domains(), validity.until.http_date());
        tracing::info!("certificate issued for {domains}, valid until {until}");
        let cache = self.cache.clone();
        let stored = tokio::task::spawn_blocking(move || cache.store_certificate(&issued.pem)).await;
        if let Err(error) = stored.unwrap_or_else(|error| Err(error.into())) {
            tracing::error!("cannot store the certificate; the next start orders another one: {error:#}");
        }
        self.due = schedule::renewal(validity, jitter(self.service.env()));
        let now = self.service.now();
        if self.due > now {
            self.failures = 0;
        } else {
            // A wrong clock must not cause a loop of orders.
            let delay = self.next_delay();
            self.due = now.after(delay);
            tracing::warn!(
                "the new certificate for {domains} is already due for renewal; check the clock. Next order in {} min",
                delay.as_secs() / 60
            );
        }
    }

    fn failed(&mut self, error: &anyhow::Error) {
        self.service.metrics.acme.count_order(false);
        let delay = self.next_delay();
        self.due = self.service.now().after(delay);
        let (domains, minutes) = (self.domains(), delay.as_secs() / 60);
        let directory = &self.settings.directory;
        tracing::error!(
            "cannot obtain a certificate for {domains} from {directory}: {error:#}. Next attempt in {minutes} min"
        );
    }

    fn next_delay(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        schedule::retry_delay(self.failures, jitter(self.service.env()))
    }

    fn serve(&self, certificate: CertifiedKey, validity: Validity) {
        self.service.metrics.process.set_certificate_expiry(Some(validity.until));
        self.certificate.replace(certificate);
    }

    fn domains(&self) -> String {
        let names: Vec<_> = self.settings.domains.iter().map(super::Domain::as_str).collect();
        names.join(", ")
    }
}

async fn sleep_until(env: &Env, due: Timestamp) {
    loop {
        let left = env.now().until(due);
        if left.is_zero() {
            return;
        }
        sleep(left.min(MAX_SLEEP)).await;
    }
}

/// Without entropy the server does not work anyway.
fn jitter(env: &Env) -> Jitter {
    Jitter(env.random::<1>().map_or(0, |[byte]| byte))
}
