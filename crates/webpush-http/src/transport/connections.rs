//! Connection limits.
//!
//! A connection over the limit is closed immediately, because waiting connections would cost resources.

use crate::gateway::GATEWAY_REQUESTS;
use crate::transport::log_throttle::LogThrottle;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use webpush_service::client_addr::Network;
use webpush_service::metrics::Metrics;

/// Descriptors reserved for files and [`GATEWAY_REQUESTS`] when the limit follows from their number.
const RESERVED_DESCRIPTORS: usize = 128 + GATEWAY_REQUESTS;

/// One network may have this part of all connections by default.
const NETWORK_SHARE: usize = 4;

/// The limit of connections of one client network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkLimit {
    /// A quarter of all connections.
    ///
    /// One client cannot keep the others out, and many can share an address (NAT).
    #[default]
    Share,
    /// No limit.
    Off,
    /// This many.
    At(usize),
}

/// The permits for connections.
pub struct Connections {
    /// The share of connections that are not counted by network.
    any: Arc<Share>,
    limit: usize,
    limit_per_network: Option<usize>,
    limit_log: LogThrottle,
    network_limit_log: LogThrottle,
}

/// The permit of one connection, which is returned when dropped. It takes one word.
pub struct ConnectionPermit {
    share: Arc<Share>,
}

/// The connections of one network, or those that are not counted.
struct Share {
    permits: Arc<Permits>,
    network: Option<Network>,
}

struct Permits {
    free: AtomicUsize,
    by_network: Mutex<HashMap<Network, usize>>,
    metrics: Arc<Metrics>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Share { permits, network } = &*self.share;
        if let Some(network) = network {
            permits.give_back(network);
        }
        permits.free.fetch_add(1, Ordering::AcqRel);
        permits.metrics.connections.count_closed();
    }
}

impl Permits {
    /// Returns true if the network was below its limit.
    fn take(&self, network: Network, limit: usize) -> bool {
        let mut taken = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let number = taken.entry(network).or_default();
        let has_room = *number < limit;
        *number += usize::from(has_room);
        has_room
    }

    fn give_back(&self, network: &Network) {
        let mut taken = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = taken.get_mut(network) {
            *number -= 1;
            if *number == 0 {
                taken.remove(network);
            }
        }
    }
}

impl Connections {
    /// Creates the permits.
    ///
    /// `limit` defaults to the number of file descriptors, less those reserved.
    #[must_use]
    pub fn new(limit: Option<usize>, per_network: NetworkLimit, metrics: Arc<Metrics>) -> Self {
        let limit = limit.unwrap_or_else(|| default_limit(descriptors()));
        let limit_per_network = match per_network {
            NetworkLimit::Share => Some((limit / NETWORK_SHARE).max(1)),
            NetworkLimit::Off => None,
            NetworkLimit::At(limit) => Some(limit),
        };
        metrics.connections.set_limit(limit);
        let permits = Arc::new(Permits { free: limit.into(), by_network: Mutex::default(), metrics });
        let any = Arc::new(Share { permits, network: None });
        let (limit_log, network_limit_log) = (LogThrottle::new(), LogThrottle::new());
        Self { any, limit, limit_per_network, limit_log, network_limit_log }
    }

    /// Returns a permit; `None` if the limit is reached.
    #[must_use]
    pub fn admit(&self) -> Option<ConnectionPermit> {
        let one_less = |free: usize| free.checked_sub(1);
        let Permits { free, metrics, .. } = &*self.any.permits;
        if free.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_err() {
            metrics.connections.count_refused();
            if self.limit_log.is_due() {
                tracing::warn!(
                    limit = self.limit,
                    "connection limit reached (--max-connections): refusing new connections"
                );
            }
            return None;
        }
        metrics.connections.count_opened();
        Some(ConnectionPermit { share: Arc::clone(&self.any) })
    }

    /// Charges a permit to the client's network; `None` if the network is at its limit.
    #[must_use]
    pub fn charge(&self, mut permit: ConnectionPermit, network: Option<Network>) -> Option<ConnectionPermit> {
        let (Some(limit), Some(network)) = (self.limit_per_network, network) else { return Some(permit) };
        let permits = &self.any.permits;
        if !permits.take(network, limit) {
            permits.metrics.connections.count_refused();
            if self.network_limit_log.is_due() {
                tracing::warn!(
                    limit,
                    "connection limit of one address reached (--max-connections-per-address): refusing its new connections"
                );
            }
            return None;
        }
        permit.share = Arc::new(Share { permits: Arc::clone(permits), network: Some(network) });
        Some(permit)
    }
}

/// Returns at least half of the descriptors, even if there are few.
fn default_limit(descriptors: usize) -> usize {
    descriptors.saturating_sub(RESERVED_DESCRIPTORS).max(descriptors / 2).max(1)
}

/// Returns the limit of file descriptors of the process; `usize::MAX` if there is none.
fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_service::client_addr::ClientAddr;

    #[test]
    fn the_limit_follows_from_the_descriptors() {
        assert!(descriptors() > 0);
        for (descriptors, limit) in [(1024, 832), (200, 100), (1, 1)] {
            assert_eq!(default_limit(descriptors), limit);
        }
    }

    #[test]
    fn a_dropped_permit_can_be_taken_again() {
        let connections = Connections::new(Some(1), NetworkLimit::Off, Arc::default());
        let permit = connections.admit();
        assert!(permit.is_some() && connections.admit().is_none());
        drop(permit);
        assert!(connections.admit().is_some());
    }

    /// A5: one address could take all connections, because its limit was off by default.
    #[test]
    fn by_default_one_network_cannot_keep_the_others_out() {
        let network = |last: u8| Some(ClientAddr::new([192, 0, 2, last].into()).network(64));
        let connections = Connections::new(Some(832), NetworkLimit::default(), Arc::default());
        let admit = |network| connections.charge(connections.admit()?, network);
        let held: Vec<_> = std::iter::from_fn(|| admit(network(1))).collect();
        assert_eq!(held.len(), 208);
        assert!(admit(network(2)).is_some());
    }

    #[test]
    fn each_network_has_its_own_limit() {
        let network = |last: u8| Some(ClientAddr::new([192, 0, 2, last].into()).network(64));
        let connections = Connections::new(Some(5), NetworkLimit::At(2), Arc::default());
        let admit = |network| connections.charge(connections.admit().unwrap(), network);
        let held = [admit(network(1)), admit(network(1)), admit(network(2))];
        assert!(held.iter().all(Option::is_some));
        assert!(admit(network(1)).is_none(), "a third of the same");
        let uncounted = [admit(None), admit(None)];
        assert!(uncounted.iter().all(Option::is_some) && connections.admit().is_none(), "all five are taken");
        drop(held);
        assert!(connections.any.permits.by_network.lock().unwrap().is_empty());
        assert!(admit(network(1)).is_some());
    }
}
