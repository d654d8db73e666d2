//! How many connections there may be: one more is closed at once, which costs less than to let it wait.

use crate::gateway::GATEWAY_REQUESTS;
use crate::transport::log_throttle::LogThrottle;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use webpush_service::client_addr::Network;
use webpush_service::metrics::Metrics;

/// Descriptors that are kept for files and [`GATEWAY_REQUESTS`] when the number of connections follows from their limit.
const RESERVED_DESCRIPTORS: usize = 128 + GATEWAY_REQUESTS;

/// The places for connections.
pub struct Connections {
    /// What those share that are not counted by address.
    any: Arc<Share>,
    most: usize,
    most_of_one: Option<usize>,
    /// When it was said last that there is no place.
    said: LogThrottle,
    /// The same for one address.
    said_of_one: LogThrottle,
}

/// The place of one connection. It is free again when this is dropped. It costs one pointer.
pub struct ConnectionPermit {
    share: Arc<Share>,
}

/// Who has places.
struct Share {
    places: Arc<Places>,
    network: Option<Network>,
}

struct Places {
    free: AtomicUsize,
    /// How many each has that is counted.
    taken: Mutex<HashMap<Network, usize>>,
    metrics: Arc<Metrics>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Share { places, network } = &*self.share;
        if let Some(network) = network {
            places.give_back(network);
        }
        places.free.fetch_add(1, Ordering::AcqRel);
        places.metrics.connections.count_closed();
    }
}

impl Places {
    /// Whether there was one for it.
    fn take(&self, network: Network, most: usize) -> bool {
        // A holder of this lock can't panic half-way through anything that matters.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let number = taken.entry(network).or_default();
        let has_room = *number < most;
        *number += usize::from(has_room);
        has_room
    }

    fn give_back(&self, network: &Network) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = taken.get_mut(network) {
            *number -= 1;
            if *number == 0 {
                taken.remove(network);
            }
        }
    }
}

impl Connections {
    /// So many places, or as many as the process may have descriptors, less those for files; for one address all, or so many.
    #[must_use]
    pub fn new(most: Option<usize>, most_of_one: Option<usize>, metrics: Arc<Metrics>) -> Self {
        let most = most.unwrap_or_else(|| default_most(descriptors()));
        metrics.connections.set_limit(most);
        let places = Arc::new(Places { free: most.into(), taken: Mutex::default(), metrics });
        let any = Arc::new(Share { places, network: None });
        Self { any, most, most_of_one, said: LogThrottle::new(), said_of_one: LogThrottle::new() }
    }

    /// A place, to be held as long as the connection is.
    #[must_use]
    pub fn admit(&self) -> Option<ConnectionPermit> {
        let one_less = |free: usize| free.checked_sub(1);
        let Places { free, metrics, .. } = &*self.any.places;
        if free.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_err() {
            metrics.connections.count_refused();
            if self.said.is_due() {
                tracing::warn!(
                    most = self.most,
                    "as many connections as may be (--max-connections): more are refused"
                );
            }
            return None;
        }
        metrics.connections.count_opened();
        Some(ConnectionPermit { share: Arc::clone(&self.any) })
    }

    /// The place of a connection of which it is known by now as what it is counted, if it is. `None` if that has as many as one
    /// may have.
    #[must_use]
    pub fn count(&self, mut place: ConnectionPermit, network: Option<Network>) -> Option<ConnectionPermit> {
        let (Some(most), Some(network)) = (self.most_of_one, network) else { return Some(place) };
        let places = &self.any.places;
        if !places.take(network, most) {
            places.metrics.connections.count_refused();
            if self.said_of_one.is_due() {
                tracing::warn!(
                    most,
                    "as many connections of one address as may be (--max-connections-per-address): more are refused"
                );
            }
            return None;
        }
        place.share = Arc::new(Share { places: Arc::clone(places), network: Some(network) });
        Some(place)
    }
}

/// Half of the descriptors where that is less than what files need.
fn default_most(descriptors: usize) -> usize {
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
    fn the_number_follows_from_the_descriptors() {
        assert!(descriptors() > 0);
        for (descriptors, most) in [(1024, 832), (200, 100), (1, 1)] {
            assert_eq!(default_most(descriptors), most);
        }
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_is_gone() {
        let connections = Connections::new(Some(1), None, Arc::default());
        let place = connections.admit();
        assert!(place.is_some() && connections.admit().is_none());
        drop(place);
        assert!(connections.admit().is_some());
    }
    #[test]
    fn an_address_has_so_many_places_and_others_have_theirs() {
        let network = |last: u8| Some(ClientAddr::new([192, 0, 2, last].into()).network(64));
        let connections = Connections::new(Some(5), Some(2), Arc::default());
        let place = |network| connections.count(connections.admit().unwrap(), network);
        let held = [place(network(1)), place(network(1)), place(network(2))];
        assert!(held.iter().all(Option::is_some));
        assert!(place(network(1)).is_none(), "a third of the same");
        let uncounted = [place(None), place(None)];
        assert!(uncounted.iter().all(Option::is_some) && connections.admit().is_none(), "all five are taken");
        drop(held);
        assert!(connections.any.places.taken.lock().unwrap().is_empty(), "nobody is remembered");
        assert!(place(network(1)).is_some());
    }
}
