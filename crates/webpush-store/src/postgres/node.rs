//! The state that the tasks of one handle share.

use super::cluster_view::ClusterView;
use super::connect::DatabaseConnector;
use super::options::PostgresOptions;
use super::queue::{Commit, CommitQueue};
use super::recent::RecentMessages;
use crate::observer::{HandleId, Observers};
use crate::statistics::Histogram;
use crate::{ClusterStatistics, Notice, Statistics, StoreError};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// Bounds of latencies, in microseconds.
const LATENCY_BOUNDS: &[u64] =
    &[500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];
/// Bounds of the number of commits in a group.
const GROUP_BOUNDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];
/// Number of waiting notices above which the next ones are sent without their messages.
///
/// More of them fit into a notification then.
const WAITING_MESSAGES: u64 = 64;
/// Number of live nodes above which notices are sent without their messages.
const MESSAGE_NODES: u64 = 8;

/// One handle to the store, with a name of its own in the database.
pub(super) struct Node {
    pub(super) id: [u8; 16],
    pub(super) options: PostgresOptions,
    pub(super) connector: DatabaseConnector,
    pub(super) observers: Observers,
    pub(super) handle: HandleId,
    pub(super) queue: CommitQueue,
    pub(super) recent: RecentMessages,
    pub(super) gauges: NodeGauges,
    pub(super) view: ClusterView,
    /// `None` once the store is closed.
    notices: Mutex<Option<NoticeSender>>,
    is_closed: AtomicBool,
    /// This node runs the tasks of which the service needs one.
    leads: AtomicBool,
    /// How often notices were dropped.
    gaps: AtomicI64,
    /// The notices of other nodes arrive.
    is_listening: AtomicBool,
    /// Raised when the database may be on another server: connections that are older are not used any more.
    epoch: AtomicU64,
    /// The database system and timeline of the last connection for commits.
    history: Mutex<String>,
    waiting_notices: AtomicU64,
    /// True if the service has other cells. Then an inbox without entries may be in one of them.
    has_cells: AtomicBool,
    /// Takes commits to inboxes in other cells.
    redirect: OnceLock<Redirect>,
    /// Receipts for inboxes in other cells were written.
    pub(super) outgoing: Notify,
}

/// Takes a commit to an inbox in another cell.
pub(super) type Redirect = Box<dyn Fn(Commit) + Send + Sync>;

/// Metrics of a handle.
pub(super) struct NodeGauges {
    pub(super) commits: Histogram,
    pub(super) groups: Histogram,
    /// Time from a commit until its notice was sent.
    pub(super) notices: Histogram,
    /// Nodes that are alive.
    pub(super) nodes: AtomicU64,
    /// How often the listener connected.
    pub(super) listens: AtomicU64,
    is_up: AtomicBool,
    outages: AtomicU64,
}

/// A notice, and the time when it was submitted.
pub(super) type TimedNotice = (Instant, Notice);
/// Submits notices to the task that sends them.
pub(super) type NoticeSender = mpsc::UnboundedSender<TimedNotice>;

/// Marks the ID of a node. Those of commands come last, so that these never lead servers.
pub(super) const fn node_id(mut random: [u8; 16], is_server: bool) -> [u8; 16] {
    random[0] = if is_server { random[0] & 0x7f } else { random[0] | 0x80 };
    random
}

/// Returns true if an ID is that of a server, and not of a command.
pub(super) const fn is_server(id: [u8; 16]) -> bool {
    id[0] & 0x80 == 0
}

impl Node {
    /// Creates a node with the ID `id`, which must be random.
    pub(super) fn new(
        id: [u8; 16],
        options: PostgresOptions,
        connector: DatabaseConnector,
        notices: NoticeSender,
    ) -> Self {
        let observers = Observers::default();
        Self {
            id,
            options,
            connector,
            handle: observers.new_handle(),
            observers,
            queue: CommitQueue::default(),
            recent: RecentMessages::default(),
            gauges: NodeGauges {
                commits: Histogram::new(LATENCY_BOUNDS),
                groups: Histogram::new(GROUP_BOUNDS),
                notices: Histogram::new(LATENCY_BOUNDS),
                nodes: AtomicU64::new(1),
                listens: AtomicU64::new(0),
                is_up: AtomicBool::new(true),
                outages: AtomicU64::new(0),
            },
            view: ClusterView::new(),
            notices: Mutex::new(Some(notices)),
            is_closed: AtomicBool::new(false),
            // Until others are known.
            leads: AtomicBool::new(true),
            gaps: AtomicI64::new(0),
            is_listening: AtomicBool::new(true),
            epoch: AtomicU64::new(0),
            history: Mutex::default(),
            waiting_notices: AtomicU64::new(0),
            has_cells: AtomicBool::new(false),
            redirect: OnceLock::new(),
            outgoing: Notify::new(),
        }
    }

    /// Sets who takes commits to inboxes in other cells. The first call counts.
    pub(super) fn set_redirect(&self, redirect: Redirect) {
        drop(self.redirect.set(redirect));
    }

