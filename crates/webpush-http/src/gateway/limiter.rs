//! GatewayLimiter for what leaves for other push services. Notifications that wait for them are bounded, and so are the requests
//! under way, each in all and for one network of peers: a stranger whose push services are slow waits for them alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use webpush_service::client_addr::Network;

/// Notifications that wait for other push services at once, with what is to be sent to their devices: 32 times 4,096 bytes
/// and a push URL at most. More are refused.
pub const GATEWAY_NOTIFICATIONS: usize = 128;

/// Those of one IPv4 address or IPv6 /64.
pub const GATEWAY_PEER_NOTIFICATIONS: usize = GATEWAY_NOTIFICATIONS / 4;

/// Requests to other push services that are under way at once; more wait.
///
/// Each takes a descriptor of the reserved ones.
pub const GATEWAY_REQUESTS: usize = 64;

/// Those for one IPv4 address or IPv6 /64.
pub const GATEWAY_PEER_REQUESTS: usize = GATEWAY_REQUESTS / 4;

/// All the room there is.
pub struct GatewayLimiter {
    all: Bounds,
    /// There are no more that live than notifications and requests; those that don't are forgotten with the next new one.
    shares: Mutex<HashMap<Network, Weak<Bounds>>>,
}

/// So many notifications, and so many requests.
struct Bounds {
    notifications: Arc<Semaphore>,
    requests: Arc<Semaphore>,
}

/// The right of one notification to send requests.
pub struct DeliveryPermit {
    all_requests: Arc<Semaphore>,
    share: Option<Arc<Bounds>>,
    _held: Vec<OwnedSemaphorePermit>,
}

/// The right to one request.
///
/// Keeps the share of its peer alive, also when its notification is given up before it ends.
pub struct NotificationPermit {
    _share: Option<Arc<Bounds>>,
    _held: Vec<OwnedSemaphorePermit>,
}

/// Why a notification gets no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// Too many wait, whosever they are.
    InAll,
    /// Too many of this peer's network wait.
    ForPeer,
}

impl Bounds {
    fn new(notifications: usize, requests: usize) -> Self {
        let semaphore = |most| Arc::new(Semaphore::new(most));
        Self { notifications: semaphore(notifications), requests: semaphore(requests) }
    }
}

impl Default for GatewayLimiter {
    fn default() -> Self {
        Self { all: Bounds::new(GATEWAY_NOTIFICATIONS, GATEWAY_REQUESTS), shares: Mutex::default() }
    }
}

impl GatewayLimiter {
    /// Lets a notification in at once or not at all.
    ///
    /// It is counted as its peer's network, if that is limited.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn admit(&self, peer: Option<Network>) -> Result<DeliveryPermit, NoRoom> {
        let share = peer.map(|network| self.share(network));
        let mut held = Vec::new();
        if let Some(share) = &share {
            let own = Arc::clone(&share.notifications).try_acquire_owned();
            held.push(own.map_err(|_| NoRoom::ForPeer)?);
        }
        held.push(Arc::clone(&self.all.notifications).try_acquire_owned().map_err(|_| NoRoom::InAll)?);
        Ok(DeliveryPermit { all_requests: Arc::clone(&self.all.requests), share, _held: held })
    }

    fn share(&self, network: Network) -> Arc<Bounds> {
        // A holder of this lock can't panic half-way through anything that matters.
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&network).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Bounds::new(GATEWAY_PEER_NOTIFICATIONS, GATEWAY_PEER_REQUESTS));
        shares.insert(network, Arc::downgrade(&share));
        share
    }
}

impl DeliveryPermit {
    /// Waits for a place: first for one of the peer's own, so that nobody queues for the others with more than a share.
    /// `None` when there will be none.
    pub async fn place(&self) -> Option<NotificationPermit> {
        let mut held = Vec::new();
        if let Some(share) = &self.share {
            held.push(Arc::clone(&share.requests).acquire_owned().await.ok()?);
        }
        held.push(Arc::clone(&self.all_requests).acquire_owned().await.ok()?);
        Some(NotificationPermit { _share: self.share.clone(), _held: held })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use webpush_service::client_addr::ClientAddr;

    fn network(address: &str) -> Option<Network> {
        Some(ClientAddr::new(address.parse().unwrap()).network(64))
    }

    fn seats(room: &GatewayLimiter, peer: Option<Network>, number: usize) -> Vec<DeliveryPermit> {
        (0..number).map(|_| room.admit(peer).unwrap()).collect()
    }

    fn refused(room: &GatewayLimiter, peer: Option<Network>) -> Option<NoRoom> {
        room.admit(peer).err()
    }

    #[test]
    fn a_network_has_a_share_of_what_all_have() {
        let room = GatewayLimiter::default();
        let mut held = seats(&room, network("192.0.2.1"), GATEWAY_PEER_NOTIFICATIONS);
        assert_eq!(refused(&room, network("192.0.2.1")), Some(NoRoom::ForPeer));
        held.extend(seats(&room, network("192.0.2.2"), GATEWAY_PEER_NOTIFICATIONS));
        held.extend(seats(&room, None, GATEWAY_NOTIFICATIONS - held.len()));
        assert_eq!(refused(&room, network("192.0.2.3")), Some(NoRoom::InAll));
        assert_eq!(refused(&room, None), Some(NoRoom::InAll));
        held.pop();
        assert_eq!(refused(&room, network("192.0.2.1")), Some(NoRoom::ForPeer));
        assert_eq!(refused(&room, network("192.0.2.3")), None);
        held.clear();
        assert_eq!(seats(&room, None, GATEWAY_NOTIFICATIONS).len(), GATEWAY_NOTIFICATIONS);
    }

    #[test]
    fn a_network_leaves_places_for_others_and_a_place_outlives_its_notification() {
        let room = GatewayLimiter::default();
        let place = |peer| room.admit(peer).unwrap().place().now_or_never();
        let mut slow: Vec<_> = (0..GATEWAY_PEER_REQUESTS).map(|_| place(network("2001:db8::1"))).collect();
        assert!(slow.iter().all(|place| place.as_ref().is_some_and(Option::is_some)));
        // Their notifications are gone, as those are that were given up while a name is still looked up.
        assert!(place(network("2001:db8::2")).is_none());
        let others: Vec<_> = (slow.len()..GATEWAY_REQUESTS).map(|_| place(None).unwrap()).collect();
        assert!(place(None).is_none());
        slow.pop();
        assert!(place(None).is_some() && place(network("2001:db8::1")).is_some());
        drop(others);
        assert!(place(network("192.0.2.1")).is_some());
    }

    #[test]
    fn networks_that_hold_nothing_are_forgotten() {
        let room = GatewayLimiter::default();
        let held = room.admit(network("192.0.2.1"));
        for last in 2..255 {
            assert_eq!(refused(&room, network(&format!("192.0.2.{last}"))), None);
        }
        assert_eq!(room.shares.lock().unwrap().len(), 2, "the one that is held, and the newest");
        assert!(held.is_ok());
    }
}
