//! The state that all requests share.

use crate::client_hashes::ClientHashes;
use crate::clock::DevClock;
use crate::fault::FaultList;
use crate::held::HeldPushes;
use crate::namespace::NamespaceScope;
use crate::proxy::ProxyReport;
use crate::ready::Addresses;
use crate::record::State;
use crate::records::Records;
use crate::subscription::KnownSubscription;
use crate::subscriptions::Subscriptions;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use webpush_service::rate_limits::RateLimits;
use webpush_service::service::Service;
use webpush_service::sweep;
use webpush_service::trace::Stage;
use webpush_store::StoreError;

/// How long an agent may take to acknowledge a message with TTL 0.
const OFFER_TIMEOUT: Duration = Duration::from_secs(60);
/// The interval in which messages are looked at that no commit reports.
const OFFERED_INTERVAL: Duration = Duration::from_millis(20);

/// A server for development.
pub(crate) struct Dev {
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Arc<DevClock>,
    pub(crate) addresses: Addresses,
    /// Host names of this server, besides `localhost` and IP addresses.
    pub(crate) names: Vec<String>,
    pub(crate) records: Arc<Records>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) faults: FaultList,
    pub(crate) held: HeldPushes,
    pub(crate) client_hashes: ClientHashes,
    pub(crate) proxy: Arc<ProxyReport>,
    /// Held while a subscription is changed, so that changes do not mix.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Bounds waiting requests.
    pub(crate) waits: Semaphore,
}

/// Follows messages that no commit reports. Never returns.
pub(crate) async fn follow_offered(dev: Arc<Dev>) {
    let mut version = dev.records.watch();
    while version.changed().await.is_ok() {
        while dev.settle_offered() {
            sleep(OFFERED_INTERVAL).await;
        }
    }
}

impl Dev {
    /// Advances the clock. Expired messages have ended when it returns, and rate limits start anew.
    pub(crate) async fn advance(&self, by: Duration) -> Result<(), StoreError> {
        self.clock.advance(by);
        self.reset_rate_limits();
        for number in self.held.take_expired(self.service.now()) {
            self.records.expire(number);
        }
        sweep::expire(&self.service).await
    }

    /// Returns to the system's time.
    pub(crate) fn reset_clock(&self) {
        self.clock.reset();
        self.reset_rate_limits();
    }

    /// Removes a subscription from the service. Its endpoint stays known as gone.
    pub(crate) async fn expire(&self, subscription: &KnownSubscription) -> Result<(), StoreError> {
        let (inbox, id) = subscription.target;
        match subscription.agent {
            Some(_) => drop(self.service.remove_inbox(inbox).await?),
            None => drop(self.service.unsubscribe(inbox, id).await?),
        }
        subscription.is_gone.store(true, Ordering::Release);
        Ok(())
    }

    /// Forgets all that the tests of a scope have set and sent, and removes their virtual agents.
    pub(crate) async fn reset(&self, scope: &NamespaceScope) -> Result<(), StoreError> {
        for subscription in self.subscriptions.take(scope) {
            if subscription.agent.is_some() {
                self.service.remove_inbox(subscription.target.0).await?;
            }
            self.held.take(&subscription.target);
        }
        self.faults.remove(scope, None);
        if *scope == NamespaceScope::All {
            self.reset_clock();
            self.held.clear();
            self.client_hashes.clear();
            self.proxy.reset();
        }
        self.records.clear(scope);
        Ok(())
    }

    /// Brings the records of messages with TTL 0 up to date, which no commit reports.
    ///
    /// Returns true if one may still be delivered.
    pub(crate) fn settle_offered(&self) -> bool {
        let (now, mut waits) = (self.service.now(), false);
        for message in self.records.offered() {
            let trace = self.service.traces.find(message);
            let outcome = match &trace {
                // The trace was replaced by later ones.
                None => Some(State::Expired),
                Some(trace) if trace.at(Stage::Acknowledged).is_some() => Some(State::Delivered),
                Some(trace) if now > trace.accepted_at.after(OFFER_TIMEOUT) => Some(State::Expired),
                Some(trace) => trace.outcome.map(State::from),
            };
            match outcome {
                Some(state) => self.records.end(message, state, now),
                None => waits = true,
            }
        }
        waits
    }

    fn reset_rate_limits(&self) {
        let limits = self.service.limits.load();
        let fresh = RateLimits::new(&limits.rates, self.service.env().clone());
        self.service.rate_limits.store(Arc::new(fresh));
    }
}
