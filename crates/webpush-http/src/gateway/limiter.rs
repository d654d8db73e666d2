//! Limits of the requests to other push services.
//!
//! Waiting notifications and concurrent requests are each bounded in total and per client network, so that one client with
//! slow push services does not delay the others.

use super::error::GatewayError;
use crate::gateway::GATEWAY_PATIENCE;
use crate::problem::HttpError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use webpush_core::problem::{LimitKind, Problem};
use webpush_service::client_addr::Network;

/// Notifications that wait for other push services; more are refused.
///
/// Each takes at most 32 messages of 4,096 bytes and their push URLs.
pub const GATEWAY_NOTIFICATIONS: usize = 128;

/// Waiting notifications of one IPv4 address or IPv6 /64.
pub const GATEWAY_CLIENT_NOTIFICATIONS: usize = GATEWAY_NOTIFICATIONS / 4;

/// Concurrent requests to other push services; more wait.
///
/// Each takes one of the reserved file descriptors.
pub const GATEWAY_REQUESTS: usize = 64;

/// Concurrent requests for one IPv4 address or IPv6 /64.
pub const GATEWAY_CLIENT_REQUESTS: usize = GATEWAY_REQUESTS / 4;

/// Permits for notifications and their requests.
pub struct GatewayLimiter {
    all: Bounds,
    /// By client network. Adding one removes the unused ones, so the permits bound their number.
    shares: Mutex<HashMap<Network, Weak<Bounds>>>,
}

struct Bounds {
    notifications: Arc<Semaphore>,
    requests: Arc<Semaphore>,
}

/// The permit of a notification to send requests.
pub struct NotificationPermit {
    all_requests: Arc<Semaphore>,
    share: Option<Arc<Bounds>>,
    _held: Vec<OwnedSemaphorePermit>,
}

/// The permit of one request.
///
/// It keeps the share of its client alive, even if the notification is canceled before it.
pub struct RequestPermit {
    _share: Option<Arc<Bounds>>,
    _held: Vec<OwnedSemaphorePermit>,
}

/// The limit that a notification exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitExceeded {
    /// [`GATEWAY_NOTIFICATIONS`].
    InAll,
    /// [`GATEWAY_CLIENT_NOTIFICATIONS`].
    OfClient,
}

impl From<LimitExceeded> for HttpError {
    fn from(exceeded: LimitExceeded) -> Self {
        match exceeded {
            LimitExceeded::InAll => Self::Gateway(GatewayError::Busy),
            // By then the waiting notifications have ended.
            LimitExceeded::OfClient => Problem::TooManyRequests {
                limit: LimitKind::Notifications,
                retry_after_seconds: GATEWAY_PATIENCE.as_secs(),
            }
            .into(),
        }
    }
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
    /// Returns a permit without waiting. It is charged to the client's network, if that is limited.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`].
    pub fn admit(&self, client: Option<Network>) -> Result<NotificationPermit, LimitExceeded> {
        let share = client.map(|network| self.share(network));
        let mut held = Vec::new();
        if let Some(share) = &share {
            let own = Arc::clone(&share.notifications).try_acquire_owned();
            held.push(own.map_err(|_| LimitExceeded::OfClient)?);
        }
        held.push(Arc::clone(&self.all.notifications).try_acquire_owned().map_err(|_| LimitExceeded::InAll)?);
        Ok(NotificationPermit { all_requests: Arc::clone(&self.all.requests), share, _held: held })
    }

    fn share(&self, network: Network) -> Arc<Bounds> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&network).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Bounds::new(GATEWAY_CLIENT_NOTIFICATIONS, GATEWAY_CLIENT_REQUESTS));
        shares.insert(network, Arc::downgrade(&share));
        share
    }
}

impl NotificationPermit {
    /// Waits for a permit; `None` if the server shuts down.
    ///
    /// The client's own share comes first, so that no client queues for the rest with more than its share.
    pub async fn request(&self) -> Option<RequestPermit> {
        let mut held = Vec::new();
        if let Some(share) = &self.share {
            held.push(Arc::clone(&share.requests).acquire_owned().await.ok()?);
        }
        held.push(Arc::clone(&self.all_requests).acquire_owned().await.ok()?);
        Some(RequestPermit { _share: self.share.clone(), _held: held })
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

    fn admitted(limiter: &GatewayLimiter, client: Option<Network>, number: usize) -> Vec<NotificationPermit> {
        (0..number).map(|_| limiter.admit(client).unwrap()).collect()
    }

    fn refused(limiter: &GatewayLimiter, client: Option<Network>) -> Option<LimitExceeded> {
        limiter.admit(client).err()
    }

    #[test]
    fn a_network_has_a_share_of_the_notifications() {
        let limiter = GatewayLimiter::default();
        let mut held = admitted(&limiter, network("192.0.2.1"), GATEWAY_CLIENT_NOTIFICATIONS);
        assert_eq!(refused(&limiter, network("192.0.2.1")), Some(LimitExceeded::OfClient));
        held.extend(admitted(&limiter, network("192.0.2.2"), GATEWAY_CLIENT_NOTIFICATIONS));
        held.extend(admitted(&limiter, None, GATEWAY_NOTIFICATIONS - held.len()));
        assert_eq!(refused(&limiter, network("192.0.2.3")), Some(LimitExceeded::InAll));
        assert_eq!(refused(&limiter, None), Some(LimitExceeded::InAll));
        held.pop();
        assert_eq!(refused(&limiter, network("192.0.2.1")), Some(LimitExceeded::OfClient));
        assert_eq!(refused(&limiter, network("192.0.2.3")), None);
        held.clear();
        assert_eq!(admitted(&limiter, None, GATEWAY_NOTIFICATIONS).len(), GATEWAY_NOTIFICATIONS);
    }

    #[test]
    fn a_network_has_a_share_of_the_requests_which_outlive_their_notification() {
        let limiter = GatewayLimiter::default();
        let request = |client| limiter.admit(client).unwrap().request().now_or_never();
        let mut slow: Vec<_> =
            (0..GATEWAY_CLIENT_REQUESTS).map(|_| request(network("2001:db8::1"))).collect();
        assert!(slow.iter().all(|permit| permit.as_ref().is_some_and(Option::is_some)));
        // Their notifications are dropped, as when one is canceled during a name lookup.
        assert!(request(network("2001:db8::2")).is_none());
        let others: Vec<_> = (slow.len()..GATEWAY_REQUESTS).map(|_| request(None).unwrap()).collect();
        assert!(request(None).is_none());
        slow.pop();
        assert!(request(None).is_some() && request(network("2001:db8::1")).is_some());
        drop(others);
        assert!(request(network("192.0.2.1")).is_some());
    }

    #[test]
    fn networks_without_permits_are_removed() {
        let limiter = GatewayLimiter::default();
        let held = limiter.admit(network("192.0.2.1"));
        for last in 2..255 {
            assert_eq!(refused(&limiter, network(&format!("192.0.2.{last}"))), None);
        }
        assert_eq!(limiter.shares.lock().unwrap().len(), 2, "the one that is held, and the newest");
        assert!(held.is_ok());
    }
}