    /// Sends a commit to the cell of its inboxes.
    pub(super) fn redirect(&self, commit: Commit) {
        match self.redirect.get() {
            Some(redirect) => redirect(commit),
            None => (commit.done)(Err(StoreError::Moved)),
        }
    }

    pub(super) fn set_cells(&self) {
        self.has_cells.store(true, Ordering::Release);
    }

    pub(super) fn has_cells(&self) -> bool {
        self.has_cells.load(Ordering::Acquire)
    }

    /// Sends a notice to the other nodes.
    pub(super) fn notify(&self, notice: Notice) {
        let notice = if self.sends_messages() { notice } else { notice.without_message() };
        if let Some(notices) = &*self.notices.lock().unwrap_or_else(PoisonError::into_inner) {
            self.waiting_notices.fetch_add(1, Ordering::Relaxed);
            // Fails only if the runtime has ended.
            drop(notices.send((Instant::now(), notice)));
        }
    }

    /// Returns true if notices have their messages with them.
    ///
    /// All nodes get them, and one has use for them.
    fn sends_messages(&self) -> bool {
        let nodes = self.gauges.nodes.load(Ordering::Relaxed);
        (2..=MESSAGE_NODES).contains(&nodes) && self.waiting_notices() <= WAITING_MESSAGES
    }

    /// Records that notices were taken from the queue.
    pub(super) fn sent_notices(&self, submitted: &[Instant]) {
        for submitted in submitted {
            self.gauges.notices.note(u64::try_from(submitted.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        self.waiting_notices.fetch_sub(submitted.len() as u64, Ordering::Relaxed);
    }

    fn waiting_notices(&self) -> u64 {
        self.waiting_notices.load(Ordering::Relaxed)
    }

    /// Ends the task that sends notices, once it has sent those that wait.
    pub(super) fn end_notices(&self) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Records that notices were dropped. The next heartbeat tells the others.
    pub(super) fn add_gap(&self) {
        self.gaps.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn gaps(&self) -> i64 {
        self.gaps.load(Ordering::Acquire)
    }

    pub(super) fn set_listening(&self, is_listening: bool) {
        self.is_listening.store(is_listening, Ordering::Release);
    }

    /// Records the database system and timeline on which commits are made.
    ///
    /// If they have changed, another server was promoted, and no connection may stay at the old one.
    pub(super) fn set_history(&self, history: String) {
        let mut known = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_empty() && *known != history {
            self.start_epoch();
        }
        *known = history;
    }

    /// Makes readers and the sender of notices connect anew, perhaps to another server.
    pub(super) fn start_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Tells the observers that they may have missed commits of other nodes.
    pub(super) fn missed(&self) {
        self.observers.missed();
    }

    /// Returns true while the database can be read and written, as far as is known.
    pub(super) fn is_up(&self) -> bool {
        self.gauges.is_up.load(Ordering::Acquire)
            && self.is_listening.load(Ordering::Acquire)
            && !self.is_closed()
    }

    /// Records that the database could not be used. Logs it once.
    pub(super) fn report_outage(&self, reason: &str) {
        if self.gauges.is_up.swap(false, Ordering::AcqRel) {
            self.gauges.outages.fetch_add(1, Ordering::Relaxed);
            tracing::error!(cell = self.cell(), "the database cannot be written: {reason}; retrying");
        }
    }

    /// Records that the database was written.
    pub(super) fn report_up(&self) {
        if !self.gauges.is_up.swap(true, Ordering::AcqRel) {
            tracing::info!(cell = self.cell(), "the database can be written again");
        }
    }

    /// Returns the name of its cell for logs; `None` for the first one.
    pub(super) fn cell(&self) -> Option<&str> {
        Some(self.options.cell.as_str()).filter(|name| !name.is_empty())
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.queue.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    pub(super) fn set_leads(&self, leads: bool) {
        self.leads.store(leads, Ordering::Release);
    }

    pub(super) fn leads(&self) -> bool {
        self.leads.load(Ordering::Acquire)
    }

    fn cluster_statistics(&self) -> ClusterStatistics {
        ClusterStatistics {
            nodes: self.gauges.nodes.load(Ordering::Relaxed),
            leads: self.leads(),
            listens: self.gauges.listens.load(Ordering::Relaxed),
            gaps: self.gaps().unsigned_abs(),
            waiting_notices: self.waiting_notices(),
            differing_nodes: self.view.differing(),
            standbys: self.view.standbys(),
            notices: self.gauges.notices.distribution(),
            cells: Vec::new(),
        }
    }

    pub(super) fn statistics(&self) -> Statistics {
        Statistics {
            is_up: self.is_up(),
            outages: self.gauges.outages.load(Ordering::Relaxed),
            waiting: self.queue.waiting() as u64,
            commits: self.gauges.commits.distribution(),
            groups: self.gauges.groups.distribution(),
            cluster: Some(self.cluster_statistics()),
            ..Statistics::default()
        }
    }
}
