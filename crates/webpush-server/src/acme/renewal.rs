//! Has a certificate in force: the one that was kept, then one after the other, each ordered before the last one ends.

use super::cache::{self, Cache};
use super::order::{self, Issued};
use super::schedule::{self, Chance};
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

/// The clock is looked at so often while an order is far off: it may be set, or stand still while a machine sleeps.
const LOOK: Duration = Duration::from_secs(10 * 60);

/// The certificate of a service, and what becomes of it.
pub struct Renewal {
    settings: AcmeConfig,
    cache: Cache,
    certificate: Arc<Certificate>,
    service: Arc<Service>,
    /// When the next order is due.
    due: Timestamp,
    /// Orders that failed, one after the other.
    failures: u32,
}

impl Renewal {
    /// Puts in force what was kept, as far as it is still good. Then the service is ready if that covers all domains.
    ///
    /// # Errors
    /// When there is nowhere to keep a certificate, or nobody whose authority could be trusted.
    pub fn open(
        settings: AcmeConfig,
        data_dir: &Path,
        certificate: Arc<Certificate>,
        service: Arc<Service>,
    ) -> anyhow::Result<Self> {
        authority::check_trust(settings.directory_ca_file.as_deref())?;
        let cache = Cache::open(data_dir, &settings.directory)?;
        let mut renewal = Self { due: service.now(), settings, cache, certificate, service, failures: 0 };
        let kept = renewal.cache.certificate().unwrap_or_else(|error| {
            tracing::warn!("another certificate is ordered: {error:#}");
            None
        });
        let covers_all = kept.is_some_and(|kept| renewal.begin_with(kept));
        renewal.service.readiness.set_certificate_missing(!covers_all);
        Ok(renewal)
    }

    /// Orders certificates as they are due, until the service stops.
    pub async fn run(mut self) {
        loop {
            until(self.service.env(), self.due).await;
            match order::order(&self.settings, &self.cache, &self.certificate).await {
                Ok(issued) => self.issued(issued).await,
                Err(error) => self.failed(&error),
            }
        }
    }

    /// Whether a certificate that was kept covers all domains. One that covers some is better than none until then.
    fn begin_with(&mut self, kept: CertifiedKey) -> bool {
        let covered = self.settings.domains.iter().filter(|domain| cache::covers(&kept, domain)).count();
        let covers_all = covered == self.settings.domains.len();
        match certificate::validity(&kept) {
            Some(validity) if validity.until > self.service.now() && covered > 0 => {
                if covers_all {
                    self.due = schedule::renewal(validity, chance(self.service.env()));
                }
                self.put_in_force(kept, validity);
                covers_all
            }
            _ => false,
        }
    }

    async fn issued(&mut self, issued: Issued) {
        let Some(validity) = certificate::validity(&issued.certificate) else {
            return self
                .failed(&anyhow::anyhow!("what the authority issued does not say until when it is good"));
        };
        self.service.metrics.acme.count_order(true);
        self.put_in_force(issued.certificate, validity);
        self.service.readiness.set_certificate_missing(false);
        let (domains, until) = (self.domains(), validity.until.http_date());
        tracing::info!("a certificate was issued for {domains}, good until {until}");
        let cache = self.cache.clone();
        let kept = tokio::task::spawn_blocking(move || cache.keep_certificate(&issued.pem)).await;
        if let Err(error) = kept.unwrap_or_else(|error| Err(error.into())) {
            tracing::error!("the certificate could not be kept, so the next start orders another: {error:#}");
        }
        self.due = schedule::renewal(validity, chance(self.service.env()));
        let now = self.service.now();
        if self.due > now {
            self.failures = 0;
        } else {
            // By this clock it would be ordered again and again.
            let pause = self.pause();
            self.due = now.after(pause);
            tracing::warn!(
                "the certificate for {domains} is due for renewal as it comes: is the clock right? The next order is in {} min",
                pause.as_secs() / 60
            );
        }
    }

    fn failed(&mut self, error: &anyhow::Error) {
        self.service.metrics.acme.count_order(false);
        let pause = self.pause();
        self.due = self.service.now().after(pause);
        let (domains, minutes) = (self.domains(), pause.as_secs() / 60);
        let directory = &self.settings.directory;
        tracing::error!(
            "no certificate for {domains} from {directory}: {error:#}. The next try is in {minutes} min"
        );
    }

    fn pause(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        schedule::pause(self.failures, chance(self.service.env()))
    }

    fn put_in_force(&self, certificate: CertifiedKey, validity: Validity) {
        self.service.metrics.process.set_certificate_expiry(Some(validity.until));
        self.certificate.replace(certificate);
    }

    fn domains(&self) -> String {
        let names: Vec<_> = self.settings.domains.iter().map(super::Domain::as_str).collect();
        names.join(", ")
    }
}

async fn until(env: &Env, due: Timestamp) {
    loop {
        let left = env.now().until(due);
        if left.is_zero() {
            return;
        }
        sleep(left.min(LOOK)).await;
    }
}

/// Without randomness nothing is served anyhow.
fn chance(env: &Env) -> Chance {
    Chance(env.random::<1>().map_or(0, |[byte]| byte))
}
