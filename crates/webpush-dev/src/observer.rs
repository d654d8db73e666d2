//! Observes how messages end.

use crate::record::State;
use crate::records::Records;
use std::sync::Arc;
use webpush_core::env::Env;
use webpush_store::{Applied, CommitEvent, CommitObserver};

/// Brings the records up to date with each commit.
pub(crate) struct RecordObserver {
    pub(crate) records: Arc<Records>,
    pub(crate) env: Env,
}

impl CommitObserver for RecordObserver {
    fn committed(&self, event: &CommitEvent<'_>) {
        let now = self.env.now();
        for change in event.applied {
            match change {
                Applied::Appended(appended) => {
                    if let Some(old) = &appended.replaced {
                        self.records.end(old.message, State::Replaced, now);
                    }
                    for old in &appended.dropped {
                        self.records.end(old.message, State::Dropped, now);
                    }
                }
                Applied::Settled(settled) => {
                    self.records.end(settled.entry.message, settled.outcome.into(), now);
                }
                Applied::Removed(removed) => self.records.cancel(|(inbox, id)| {
                    *inbox == removed.inbox && removed.subscription.is_none_or(|only| only == *id)
                }),
                _ => {}
            }
        }
    }

    /// The store in memory does not fail.
    fn failed(&self) {}

    /// The store in memory misses no event.
    fn missed(&self) {}
}
