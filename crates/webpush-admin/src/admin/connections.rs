//! The connections of the admin listener, of which the idle ones make room.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Maximum number of concurrent connections.
const CONNECTIONS: usize = 64;

/// The open connections.
///
/// At the limit, a new connection takes the place of the oldest one that handles no request with access. Otherwise
/// clients without a token, by sockets or requests that they only hold open, would keep health checks out, and an
/// orchestrator would restart the server.
pub(super) struct AdminConnections {
    permits: Arc<Semaphore>,
    /// Oldest first.
    open: Mutex<VecDeque<Arc<AdminConnection>>>,
}

/// One open connection.
#[derive(Default)]
pub(super) struct AdminConnection {
    /// True while a request with access is handled.
    is_busy: AtomicBool,
    evicted: Notify,
}

/// The permit of a connection, returned on drop.
pub(super) struct AdminPermit {
    all: Arc<AdminConnections>,
    pub(super) connection: Arc<AdminConnection>,
    _permit: OwnedSemaphorePermit,
}

impl Default for AdminConnections {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(CONNECTIONS)), open: Mutex::default() }
    }
}

impl AdminConnections {
    /// Takes a permit for a new connection.
    ///
    /// Waits only while every other connection handles a request with access.
    pub(super) async fn admit(self: &Arc<Self>) -> Option<AdminPermit> {
        if self.permits.available_permits() == 0 {
            self.evict();
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let connection = Arc::<AdminConnection>::default();
        self.open().push_back(Arc::clone(&connection));
        Some(AdminPermit { all: Arc::clone(self), connection, _permit: permit })
    }

    /// Closes the oldest connection that handles no request with access.
    fn evict(&self) {
        let mut open = self.open();
        let idle = open.iter().position(|connection| !connection.is_busy.load(Ordering::Relaxed));
        if let Some(connection) = idle.and_then(|index| open.remove(index)) {
            connection.evicted.notify_one();
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<AdminConnection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdminConnection {
    /// Handles a request, during which the connection keeps its permit if the request has access.
    pub(super) async fn handle<T>(&self, has_access: bool, request: impl Future<Output = T>) -> T {
        self.is_busy.store(has_access, Ordering::Relaxed);
        let response = request.await;
        self.is_busy.store(false, Ordering::Relaxed);
        response
    }

    /// Waits until the connection must make room for another.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for AdminPermit {
    fn drop(&mut self) {
        self.all.open().retain(|connection| !Arc::ptr_eq(connection, &self.connection));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_request_with_access_keeps_its_permit() {
        let connection = AdminConnection::default();
        for has_access in [true, false] {
            let is_busy = async { connection.is_busy.load(Ordering::Relaxed) };
            assert_eq!(connection.handle(has_access, is_busy).await, has_access);
            assert!(!connection.is_busy.load(Ordering::Relaxed));
        }
    }

    #[tokio::test]
    async fn a_full_listener_evicts_the_oldest_idle_connection() {
        let all = Arc::<AdminConnections>::default();
        let mut permits = Vec::new();
        for _ in 0..CONNECTIONS {
            permits.push(all.admit().await.unwrap());
        }
        permits[0].connection.is_busy.store(true, Ordering::Relaxed);
        let evicted = Arc::clone(&permits[1].connection);
        let second = permits.remove(1);
        let (new, ()) = tokio::join!(all.admit(), async {
            evicted.evicted().await;
            drop(second);
        });
        assert!(new.is_some());
        assert_eq!(all.open().len(), CONNECTIONS);
    }
}
