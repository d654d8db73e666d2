//! Progress on standard error.

use crate::cli::render::terminal;
use std::time::Duration;
use webpush_admin::archive::Counts;
use webpush_admin::migration::MigrationCounts;
use webpush_core::env::{Env, MonotonicTime};
use webpush_service::system;

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(3);

/// Prints a line every few seconds.
pub(super) struct PassProgress {
    env: Env,
    next: MonotonicTime,
}

impl PassProgress {
    pub(super) fn new() -> Self {
        let env = system::env();
        Self { next: env.monotonic().after(INTERVAL), env }
    }

    pub(super) fn report(&mut self, counts: &MigrationCounts) {
        let now = self.env.monotonic();
        if now < self.next {
            return;
        }
        self.next = now.after(INTERVAL);
        terminal::note(&line(counts));
    }
}

fn line(counts: &MigrationCounts) -> String {
    let total = |counts: Counts| counts.inboxes + counts.subscriptions + counts.messages + counts.receipts;
    let MigrationCounts { copied, removed, unchanged, skipped: _ } = *counts;
    format!("{} records copied, {} removed, {} unchanged", total(copied), total(removed), total(unchanged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_records_of_all_kinds() {
        let copied = Counts { inboxes: 1, subscriptions: 2, messages: 3, receipts: 4 };
        let counts = MigrationCounts { copied, skipped: 1, ..MigrationCounts::default() };
        assert_eq!(line(&counts), "10 records copied, 0 removed, 0 unchanged");
    }
}
