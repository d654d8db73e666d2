//! The state that all requests share.

use crate::client_hashes::ClientHashes;
use crate::clock::DevClock;
use crate::fault::FaultList;
use crate::held::HeldPushes;
use crate::namespace::NamespaceScope;
use crate::proxy::ProxyReport;
use crate::ready::Addresses;
use crate::record::{PushRecord, State};
use crate::records::Records;
use crate::subscription::KnownSubscription;
use crate::subscriptions::Subscriptions;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use webpush_service::rate_limits::RateLimits;
use webpush_service::service::Service;
use webpush_service::sweep;
use webpush_service::trace::Stage;
use webpush_store::StoreError;

/// A server for development.
pub(crate) struct Dev {
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Arc<DevClock>,
    pub(crate) addresses: Addresses,
    /// The ready line.
    pub(crate) ready: String,
    /// Host names of this server, besides `localhost` and IP addresses.
    pub(crate) names: Vec<String>,
    pub(crate) records: Arc<Records>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) faults: FaultList,
    pub(crate) held: HeldPushes,
    pub(crate) client_hashes: ClientHashes,
    pub(crate) proxy: Arc<ProxyReport>,
}

impl Dev {
    /// Advances the clock. Expired messages have ended when it returns, and rate limits start anew.
    pub(crate) async fn advance(&self, by: Duration) -> Result<(), StoreError> {
        self.clock.advance(by);
        self.reset_rate_limits();
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
    /// Returns true if one may still change.
    pub(crate) fn settle_offered(&self, records: &[PushRecord]) -> bool {
        let mut waits = false;
        for record in records.iter().filter(|record| record.state == State::Accepted) {
            for message in self.records.messages_of(record.number) {
                let Some(trace) = self.service.traces.find(message) else { continue };
                if !trace.is_now_or_never {
                    continue;
                }
                let is_acknowledged = trace.at(Stage::Acknowledged).is_some();
                match trace.outcome.map(State::from) {
                    Some(state) => self.records.end(message, state, self.service.now()),
                    None if is_acknowledged => {
                        self.records.end(message, State::Delivered, self.service.now());
                    }
                    None => waits = true,
                }
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
