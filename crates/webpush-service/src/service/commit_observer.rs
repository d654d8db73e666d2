//! The observer of all commits.

use crate::catch_up::CatchUp;
use crate::metrics::Metrics;
use crate::otlp::Spans;
use crate::readiness::Readiness;
use crate::session_registry::{SessionRegistry, TransportKind};
use crate::sweep::SweepTimer;
use crate::trace::Traces;
use std::sync::Arc;
use webpush_core::env::Env;
use webpush_core::id::EntryRef;
use webpush_core::message::Outcome;
use webpush_core::time::Timestamp;
use webpush_store::{Applied, CommitEvent, CommitObserver, Notice, Origin, SettleResult};

/// Notifies sessions, and updates metrics, traces, spans, readiness and the sweep timer.
///
/// The store calls it with the commit, so that a message is announced even if its sender disconnects before the response.
pub(super) struct ServiceObserver {
    pub(super) registry: Arc<SessionRegistry>,
    pub(super) sweep_timer: Arc<SweepTimer>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) traces: Arc<Traces>,
    pub(super) spans: Spans,
    pub(super) env: Env,
    /// Present if the store is shared.
    pub(super) catch_up: Option<Arc<CatchUp>>,
}

impl CommitObserver for ServiceObserver {
    fn committed(&self, CommitEvent { applied, origin, durability }: &CommitEvent<'_>) {
        // Other handles count their own commits.
        let is_own = *origin == Origin::Own;
        if is_own && self.readiness.committed(*durability) {
            // The failed commit may have been applied without an event.
            self.missed();
        }
        self.registry.announce(applied);
        if is_own {
            self.metrics.messages.count_committed(applied);
        }
        self.sweep_timer.observe(applied);
        let mut now = None;
        for change in *applied {
            match change {
                Applied::Appended(appended) => {
                    appended.replaced.iter().for_each(|old| self.ended(old, Outcome::Replaced));
                    appended.dropped.iter().for_each(|old| self.ended(old, Outcome::Dropped));
                }
                Applied::Settled(SettleResult { entry, outcome, accepted: Some(accepted), .. }) => {
                    if is_own {
                        let now: Timestamp = *now.get_or_insert_with(|| self.env.now());
                        self.metrics.messages.count_settled(*outcome, *accepted, now);
                    }
                    self.ended(entry, *outcome);
                }
                Applied::Removed(removed) => self.registry.end_sessions(removed.inbox, removed.subscription),
                _ => {}
            }
        }
    }

    fn failed(&self) {
        self.readiness.failed();
    }

    fn missed(&self) {
        match &self.catch_up {
            Some(catch_up) => catch_up.request(),
            None => self.registry.announce_gap(),
        }
        self.sweep_timer.rescan();
    }

    fn noticed(&self, notice: &Notice) {
        match notice {
            Notice::Stored(inbox) => self.registry.announce_unread(*inbox),
            Notice::StoredMessage(message) => self.registry.announce_from_elsewhere(message),
            Notice::Removed(inbox, subscription) => self.registry.end_sessions(*inbox, *subscription),
            Notice::Superseded(inbox, kind) => {
                if let Some(transport) = TransportKind::from_number(*kind) {
                    self.registry.supersede(*inbox, transport);
                }
            }
            Notice::Offered(entry) => {
                self.registry.offer(entry);
            }
        }
    }
}

impl ServiceObserver {
    fn ended(&self, entry: &EntryRef, outcome: Outcome) {
        self.traces.record_end(entry.message, outcome);
        self.spans.record_end(entry.message, outcome);
    }
}
