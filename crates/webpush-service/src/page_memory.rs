//! The memory of pages that sessions have read and not sent yet.
//!
//! A page lasts until its agent has taken it, and an agent may take its time. So a session reserves memory before it
//! reads, from a share of its connection and from that of the process, and waits while there is none. Sessions that hold
//! a page get on without more, so none waits for itself.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use webpush_core::inbox::Entry;
use webpush_core::session::FETCH_SCAN_BYTES;

/// Memory of all pages in the process.
const PROCESS_BYTES: usize = 64 * 1024 * 1024;

/// Memory of the pages of one HTTP/2 connection.
///
/// Small enough that the connections which one address has by default, a quarter of 832, cannot take all of the process.
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
}

/// The share of one connection that has many sessions.
#[derive(Clone)]
pub struct PageShare(Arc<Semaphore>);

/// Memory that is reserved for a page. Dropping it gives the memory back.
pub struct PageLease {
    process: Option<OwnedSemaphorePermit>,
    connection: Option<OwnedSemaphorePermit>,
}

impl Default for PageMemory {
    fn default() -> Self {
        Self { process: Arc::new(Semaphore::new(PROCESS_BYTES / UNIT_BYTES)) }
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
        PageLease { connection, process: take(&self.process).await }
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
    fn a_small_page_gives_the_rest_back() {
        let (memory, share) = (PageMemory::default(), PageShare::default());
        let mut lease = reserve_now(&memory, &share).unwrap();
        lease.shrink_to(&[]);
        assert_eq!(memory.process.available_permits(), PROCESS_BYTES / UNIT_BYTES);
        assert_eq!(share.0.available_permits(), CONNECTION_BYTES / UNIT_BYTES);
    }
}
