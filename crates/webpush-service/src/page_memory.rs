//! The memory of pages that sessions have read and not sent yet.
//!
//! A page lasts until its agent has taken it, and an agent may take its time. So a session reserves memory before it
//! reads, from a share of its connection and from that of the process, and waits while there is none. Sessions that hold
//! a page get on without more, so none waits for itself. Those whose agents do not take it at once are charged to their
//! network, and end if it holds too much.

use crate::client_addr::Network;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use webpush_core::inbox::Entry;
use webpush_core::session::FETCH_SCAN_BYTES;

/// Memory of all pages in the process.
const PROCESS_BYTES: usize = 64 * 1024 * 1024;

/// Memory of the pages that wait for the agents of one network.
const NETWORK_BYTES: usize = PROCESS_BYTES / 4;

/// Memory of the pages of one HTTP/2 connection.
const CONNECTION_BYTES: usize = 256 * 1024;

/// The largest page: the last of its messages may exceed what a read looks at.
const PAGE_BYTES: usize = FETCH_SCAN_BYTES + 4096;

/// Memory of an entry beside its body.
const ENTRY_BYTES: usize = 256;

/// The unit of reservations.
const UNIT_BYTES: usize = 1024;

/// The memory for pages.
pub struct PageMemory {
    process: Arc<Semaphore>,
    held: Arc<HeldPages>,
}

/// Units of memory that wait for the agents of each network.
type HeldPages = Mutex<HashMap<Network, usize>>;

/// The share of one connection that has many sessions.
#[derive(Clone)]
pub struct PageShare(Arc<Semaphore>);

/// Memory that is reserved for a page. Dropping it gives the memory back.
pub struct PageLease {
    process: Option<OwnedSemaphorePermit>,
    connection: Option<OwnedSemaphorePermit>,
    charge: Option<NetworkCharge>,
}

/// Memory that is charged to a network. Dropping it gives the memory back.
struct NetworkCharge {
    held: Arc<HeldPages>,
    network: Network,
    units: usize,
}

impl Default for PageMemory {
    fn default() -> Self {
        Self { process: Arc::new(Semaphore::new(PROCESS_BYTES / UNIT_BYTES)), held: Arc::default() }
    }
}

impl Default for PageShare {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CONNECTION_BYTES / UNIT_BYTES)))
    }
}

impl PageMemory {
    /// Reserves memory for a page of any size. Waits until there is enough.
    pub async fn reserve(&self, share: Option<&PageShare>) -> PageLease {
        // The share of the connection comes first: who waits for that takes nothing from others.
        let connection = match share {
            Some(share) => take(&share.0).await,
            None => None,
        };
        PageLease { connection, process: take(&self.process).await, charge: None }
    }

    /// Charges a page that waits for its agent to a network. Returns false if the network holds too much.
    #[must_use]
    pub fn charge(&self, lease: &mut PageLease, network: Network) -> bool {
        if lease.charge.is_some() {
            return true;
        }
        let units = lease.process.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = held.entry(network).or_default();
        let fits = *sum + units <= NETWORK_BYTES / UNIT_BYTES;
        if fits {
            *sum += units;
            lease.charge = Some(NetworkCharge { held: Arc::clone(&self.held), network, units });
        }
        fits
    }
}

impl Drop for NetworkCharge {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sum) = held.get_mut(&self.network) {
            *sum -= self.units;
            if *sum == 0 {
                held.remove(&self.network);
            }
        }
    }
}

impl PageLease {
    /// Gives back what a page does not need.
    pub fn shrink_to(&mut self, entries: &[Entry]) {
        let bytes = entries.iter().map(|entry| entry.body_bytes() + ENTRY_BYTES).sum::<usize>();
        let units = bytes.div_ceil(UNIT_BYTES);
        for permit in [&mut self.process, &mut self.connection].into_iter().flatten() {
            drop(permit.split(permit.num_permits().saturating_sub(units)));
        }
    }
}

/// Takes the memory of a page; `None` if the semaphore is closed, which never happens.
async fn take(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    #[allow(clippy::cast_possible_truncation, reason = "a page has less than 4 TiB")]
    let units = PAGE_BYTES.div_ceil(UNIT_BYTES) as u32;
    Arc::clone(semaphore).acquire_many_owned(units).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_addr::ClientAddr;
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn reserve_now(memory: &PageMemory, share: &PageShare) -> Option<PageLease> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(memory.reserve(Some(share))).poll(&mut context) {
            Poll::Ready(lease) => Some(lease),
            Poll::Pending => None,
        }
    }

    /// A2: pages that wait have a share for each connection.
    #[test]
    fn a_connection_has_a_share_and_the_process_an_end() {
        let (memory, share) = (PageMemory::default(), PageShare::default());
        let leases: Vec<_> = std::iter::from_fn(|| reserve_now(&memory, &share)).collect();
        assert_eq!(leases.len(), CONNECTION_BYTES / PAGE_BYTES);
        let other = PageShare::default();
        assert!(reserve_now(&memory, &other).is_some(), "another connection has its own share");
        drop(leases);
        assert!(reserve_now(&memory, &share).is_some());
        let all: Vec<_> = std::iter::from_fn(|| reserve_now(&memory, &PageShare::default())).collect();
        assert_eq!(all.len(), PROCESS_BYTES / PAGE_BYTES);
    }

    #[test]
    fn a_network_has_a_share_of_the_pages_that_wait() {
        let network = |last: u8| ClientAddr::new([192, 0, 2, last].into()).network(64);
        let memory = PageMemory::default();
        let mut held = Vec::new();
        while let Some(mut lease) = reserve_now(&memory, &PageShare::default()) {
            if !memory.charge(&mut lease, network(1)) {
                assert!(memory.charge(&mut lease, network(2)), "another network has its own share");
                break;
            }
            assert!(memory.charge(&mut lease, network(1)), "charged once");
            held.push(lease);
        }
        assert_eq!(held.len(), NETWORK_BYTES / UNIT_BYTES / PAGE_BYTES.div_ceil(UNIT_BYTES));
        held.clear();
        assert!(memory.held.lock().unwrap().is_empty());
    }

    #[test]
    fn a_small_page_gives_the_rest_back() {
        let (memory, share) = (PageMemory::default(), PageShare::default());
        let mut lease = reserve_now(&memory, &share).unwrap();
        lease.shrink_to(&[]);
        assert_eq!(memory.process.available_permits(), PROCESS_BYTES / UNIT_BYTES);
        assert_eq!(share.0.available_permits(), CONNECTION_BYTES / UNIT_BYTES);
    }
}
